#include "apps/inspect/inspected_model.h"

#include <algorithm>

#include "apps/inspect/token_labels.h"
#include "base/error.h"
#include "base/format.h"
#include "generate/model_info.h"
#include "generate/translation.h"
#include "models/registry.h"

namespace malmoi::apps {

namespace {

StackShape ShapeOf(const models::StackSpec& spec, bool causal) {
  return {spec.layers, spec.heads,
          std::vector<bool>(static_cast<size_t>(spec.layers), true), causal};
}

}  // namespace

InspectedModel::InspectedModel(const std::filesystem::path& path,
                               const InspectOptions& options)
    : path_(path) {
  models::Checkpoint checkpoint = models::Checkpoint::Open(path);
  const models::Architecture& found =
      models::FindArchitecture(checkpoint.Architecture(), path.string());
  architecture_ = found.name;
  const generate::LoadOptions load = {.threads = options.threads,
                                      .precision = options.precision,
                                      .packed = options.packed,
                                      .adapters = options.adapters};
  if (found.describe_encoder_decoder != nullptr) {
    kind_ = ModelKind::kEncoderDecoder;
    seq2seq_ = generate::Seq2Seq::Load(path, load);
    pool_ = &seq2seq_->pool();
    tokenizer_ = &seq2seq_->tokenizer();
    translation_ = seq2seq_->defaults();
    if (!options.from.empty() || !options.to.empty()) {
      auto translation = std::make_shared<generate::Translation>(
          *seq2seq_, options.from, options.to);
      translation_ = translation->options();
      translate_ = [translation](const std::string& text) {
        return translation->Encode(text);
      };
    }
    return;
  }
  if (!options.from.empty() || !options.to.empty()) {
    throw Error(ErrorCode::kUnsupported,
                {.where = path.string(),
                 .what = "the model translates nothing",
                 .expected = "an encoder-decoder",
                 .got = architecture_});
  }
  if (found.describe_encoder != nullptr) {
    kind_ = ModelKind::kEncoder;
    if (options.head) NoHead();
  } else if (options.head) {
    language_ = generate::LanguageModel::Load(path, load);
    pool_ = &language_->pool();
    tokenizer_ = &language_->tokenizer();
    decoder_ = &language_->decoder();
    return;
  }
  checkpoint.Adapt(options.adapters);
  own_pool_ = std::make_unique<ThreadPool>(options.threads);
  pool_ = own_pool_.get();
  packed_ = std::make_unique<models::PackedCache>(options.packed);
  own_tokenizer_ = generate::TokenizerOf(checkpoint);
  tokenizer_ = own_tokenizer_.get();
  if (kind_ == ModelKind::kEncoder) {
    encoder_ = models::Encoder::Load(checkpoint, options.precision, *pool_,
                                     packed_.get());
  } else {
    own_decoder_ = models::Decoder::Load(checkpoint, options.precision, *pool_,
                                         packed_.get(), /*head=*/false);
    decoder_ = own_decoder_.get();
  }
}

void InspectedModel::NoHead() const {
  throw Error(ErrorCode::kUnsupported,
              {.where = path_.string(),
               .what = "an encoder does not predict the next token",
               .expected = "a model that writes",
               .got = architecture_,
               .hint = "malmoi fill, malmoi inspect layers"});
}

StackShape InspectedModel::shape(bool decoder) const {
  if (seq2seq_) {
    const models::EncoderDecoderSpec& spec = seq2seq_->model().spec();
    return decoder ? ShapeOf(spec.decoder, true) : ShapeOf(spec.encoder, false);
  }
  StackShape shape;
  if (encoder_) {
    shape.layers = encoder_->spec().layers;
    shape.heads = encoder_->spec().attention.heads;
    shape.attends.assign(static_cast<size_t>(shape.layers), true);
    return shape;
  }
  const models::Spec& spec = decoder_->spec();
  shape.layers = spec.layers;
  shape.heads = spec.attention.heads;
  shape.causal = !spec.attention.both_ways;
  for (int64_t i = 0; i < spec.layers; ++i) {
    shape.attends.push_back(spec.Attends(i));
  }
  return shape;
}

int64_t InspectedModel::width() const {
  return seq2seq_   ? seq2seq_->model().spec().width
         : encoder_ ? encoder_->spec().width
                    : decoder_->spec().width;
}

int64_t InspectedModel::vocab_size() const {
  return seq2seq_   ? seq2seq_->model().spec().vocab_size
         : encoder_ ? encoder_->spec().vocab_size
                    : decoder_->spec().vocab_size;
}

int64_t InspectedModel::max_tokens() const {
  if (encoder_) return encoder_->spec().context();
  if (decoder_ != nullptr) return decoder_->spec().context;
  // Relative positions end nowhere; what was trained is not said.
  const int64_t context = seq2seq_->model().spec().context;
  return context > 0 ? context : 4096;
}

ReadText InspectedModel::Finish(text::Encoding encoding,
                                const std::string& where) const {
  ReadText read;
  read.ids = std::move(encoding.ids);
  read.offsets = std::move(encoding.offsets);
  if (read.size() > max_tokens()) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = where,
                 .what = "longer than the model reads",
                 .expected = Format("at most {} tokens", max_tokens()),
                 .got = std::to_string(read.size())});
  }
  LabelTokens(*tokenizer_, read);
  return read;
}

