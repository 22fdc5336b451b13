#include "cli/embedding.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/counting.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "formats/npy.h"
#include "represent/static/word_embedder.h"

namespace malmoi::cli {

void ThrowUsage(std::string where, std::string what, std::string expected,
                std::string hint) {
  throw Error(ErrorCode::kUsage, {.where = std::move(where),
                                  .what = std::move(what),
                                  .expected = std::move(expected),
                                  .hint = std::move(hint)});
}

namespace {

// A vector, brought to length 1.
std::vector<float> ReadComponent(const std::string& path) {
  const Tensor tensor = formats::ReadNpy(path);
  std::vector<float> values;
  double square = 0;
  if (tensor.dtype == DType::kF32 && tensor.shape.size() == 1) {
    values.resize(static_cast<size_t>(tensor.elements()));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    for (const float value : values) square += double{value} * value;
  }
  if (!(square > 0) || std::isinf(square)) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path,
                 .what = "not a component",
                 .expected = "float32 [dimensions], finite and not 0",
                 .got = Format("{} {}", Info(tensor.dtype).name,
                               ShapeString(tensor.shape))});
  }
  for (float& value : values) {
    value = static_cast<float>(value / std::sqrt(square));
  }
  return values;
}

// What only word vectors have a use for.
constexpr const char* kWordOptions[] = {
    "--sif",   "--component", "--counts",     "--save-component",
    "--words", "--lower",     "--keep-first", "--vocabulary"};

std::shared_ptr<represent::Embedder> LoadWords(const Invocation& call,
                                               const std::string& path) {
  for (const char* option : {"--adapter", "--int8", "--bf16"}) {
    if (!call.Flag(option) && call.Texts(option).empty()) continue;
    ThrowUsage(option, "nothing is multiplied with word vectors");
  }
  represent::WordEmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.sif = call.Flag("--sif");
  options.words = WordRuleOption(call);
  options.lower_case = call.Flag("--lower");
  options.counts = call.Text("--counts").value_or("");
  options.vectors.first_of_duplicates = call.Flag("--keep-first");
  options.vectors.vocabulary = call.Text("--vocabulary").value_or("");
  const auto component = call.Text("--component");
  for (const char* option : {"--component", "--counts", "--save-component"}) {
    if (call.Text(option) && !options.sif) {
      ThrowUsage(option, "another option is needed", "--sif");
    }
  }
  if (component && call.Text("--save-component")) {
    ThrowUsage("--save-component", "two options contradict each other",
               "--component or --save-component");
  }
  if (component) options.component = ReadComponent(*component);
  return std::make_shared<represent::WordEmbedder>(path, options);
}

}  // namespace

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call) {
  const std::string path = LocateModel(call.Text("--model").value_or("minilm"));
  if (represent::IsWordVectors(path)) return LoadWords(call, path);
  for (const char* option : kWordOptions) {
    if (call.Flag(option) || call.Text(option)) {
      ThrowUsage(option, "the model is no file of word vectors", "", path);
    }
  }
  represent::EmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  options.adapters = AdapterOption(call);
  if (call.Flag("--int8") && call.Flag("--bf16")) {
    ThrowUsage("--bf16", "two options contradict each other",
               "--int8 or --bf16");
  }
  if (call.Flag("--int8")) options.precision = models::Precision::kInt8;
  if (call.Flag("--bf16")) options.precision = models::Precision::kBf16;
  return represent::Embedder::Load(path, options);
}

void LearnFrom(const Invocation& call, represent::Embedder& embedder,
               std::span<const std::string> texts,
               const represent::EmbedOptions& options) {
  if (!embedder.WantsTexts()) return;
  embedder.LearnFrom(texts, options);
  const auto path = call.Text("--save-component");
  const auto* words = dynamic_cast<const represent::WordEmbedder*>(&embedder);
  if (!path || words == nullptr) return;
  const auto& component = words->component();
  const Shape shape = {static_cast<int64_t>(component.size())};
  WriteFileAtomically(*path,
                      formats::NpyBytes(DType::kF32, shape,
                                        std::as_bytes(std::span(component))));
}

represent::EmbedOptions ReadEmbedOptions(const Invocation& call) {
  represent::EmbedOptions options;
  const std::string longer = call.Text("--long").value_or(
      call.Flag("--truncate") ? "truncate" : "error");
  if (longer == "truncate") {
    options.longer = represent::LongTexts::kTruncate;
  } else if (longer == "chunk") {
    options.longer = represent::LongTexts::kChunk;
  } else if (longer != "error") {
    throw Error(ErrorCode::kUsage, {.where = "--long",
                                    .what = "unknown way with long texts",
                                    .expected = "error, truncate or chunk",
                                    .got = longer});
  }
  if (call.Flag("--truncate") &&
      options.longer != represent::LongTexts::kTruncate) {
    ThrowUsage("--truncate", "two options contradict each other",
               "--long truncate, or none");
  }
  options.overlap = call.Integer("--overlap");
  if (options.overlap && options.longer != represent::LongTexts::kChunk) {
    ThrowUsage("--overlap", "another option is needed", "--long chunk");
  }
  if (const auto dimensions = call.Integer("--dimensions")) {
    if (*dimensions < 1) {
      throw Error(ErrorCode::kUsage, {.where = "--dimensions",
                                      .what = "value out of range",
                                      .expected = "at least 1",
                                      .got = std::to_string(*dimensions)});
    }
    options.dimensions = *dimensions;
  }
  options.normalize = call.Flag("--normalize");
  return options;
}

std::string PromptOption(const Invocation& call,
                         const represent::Embedder& embedder) {
  if (const auto text = call.Text("--prompt-text")) {
    if (call.Text("--prompt")) {
      ThrowUsage("--prompt-text", "two options contradict each other",
                 "--prompt or --prompt-text");
    }
    return *text;
  }
  return embedder.Prompt(call.Text("--prompt"));
}

void NoteLong(const represent::Embeddings& result, size_t first) {
  for (size_t i = 0; i < result.truncated.size(); ++i) {
    if (result.truncated[i]) NoteTruncated(first + i + 1, result.tokens[i]);
    if (result.chunks[i] > 1) {
      Note(Format("{} {}: {} {} ({} {})", Translate("text"), first + i + 1,
                  Translate("read in windows:"), result.chunks[i],
                  result.tokens[i], Translate("tokens")));
    }
    if (!result.unknown.empty() && result.unknown[i] > 0 &&
        result.tokens[i] == 0) {
      Note(Format("{} {}: {}", Translate("text"), first + i + 1,
                  Translate("no known word; its vector is zero")));
    }
  }
}

}  // namespace malmoi::cli
