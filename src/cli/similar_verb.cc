// similar: how near texts are to the first, to the lines of a file, in pairs,
// and which lines of a file mean nearly the same.
#include <algorithm>
#include <exception>
#include <optional>

#include "base/error.h"
#include "base/format.h"
#include "cli/embedding.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "represent/contextual/embedder.h"
#include "represent/contextual/neighbours.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

std::string Shown(const std::string& text) {
  return text::ReplaceInvalidUtf8(text);
}

// An embedder with the two ways it reads texts.
struct Comparison {
  explicit Comparison(const Invocation& call)
      : options(ReadEmbedOptions(call)), embedder(LoadEmbedder(call)) {
    options.prompt = PromptOption(call, *embedder);
    documents = options;
    if (const auto name = call.Text("--document-prompt")) {
      documents.prompt = embedder->Prompt(name);
    }
  }

  represent::Embeddings Embed(std::span<const std::string> texts, size_t first,
                              bool document) {
    represent::EmbedOptions own = document ? documents : options;
    own.first = first;
    auto result = embedder->Embed(texts, own);
    NoteLong(result, first);
    return result;
  }

  // The texts that --sif takes what they have in common from.
  void LearnFrom(const Invocation& call, std::span<const std::string> texts) {
    cli::LearnFrom(call, *embedder, texts, documents);
  }

  represent::EmbedOptions options, documents;
  std::shared_ptr<represent::Embedder> embedder;
};

void PrintScore(const Invocation& call, double score, const std::string& text,
                std::optional<size_t> line = {},
                const std::string* query = nullptr) {
  if (call.json()) {
    Json object = {{"score", score}, {"text", text}};
    if (line) object["line"] = *line;
    if (query != nullptr) object["query"] = *query;
    return PrintJson(object);
  }
  Print(line ? Format("{:.4f}  {}: {}\n", score, *line, Shown(text))
             : Format("{:.4f}  {}\n", score, Shown(text)));
}

int ToTheFirst(const Invocation& call) {
  const auto& texts = call.positionals;
  if (texts.size() < 2) {
    ThrowUsage("similar", "an argument is missing",
               "two texts, --in FILE, --pairs or --duplicates",
               "malmoi similar --help");
  }
  Comparison comparison(call);
  comparison.LearnFrom(call, texts);
  const auto query = comparison.Embed({texts.data(), 1}, 0, false);
  const auto others =
      comparison.Embed({texts.data() + 1, texts.size() - 1}, 1, true);
  represent::BestNeighbours best(texts.size());
  for (size_t i = 1; i < texts.size(); ++i) {
    best.Offer(represent::Cosine(query.row(0), others.row(i - 1)), i, texts[i]);
  }
  for (const auto& one : best.Sorted()) PrintScore(call, one.score, one.text);
  return 0;
}

int InAFile(const Invocation& call) {
  const auto& queries = call.positionals;
  if (queries.empty()) {
    ThrowUsage("similar", "an argument is missing",
               "a text to search for, --pairs or --duplicates");
  }
  const int64_t top = call.Integer("--top").value_or(5);
  if (top < 1) {
    throw Error(ErrorCode::kUsage, {.where = "--top",
                                    .what = "value out of range",
                                    .expected = "at least 1",
                                    .got = std::to_string(top)});
  }
  Comparison comparison(call);
  const InterruptGuard guard;
  std::vector<std::string> all;
  if (comparison.embedder->WantsTexts()) {
    all = AllTexts();
    comparison.LearnFrom(call, all);
  }
  const auto wanted = comparison.Embed(queries, 0, false);
  std::vector<represent::BestNeighbours> best(
      queries.size(), represent::BestNeighbours(static_cast<size_t>(top)));
  ForTexts(all, [&](const std::vector<std::string>& texts, size_t first) {
    const auto found = comparison.Embed(texts, first, true);
    for (size_t q = 0; q < queries.size(); ++q) {
      for (size_t i = 0; i < texts.size(); ++i) {
        best[q].Offer(represent::Cosine(wanted.row(q), found.row(i)), first + i,
                      texts[i]);
      }
    }
  });
  if (InterruptGuard::Interrupted()) return kInterrupted;
  for (size_t q = 0; q < queries.size(); ++q) {
    if (queries.size() > 1 && !call.json()) {
      Print((q > 0 ? "\n" : "") + Shown(queries[q]) + "\n");
    }
    for (const auto& one : best[q].Sorted()) {
      PrintScore(call, one.score, one.text, one.number + 1, &queries[q]);
    }
  }
  return 0;
}

// Two texts: a tab between them, or [a, b].
std::pair<std::string, std::string> PairOf(const std::string& line,
                                           size_t number) {
  if (line.starts_with('[')) {
    const Json list = ParseJson(line, Format("line {}", number));
    if (list.is_array() && list.size() == 2 && list[0].is_string() &&
        list[1].is_string()) {
      return {list[0].get<std::string>(), list[1].get<std::string>()};
    }
  }
  const size_t tab = line.find('\t');
  if (tab != std::string::npos && line.find('\t', tab + 1) == line.npos) {
    return {line.substr(0, tab), line.substr(tab + 1)};
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = Format("line {}", number),
               .what = "not two texts",
               .expected = "one tab, or a JSON list of two strings"});
}

