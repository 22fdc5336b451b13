// embed, similar: vectors of texts, and how near they are.
#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "represent/contextual/embedder.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

constexpr size_t kBatch = 256;  // lines read before they are embedded

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call) {
  represent::EmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  return represent::Embedder::Load(
      LocateModel(call.Text("--model").value_or("minilm")), options);
}

// A line of {"text": "..."}, of a JSON string, or of plain text.
std::string TextOf(const std::string& line) {
  if (line.starts_with('"') || line.starts_with('{')) {
    try {
      const Json value = ParseJson(line, "line");
      if (value.is_string()) return value.get<std::string>();
      if (value.is_object() && value.contains("text") &&
          value["text"].is_string()) {
        return value["text"].get<std::string>();
      }
    } catch (const Error&) {
    }
  }
  return line;
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

void NoteTruncated(const represent::Embeddings& result, int64_t first) {
  for (size_t i = 0; i < result.truncated.size(); ++i) {
    if (!result.truncated[i]) continue;
    Note(Format("{} {}: {} {}", Translate("text"),
                first + static_cast<int64_t>(i) + 1,
                Translate("cut to the tokens that the model reads:"),
                result.tokens[i]));
  }
}

}  // namespace

int EmbedVerb(const Invocation& call) {
  const auto embedder = LoadEmbedder(call);
  represent::EmbedOptions options{.truncate = call.Flag("--truncate")};
  int64_t done = 0;
  const auto embed = [&](const std::vector<std::string>& texts) {
    if (texts.empty()) return;
    options.first = static_cast<size_t>(done);
    const represent::Embeddings result = embedder->Embed(texts, options);
    NoteTruncated(result, done);
    for (size_t i = 0; i < texts.size(); ++i) PrintVector(call, result, i);
    Flush();
    done += static_cast<int64_t>(texts.size());
  };
  if (!call.positionals.empty()) {
    embed(call.positionals);
    return 0;
  }
  std::vector<std::string> texts;
  while (auto line = ReadLine()) {
    texts.push_back(TextOf(*line));
    if (texts.size() == kBatch) {
      embed(texts);
      texts.clear();
    }
  }
  embed(texts);
  return 0;
}

int SimilarVerb(const Invocation& call) {
  const auto embedder = LoadEmbedder(call);
  const auto result =
      embedder->Embed(call.positionals, {.truncate = call.Flag("--truncate")});
  NoteTruncated(result, 0);
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
