// bm25: an inverted index of texts and the best of them for a query.
#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "cli/counting.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "represent/sparse/bm25.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

int BuildIndex(const Invocation& call) {
  represent::Bm25Options options;
  options.analyzer = AnalyzerOption(call);
  if (const auto name = call.Text("--variant")) {
    const auto variant = represent::FindBm25Variant(*name);
    if (!variant) {
      BadValue("--variant", "lucene, robertson, atire, bm25l or bm25+", *name);
    }
    options.variant = *variant;
  }
  options.k1 = call.Number("--k1").value_or(options.k1);
  options.b = call.Number("--b").value_or(options.b);
  options.delta = call.Number("--delta").value_or(options.delta);
  const std::string output = Required(call, "--output", "a file for the index");
  const auto reader = OpenDocuments(call, call.positionals[1]);
  ThreadPool pool(ThreadsOption(call));
  const represent::Bm25Summary summary =
      represent::BuildBm25(*reader, options, output, pool, CountOption(call));
  if (call.json()) {
    PrintJson({{"path", output},
               {"documents", summary.documents},
               {"terms", summary.terms},
               {"postings", summary.postings},
               {"mean_length", summary.mean_length},
               {"bytes", summary.bytes}});
  } else {
    Print(Format("{}: {} {}, {} {}, {}\n", output, summary.documents,
                 Translate("documents"), summary.terms, Translate("terms"),
                 FormatBytes(summary.bytes)));
  }
  return 0;
}

// As the JSON library writes it.
void AppendScore(std::string& out, float score) {
  const auto value = static_cast<double>(score);
  if (value < 1e-3 || value >= 1e9) {
    out += DumpJson(value);
    return;
  }
  char digits[64];
  const auto end =
      std::to_chars(digits, std::end(digits), value, std::chars_format::fixed)
          .ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  out += text;
  if (text.find('.') == std::string_view::npos) out += ".0";
}

// Written by hand: objects for every hit take longer than the search.
void PrintHits(const Invocation& call, const std::string& query,
               const std::vector<represent::Bm25Hit>& hits, bool several) {
  std::string out;
  if (call.json()) {
    out = "{\"query\":" + DumpJson(query) + ",\"hits\":[";
    for (size_t i = 0; i < hits.size(); ++i) {
      out += i > 0 ? ",{\"id\":" : "{\"id\":";
      out += std::to_string(hits[i].document) + ",\"score\":";
      AppendScore(out, hits[i].score);
      out += '}';
    }
    return Print(out + "]}\n");
  }
  for (const represent::Bm25Hit& hit : hits) {
    out += Format("{}\t{:.4f}\n", hit.document, hit.score);
  }
  if (several) out += '\n';
  Print(out);
}

int Search(const Invocation& call) {
  const int64_t top = call.Integer("--top").value_or(10);
  if (top < 1) BadValue("--top", "at least 1", std::to_string(top));
  const auto index = represent::Bm25Index::Open(call.positionals[1]);
  const std::vector<std::string> given(call.positionals.begin() + 2,
                                       call.positionals.end());
  ThreadPool pool(ThreadsOption(call));
  std::vector<represent::Bm25Scratch> scratch(
      static_cast<size_t>(pool.threads()));
  ForTexts(given, [&](const std::vector<std::string>& queries, size_t first) {
    for (size_t i = 0; i < queries.size(); ++i) {
      if (!text::FindInvalidUtf8(queries[i])) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = Format("query {}", first + i + 1),
                   .what = "invalid UTF-8"});
    }
    std::vector<std::vector<represent::Bm25Hit>> hits(queries.size());
    pool.Run(static_cast<int>(queries.size()), [&](int task, int thread) {
      const auto i = static_cast<size_t>(task);
      hits[i] = index.Search(queries[i], static_cast<size_t>(top),
                             scratch[static_cast<size_t>(thread)]);
    });
    for (size_t i = 0; i < queries.size(); ++i) {
      PrintHits(call, queries[i], hits[i], given.size() != 1);
    }
    Flush();
  });
  return 0;
}

}  // namespace

int Bm25Verb(const Invocation& call) {
  const InterruptGuard guard;
  const std::string& what = call.positionals[0];
  if (what == "index") return BuildIndex(call);
  if (what == "search") {
    const int status = Search(call);
    return InterruptGuard::Interrupted() ? kInterrupted : status;
  }
  throw Error(ErrorCode::kUsage, {.where = "bm25",
                                  .what = "no such work",
                                  .expected = "index or search",
                                  .got = what});
}

}  // namespace malmoi::cli
