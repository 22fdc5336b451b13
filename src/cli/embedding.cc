#include "cli/embedding.h"

#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"

namespace malmoi::cli {

void ThrowUsage(std::string where, std::string what, std::string expected,
                std::string hint) {
  throw Error(ErrorCode::kUsage, {.where = std::move(where),
                                  .what = std::move(what),
                                  .expected = std::move(expected),
                                  .hint = std::move(hint)});
}

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call) {
  represent::EmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  options.adapters = AdapterOption(call);
  if (call.Flag("--int8")) options.precision = models::Precision::kInt8;
  return represent::Embedder::Load(
      LocateModel(call.Text("--model").value_or("minilm")), options);
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
  }
}

}  // namespace malmoi::cli
