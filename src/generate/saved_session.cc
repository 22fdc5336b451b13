// Session::Save and Load: which model and kernels a file's pages are of.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "generate/session_state.h"
#include "kernels/kernels.h"
#include "models/checkpoint.h"
#include "models/saved_sequence.h"

namespace malmoi::generate {

namespace {

namespace fs = std::filesystem;

// All that the pages depend on but the kernels, as a message may show it.
std::string ModelMark(const SessionState& state) {
  const models::Spec& spec = state.model->decoder().spec();
  // Keys are rotated by what the sequence may grow to, see models/spec.h:
  // by two kinds of it, or by the number itself.
  std::string rotation;
  for (const auto& rope : {spec.attention.rope, spec.attention.sliding_rope}) {
    if (!rotation.empty() || !rope.IsLong(state.context)) continue;
    rotation = rope.dynamic_factor > 0
                   ? Format(", a context of {}", state.context)
                   : ", long context";
  }
  const bool exact = state.model->precision() == models::Precision::kExact;
  std::string adapters;
  for (const auto& adapter : state.model->info().adapters) {
    adapters += Format(", adapter {}", adapter->mark());
  }
  return Format("{} of {} layers of {}, {} tokens{}{}, cache {}, weights {}{}",
                spec.architecture, spec.layers, spec.width, spec.vocab_size,
                rotation, exact ? ", exact" : "",
                models::KvTypeName(state.past.sequence->shape().type),
                models::WeightsMark(state.model->info().path), adapters);
}

// Throws unless it is of this model and these kernels, and whole.
void CheckSaved(const models::SavedSequence& saved, const SessionState& state,
                const std::string& where) {
  const std::string model = ModelMark(state);
  if (saved.model != model) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "the session is of another model",
                 .expected = model,
                 .got = std::string(saved.model),
                 .hint = "another file for this model"});
  }
  const std::string_view target = kernels::Kernels().name;
  if (saved.target != target) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "the session was computed on another target",
                 .expected = std::string(target),
                 .got = std::string(saved.target),
                 .hint = Format("MALMOI_TARGET={}, or removing the file",
                                saved.target)});
  }
  CheckHash(saved, where);
  const models::KvShape& shape = state.past.sequence->shape();
  const int64_t vocab = state.model->decoder().spec().vocab_size;
  if (saved.shape.layers != shape.layers ||
      saved.shape.kv_heads != shape.kv_heads ||
      saved.shape.head_dim != shape.head_dim ||
      saved.shape.type != shape.type ||
      saved.shape.state_layers != shape.state_layers ||
      saved.shape.state_size != shape.state_size ||
      std::any_of(saved.tokens.begin(), saved.tokens.end(),
                  [&](int32_t id) { return id < 0 || id >= vocab; })) {
    throw Error(ErrorCode::kCorrupt,
                {.where = where, .what = "the session does not fit the model"});
  }
}

}  // namespace

void Session::Save(const fs::path& path) const {
  state_->past.sequence->RequireWhole();
  WriteFileAtomically(
      path, models::SaveSequence(*state_->past.sequence, state_->past.tokens,
                                 ModelMark(*state_), kernels::Kernels().name));
}

int64_t Session::Load(const fs::path& path) {
  SessionState& state = *state_;
  const auto file = MappedFile::Open(path);
  const auto saved = models::ParseSequence(file->bytes(), path.string());
  CheckSaved(saved, state, path.string());
  int64_t length =
      std::min(static_cast<int64_t>(saved.tokens.size()), state.context);
  if (!saved.shape.rewinds() && length < std::ssize(saved.tokens)) length = 0;
  state.past.Truncate(0);
  if (length > 0) {
    models::RestoreSequence(saved, length, *state.past.sequence);
  }
  state.past.tokens.assign(saved.tokens.begin(), saved.tokens.begin() + length);
  return length;
}

}  // namespace malmoi::generate