// Two lists, and what was wrong with the line behind their last.
struct Pairs {
  std::vector<std::string> left, right;
  std::exception_ptr failure;
};

Pairs PairsOf(const std::vector<std::string>& lines, size_t first) {
  Pairs pairs;
  try {
    for (size_t i = 0; i < lines.size(); ++i) {
      auto [a, b] = PairOf(lines[i], first + i + 1);
      pairs.left.push_back(std::move(a));
      pairs.right.push_back(std::move(b));
    }
  } catch (const Error&) {
    pairs.failure = std::current_exception();
  }
  return pairs;
}

int InPairs(const Invocation& call) {
  Comparison comparison(call);
  const InterruptGuard guard;
  const auto use = [&](const std::vector<std::string>& lines, size_t first) {
    const Pairs pairs = PairsOf(lines, first);
    const auto a = comparison.Embed(pairs.left, first, false);
    const auto b = comparison.Embed(pairs.right, first, true);
    for (size_t i = 0; i < pairs.left.size(); ++i) {
      const double score = represent::Cosine(a.row(i), b.row(i));
      if (call.json()) {
        Print(DumpJson({{"score", score}}) + "\n");
      } else {
        Print(Format("{:.4f}\n", score));
      }
    }
    if (pairs.failure) std::rethrow_exception(pairs.failure);
  };
  if (!comparison.embedder->WantsTexts()) {
    ForLines(use);
  } else {
    std::vector<std::string> all;
    ForLines([&](const std::vector<std::string>& lines, size_t) {
      all.insert(all.end(), lines.begin(), lines.end());
    });
    Pairs pairs = PairsOf(all, 0);
    if (pairs.failure) std::rethrow_exception(pairs.failure);
    pairs.left.insert(pairs.left.end(), pairs.right.begin(), pairs.right.end());
    comparison.LearnFrom(call, pairs.left);
    use(all, 0);
  }
  return InterruptGuard::Interrupted() ? kInterrupted : 0;
}

int Duplicates(const Invocation& call) {
  const double threshold = call.Number("--threshold").value_or(0.9);
  if (!(threshold >= -1 && threshold <= 1)) {
    throw Error(ErrorCode::kUsage, {.where = "--threshold",
                                    .what = "value out of range",
                                    .expected = "-1 to 1",
                                    .got = Format("{}", threshold)});
  }
  Comparison comparison(call);
  const InterruptGuard guard;
  std::vector<std::string> all;
  std::vector<float> vectors;
  int64_t dimensions = 0;
  const auto use = [&](const std::vector<std::string>& texts, size_t first) {
    const auto found = comparison.Embed(texts, first, false);
    dimensions = found.dimensions;
    vectors.insert(vectors.end(), found.values.begin(), found.values.end());
  };
  if (comparison.embedder->WantsTexts()) {
    all = AllTexts();
    comparison.LearnFrom(call, all);
    use(all, 0);
  } else {
    ForTexts({}, [&](const std::vector<std::string>& texts, size_t first) {
      use(texts, first);
      all.insert(all.end(), texts.begin(), texts.end());
    });
  }
  if (InterruptGuard::Interrupted()) return kInterrupted;
  ThreadPool pool(ThreadsOption(call));
  for (const auto& pair :
       represent::NearPairs(pool, vectors, dimensions, threshold)) {
    if (call.json()) {
      Print(DumpJson({{"score", pair.score},
                      {"lines", {pair.first + 1, pair.second + 1}},
                      {"texts", {all[pair.first], all[pair.second]}}}) +
            "\n");
    } else {
      Print(Format("{:.4f}  {}: {}\n        {}: {}\n", pair.score,
                   pair.first + 1, Shown(all[pair.first]), pair.second + 1,
                   Shown(all[pair.second])));
    }
  }
  return 0;
}

}  // namespace

int SimilarVerb(const Invocation& call) {
  const bool pairs = call.Flag("--pairs"),
             duplicates = call.Flag("--duplicates");
  const auto file = call.Text("--in");
  if (pairs && duplicates) {
    ThrowUsage("--pairs", "two options contradict each other",
               "--pairs or --duplicates");
  }
  if ((pairs || duplicates) && !call.positionals.empty()) {
    ThrowUsage("similar", "texts both as arguments and in lines");
  }
  if (call.Text("--top") && (pairs || duplicates || !file)) {
    ThrowUsage("--top", "another option is needed", "--in FILE");
  }
  if (call.Text("--threshold") && !duplicates) {
    ThrowUsage("--threshold", "another option is needed", "--duplicates");
  }
  if (file) ReadFromFile(*file);
  if (pairs) return InPairs(call);
  if (duplicates) return Duplicates(call);
  return file ? InAFile(call) : ToTheFirst(call);
}

}  // namespace malmoi::cli