ReadText InspectedModel::Read(std::string_view text, const std::string& where,
                              bool special) const {
  text::EncodeOptions options;
  options.parse_special = special;
  text::Encoding encoding;
  if (translate_) {
    encoding.ids = translate_(std::string(text));
    encoding.offsets.resize(encoding.ids.size());
  } else {
    encoding = tokenizer_->Encode(text, options);
  }
  options.add_special_tokens = false;
  if (tokenizer_->Encode(text, options).ids.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "the text is empty",
                 .expected = "at least one token"});
  }
  return Finish(std::move(encoding), where);
}

ReadText InspectedModel::ReadPrompt(const std::string& prompt,
                                    const std::string& where) const {
  text::Encoding encoding;
  encoding.ids = language_->EncodePrompt(prompt);
  encoding.offsets.resize(encoding.ids.size());
  return Finish(std::move(encoding), where);
}

ReadText InspectedModel::ReadTarget(std::string_view text,
                                    const std::string& where) const {
  if (!seq2seq_) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "the model writes no second text",
                 .expected = "an encoder-decoder",
                 .got = architecture_});
  }
  if (!translation_.start) {
    throw Error(ErrorCode::kUnsupported,
                {.where = path_.string(),
                 .what = "the settings name no token to start with",
                 .expected = "decoder_start_token_id"});
  }
  text::EncodeOptions options;
  options.add_special_tokens = false;
  options.parse_special = false;
  text::Encoding encoding = tokenizer_->Encode(text, options);
  std::vector<int32_t> before = {*translation_.start};
  if (translation_.rules.first) before.push_back(*translation_.rules.first);
  encoding.ids.insert(encoding.ids.begin(), before.begin(), before.end());
  encoding.offsets.insert(encoding.offsets.begin(), before.size(), {0, 0});
  return Finish(std::move(encoding), where);
}

std::string InspectedModel::Label(int32_t id) const {
  return LabelOf(*tokenizer_, id);
}

void InspectedModel::RunDecoder(std::span<const int32_t> ids, const Tap& tap,
                                const LogitsVisitor& logits) const {
  Exec exec{*pool_, arena_, tap, nullptr};
  const auto count = static_cast<int64_t>(ids.size());
  if (decoder_->spec().attention.both_ways) {
    const auto sequence = decoder_->NewReading(count);
    const models::SequenceInput input = {sequence.get(), ids,
                                         models::LogitsFor::kAll};
    decoder_->Hidden(exec, {&input, 1});
    return;
  }
  const auto sequence = decoder_->NewSequence(count, models::KvType::kF32);
  // Logits are wide: fewer rows bound their memory.
  const size_t most = logits ? 128 : 512;
  for (size_t at = 0; at < ids.size(); at += most) {
    const models::SequenceInput input = {
        sequence.get(), ids.subspan(at, std::min(most, ids.size() - at)),
        models::LogitsFor::kAll};
    if (!logits) {
      decoder_->Hidden(exec, {&input, 1});
    } else {
      logits(static_cast<int64_t>(at), decoder_->Forward(exec, {&input, 1}));
    }
  }
}

void InspectedModel::Run(std::span<const int32_t> ids,
                         std::span<const int32_t> target, const Tap& tap,
                         const LogitsVisitor& logits) const {
  if (decoder_ != nullptr) return RunDecoder(ids, tap, logits);
  Exec exec{*pool_, arena_, tap, nullptr};
  if (encoder_) {
    const models::EncoderInput input = {ids, {}};
    encoder_->Forward(exec, {&input, 1});
    return;
  }
  const models::EncoderDecoder& model = seq2seq_->model();
  const auto memory = std::move(model.Encode(exec, {&ids, 1}).front());
  if (target.empty()) return;
  const auto sequence = model.NewSequence(static_cast<int64_t>(target.size()));
  const size_t most = logits ? 128 : target.size();
  for (size_t at = 0; at < target.size(); at += most) {
    const models::DecodeInput input = {
        sequence.get(), memory.get(),
        target.subspan(at, std::min(most, target.size() - at)),
        logits ? models::LogitsFor::kAll : models::LogitsFor::kNone};
    const auto rows = model.Forward(exec, {&input, 1});
    if (logits) logits(static_cast<int64_t>(at), rows);
  }
}

std::span<const float> InspectedModel::LogitsOf(
    std::span<const float> rows) const {
  Exec exec{*pool_, arena_, {}, nullptr};
  return decoder_ != nullptr ? decoder_->LogitsOf(exec, rows)
                             : seq2seq_->model().LogitsOf(exec, rows);
}

}  // namespace malmoi::apps
