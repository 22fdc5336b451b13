// embed, similar: vectors of texts, and how near they are.
#include <algorithm>

#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "represent/contextual/embedder.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call) {
  represent::EmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  options.adapters = AdapterOption(call);
  if (call.Flag("--int8")) options.precision = models::Precision::kInt8;
  return represent::Embedder::Load(
      LocateModel(call.Text("--model").value_or("minilm")), options);
}

void PrintVector(const Invocation& call, const represent::Embeddings& result,
                 size_t i) {
  const auto row = result.row(i);
  if (call.json()) {
    Json object = {{"embedding", std::vector<float>(row.begin(), row.end())},
                   {"tokens", result.tokens[i]}};
    if (result.truncated[i]) object["truncated"] = true;
    PrintJson(object);
    return;
  }
  std::string line;
  for (float value : row)
    line += (line.empty() ? "" : " ") + Format("{}", value);
  Print(line + "\n");
}

void NoteCuts(const represent::Embeddings& result, size_t first) {
  for (size_t i = 0; i < result.truncated.size(); ++i) {
    if (result.truncated[i]) NoteTruncated(first + i + 1, result.tokens[i]);
  }
}

}  // namespace

int EmbedVerb(const Invocation& call) {
  const auto embedder = LoadEmbedder(call);
  represent::EmbedOptions options{.truncate = call.Flag("--truncate")};
  ForTexts(call.positionals, [&](const std::vector<std::string>& texts,
                                 size_t first) {
    options.first = first;
    const represent::Embeddings result = embedder->Embed(texts, options);
    NoteCuts(result, first);
    for (size_t i = 0; i < texts.size(); ++i) {
      PrintVector(call, result, i);
    }
  });
  return 0;
}

int SimilarVerb(const Invocation& call) {
  const auto embedder = LoadEmbedder(call);
  const auto result =
      embedder->Embed(call.positionals, {.truncate = call.Flag("--truncate")});
  NoteCuts(result, 0);
  std::vector<std::pair<double, size_t>> scores;
  for (size_t i = 1; i < call.positionals.size(); ++i) {
    scores.emplace_back(represent::Cosine(result.row(0), result.row(i)), i);
  }
  std::stable_sort(
      scores.begin(), scores.end(),
      [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [score, i] : scores) {
    if (call.json()) {
      PrintJson({{"score", score}, {"text", call.positionals[i]}});
    } else {
      Print(Format("{:.4f}  {}\n", score,
                   text::ReplaceInvalidUtf8(call.positionals[i])));
    }
  }
  return 0;
}

}  // namespace malmoi::cli
