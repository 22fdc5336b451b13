// Every architecture on this machine against what transformers computed: small
// models whose weights are made by a formula, so that only configurations,
// names and results travel with the program.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"
#include "generate/embed_file.h"
#include "generate/evaluate.h"
#include "models/decoder.h"
#include "models/encoder.h"
#include "models/encoder_decoder.h"
#include "models/registry.h"

// Made by tools/make_golden_verify.py, which has the formula too.
MALMOI_EMBED(architectures, "verify/architectures.json")

namespace malmoi::generate {

namespace {

// Sums in another order; a fault moves values at least a hundred times further.
constexpr double kTolerance = 1e-4;

// splitmix64 (Steele, Lea & Flood 2014).
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// 64-bit FNV-1a.
uint64_t NameHash(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

Tensor MakeTensor(const Json& entry) {
  Tensor tensor;
  tensor.shape = entry[1].get<Shape>();
  const auto values = std::make_shared<std::vector<float>>(
      static_cast<size_t>(tensor.elements()));
  const uint64_t first = NameHash(entry[0].get<std::string>());
  const float low = static_cast<float>(entry[2].get<double>());
  const float spread = static_cast<float>(entry[3].get<double>());
  for (size_t i = 0; i < values->size(); ++i) {
    const float fraction = static_cast<float>(Mix(first + i) >> 40) * 0x1p-24f;
    const float scaled = fraction * spread;
    (*values)[i] = scaled + low;
  }
  tensor.data = std::as_bytes(std::span(*values));
  tensor.owner = values;
  return tensor;
}

models::Checkpoint MakeCheckpoint(const Json& model) {
  models::Checkpoint checkpoint;
  checkpoint.path = model["name"].get<std::string>();
  checkpoint.folder.emplace();
  checkpoint.folder->path = checkpoint.path;
  checkpoint.folder->config = model["config"];
  for (const Json& entry : model["tensors"]) {
    checkpoint.folder->tensors[entry[0].get<std::string>()] = MakeTensor(entry);
  }
  return checkpoint;
}

std::vector<int32_t> Ids(const Json& model, const char* key) {
  const auto found = model["given"].find(key);
  if (found == model["given"].end()) return {};
  return found->get<std::vector<int32_t>>();
}

// The rows that the reference has: logits, or those of an encoder.
std::vector<float> Rows(const Json& model, ThreadPool& pool) {
  const models::Checkpoint checkpoint = MakeCheckpoint(model);
  constexpr models::Precision kExact = models::Precision::kExact;
  const auto ids = Ids(model, "input_ids");
  const std::string kind = model["kind"].get<std::string>();
  Arena arena;
  Exec exec{pool, arena, {}, nullptr};
  std::span<const float> rows;
  if (kind == "encoder") {
    const auto encoder = models::Encoder::Load(checkpoint, kExact, pool);
    const auto types = Ids(model, "token_type_ids");
    const models::EncoderInput input = {ids, types};
    rows = encoder->Forward(exec, {&input, 1});
  } else if (kind == "encoder_decoder") {
    const auto both = models::EncoderDecoder::Load(checkpoint, kExact, pool);
    const auto output = Ids(model, "decoder_input_ids");
    const std::span<const int32_t> text = ids;
    const auto memory = std::move(both->Encode(exec, {&text, 1}).front());
    const auto sequence =
        both->NewSequence(static_cast<int64_t>(output.size()));
    const models::DecodeInput input = {sequence.get(), memory.get(), output,
                                       models::LogitsFor::kAll};
    rows = both->Forward(exec, {&input, 1});
  } else {
    const auto decoder = models::Decoder::Load(checkpoint, kExact, pool);
    const auto sequence =
        decoder->NewSequence(static_cast<int64_t>(ids.size()));
    const models::SequenceInput input = {sequence.get(), ids,
                                         models::LogitsFor::kAll};
    rows = decoder->Forward(exec, {&input, 1});
  }
  return {rows.begin(), rows.end()};
}

ArchitectureCheck Check(const Json& model, ThreadPool& pool) {
  ArchitectureCheck check;
  check.architecture = model["architecture"].get<std::string>();
  check.model = model["name"].get<std::string>();
  try {
    const std::vector<float> rows = Rows(model, pool);
    const char* counted =
        model["kind"] == "encoder_decoder" ? "decoder_input_ids" : "input_ids";
    const size_t count = Ids(model, counted).size();
    const size_t width = rows.size() / count;
    const auto row = [&](size_t i) {
      return std::span(rows).subspan(i * width, width);
    };
    const auto values = model["values"].get<std::vector<double>>();
    const size_t step = model["step"].get<size_t>();
    double largest = 0, squares = 0;
    for (const double value : values) {
      largest = std::max(largest, std::fabs(value));
    }
    const auto last = row(count - 1);
    const auto note = [&](double got, double want) {
      // A value that is no number is the worst difference there is.
      const double difference = std::fabs(got - want) / largest;
      check.difference = std::isfinite(difference)
                             ? std::max(check.difference, difference)
                             : HUGE_VAL;
    };
    for (size_t i = 0; i < values.size(); ++i) {
      note(static_cast<double>(last[i * step]), values[i]);
    }
    for (const float value : last) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    note(std::sqrt(squares / static_cast<double>(width)),
         model["rms"].get<double>());
    bool equal = true;
    if (model.contains("best")) {
      const auto best = model["best"].get<std::vector<int64_t>>();
      for (size_t i = 0; i < best.size(); ++i) {
        const auto logits = row(i);
        equal = equal && std::max_element(logits.begin(), logits.end()) -
                                 logits.begin() ==
                             best[i];
      }
      if (!equal) check.error = "another token is the most probable";
    }
    check.passed = equal && check.difference <= kTolerance;
  } catch (const Error& error) {
    check.error = error.what();
  }
  return check;
}

// Whether one description reads both: GGUF and config.json spell it otherwise.
bool Same(std::string_view a, std::string_view b) {
  if (a == b) return true;
  const models::Architecture *one = models::KnownArchitecture(a),
                             *other = models::KnownArchitecture(b);
  return one != nullptr && other != nullptr &&
         one->describe == other->describe &&
         one->describe_encoder == other->describe_encoder &&
         one->describe_encoder_decoder == other->describe_encoder_decoder;
}

}  // namespace

std::vector<ArchitectureCheck> VerifyArchitectures(
    std::string_view architecture, int threads, const EvalProgress& progress) {
  const Json reference = ParseJson(MALMOI_EMBEDDED(architectures), "reference");
  std::vector<const Json*> chosen;
  for (const Json& model : reference["models"]) {
    if (architecture.empty() ||
        Same(model["architecture"].get<std::string>(), architecture)) {
      chosen.push_back(&model);
    }
  }
  ThreadPool pool(threads);
  std::vector<ArchitectureCheck> checks;
  for (const Json* model : chosen) {
    checks.push_back(Check(*model, pool));
    if (progress) {
      progress(static_cast<int64_t>(checks.size()),
               static_cast<int64_t>(chosen.size()));
    }
  }
  return checks;
}

}  // namespace malmoi::generate
