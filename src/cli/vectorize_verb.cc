// vectorize: texts as sparse rows of counts, TF-IDF or hashed terms.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/format.h"
#include "cli/counting.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "represent/sparse/options_json.h"
#include "represent/sparse/vectorizer.h"

namespace malmoi::cli {

namespace {

using represent::SparseRows;
using represent::Vectorizer;

represent::DocumentLimit LimitOption(const Invocation& call, const char* name,
                                     represent::DocumentLimit otherwise) {
  const auto text = call.Text(name);
  if (!text) return otherwise;
  const double value = call.Number(name).value_or(0);
  // As in scikit-learn 1.0 is all documents and 1 is one.
  const bool fraction = text->find_first_of(".eE") != std::string::npos;
  if (!(value >= 0) || (fraction && value > 1)) {
    BadValue(name, "a count (2) or a fraction (0.5) of the documents", *text);
  }
  return {value, fraction};
}

represent::VectorizerOptions VectorizerOption(const Invocation& call) {
  represent::VectorizerOptions options;
  options.analyzer = AnalyzerOption(call);
  options.limits.min_df = LimitOption(call, "--min-df", options.limits.min_df);
  options.limits.max_df = LimitOption(call, "--max-df", options.limits.max_df);
  if (const auto most = call.Integer("--max-features")) {
    if (*most < 1) {
      BadValue("--max-features", "at least 1", std::to_string(*most));
    }
    options.limits.max_features = *most;
  }
  represent::WeightOptions& weights = options.weights;
  weights.tfidf = call.Flag("--tfidf");
  weights.binary = call.Flag("--binary");
  weights.sublinear = call.Flag("--sublinear");
  for (const char* name : {"--sublinear", "--idf"}) {
    if (weights.tfidf || (!call.Flag(name) && !call.Text(name))) continue;
    throw Error(ErrorCode::kUsage, {.where = name,
                                    .what = "another option is needed",
                                    .expected = "--tfidf"});
  }
  if (const auto name = call.Text("--idf")) {
    const auto idf = represent::FindIdf(*name);
    if (!idf) BadValue("--idf", "smooth, plain or none", *name);
    weights.idf = *idf;
  }
  if (const auto features = call.Integer("--hash")) {
    options.hashing = {.features = *features,
                       .alternate_sign = !call.Flag("--no-alternate-sign")};
  }
  weights.norm = weights.tfidf || options.hashing ? represent::RowNorm::kL2
                                                  : represent::RowNorm::kNone;
  if (const auto name = call.Text("--norm")) {
    const auto norm = represent::FindNorm(*name);
    if (!norm) BadValue("--norm", "l1, l2 or none", *name);
    weights.norm = *norm;
  }
  return options;
}

represent::MatrixWriterOptions MatrixOption(const Invocation& call,
                                            const Vectorizer& vectorizer) {
  return {.columns = vectorizer.columns(),
          .integers = vectorizer.integers(),
          .compress = call.Flag("--compress"),
          .terms = call.Flag("--terms") && vectorizer.vocabulary().size() > 0
                       ? &vectorizer.vocabulary()
                       : nullptr};
}

void Report(const Invocation& call, const std::string& path,
            const Vectorizer& vectorizer, int64_t documents) {
  if (call.json()) {
    PrintJson({{"path", path},
               {"documents", documents},
               {"columns", vectorizer.columns()}});
  } else {
    Print(Format("{}: {} {}, {} {}\n", path, documents, Translate("documents"),
                 vectorizer.columns(), Translate("columns")));
  }
}

const std::string& Positional(const Invocation& call, size_t i) {
  if (i < call.positionals.size()) return call.positionals[i];
  throw Error(ErrorCode::kUsage,
              {.where = std::string(call.verb->name),
               .what = "an argument is missing",
               .expected = std::string(call.verb->positionals),
               .hint = Format("malmoi {} --help", call.verb->name)});
}

int Fit(const Invocation& call) {
  const std::string output = Required(call, "--output", "a file for the model");
  const auto reader = OpenDocuments(call, Positional(call, 1));
  ThreadPool pool(ThreadsOption(call));
  const Vectorizer vectorizer =
      Vectorizer::Fit(*reader, VectorizerOption(call), pool, CountOption(call));
  vectorizer.Save(output);
  Report(call, output, vectorizer, vectorizer.documents());
  return 0;
}

// Rows to --output, or as JSON lines to standard output.
int WriteRows(const Invocation& call, const Vectorizer& vectorizer,
              const std::string& path) {
  const auto reader = OpenDocuments(call, path);
  ThreadPool pool(ThreadsOption(call));
  const auto matrix = MatrixOption(call, vectorizer);
  const auto count = CountOption(call);
  int64_t documents = 0;
  const auto output = call.Text("--output");
  std::unique_ptr<represent::MatrixWriter> writer;
  if (output) writer = represent::MakeMatrixWriter(*output, matrix);
  vectorizer.Transform(
      *reader, pool,
      [&](const SparseRows& rows) {
        documents += static_cast<int64_t>(rows.sizes.size());
        if (writer != nullptr) return writer->Write(rows);
        size_t at = 0;
        for (uint32_t size : rows.sizes) {
          Print(represent::RowJson(rows.columns.data() + at,
                                   rows.values.data() + at, size, matrix) +
                "\n");
          at += size;
        }
        Flush();
      },
      count.progress);
  if (writer == nullptr) return 0;
  writer->Finish();
  Report(call, *output, vectorizer, documents);
  return 0;
}

int FitTransform(const Invocation& call) {
  const represent::VectorizerOptions options = VectorizerOption(call);
  if (options.hashing) {
    if (call.Text("--model")) {
      throw Error(ErrorCode::kUsage,
                  {.where = "--model", .what = "hashed terms need no fit"});
    }
    return WriteRows(call, Vectorizer::Hashing(options), Positional(call, 1));
  }
  const std::string output = Required(call, "--output", "OUT.npz");
  const auto reader = OpenDocuments(call, Positional(call, 1));
  ThreadPool pool(ThreadsOption(call));
  const Vectorizer vectorizer = Vectorizer::Fit(
      *reader, options, pool, CountOption(call), [&](const Vectorizer& own) {
        return represent::MakeMatrixWriter(output, MatrixOption(call, own));
      });
  if (const auto model = call.Text("--model")) vectorizer.Save(*model);
  Report(call, output, vectorizer, vectorizer.documents());
  return 0;
}

Json TermJson(const Vectorizer& vectorizer, size_t term) {
  Json json = {{"term", std::string(vectorizer.vocabulary().term(term))},
               {"count", vectorizer.vocabulary().totals[term]},
               {"documents", vectorizer.vocabulary().documents[term]}};
  if (!vectorizer.idf().empty()) json["idf"] = vectorizer.idf()[term];
  return json;
}

// The corpus's most frequent terms.
void TopOfCorpus(const Invocation& call, const Vectorizer& vectorizer,
                 size_t top) {
  const auto& totals = vectorizer.vocabulary().totals;
  const std::vector<double> values(totals.begin(), totals.end());
  for (size_t term : represent::TopOfRow(values, top)) {
    if (call.json()) {
      PrintJson(TermJson(vectorizer, term));
    } else {
      Print(Format("{}\t{}\t{}\n", vectorizer.vocabulary().term(term),
                   totals[term], vectorizer.vocabulary().documents[term]));
    }
  }
}

int Top(const Invocation& call) {
  const int64_t top = call.Integer("--top").value_or(10);
  if (top < 1) BadValue("--top", "at least 1", std::to_string(top));
  const Vectorizer vectorizer = Vectorizer::Load(Positional(call, 1));
  if (vectorizer.options().hashing) {
    throw Error(
        ErrorCode::kUnsupported,
        {.where = Positional(call, 1), .what = "hashed terms have no names"});
  }
  if (call.positionals.size() < 3) {
    TopOfCorpus(call, vectorizer, static_cast<size_t>(top));
    return 0;
  }
  const auto reader = OpenDocuments(call, Positional(call, 2));
  ThreadPool pool(ThreadsOption(call));
  int64_t document = 0;
  vectorizer.Transform(*reader, pool, [&](const SparseRows& rows) {
    size_t at = 0;
    for (uint32_t size : rows.sizes) {
      const std::span<const double> values(rows.values.data() + at, size);
      Json terms = Json::array();
      std::string line;
      for (size_t i : represent::TopOfRow(values, static_cast<size_t>(top))) {
        const std::string term(
            vectorizer.vocabulary().term(rows.columns[at + i]));
        terms.push_back({{"term", term}, {"value", values[i]}});
        line +=
            Format("{}{} {:.4g}", line.empty() ? "" : "  ", term, values[i]);
      }
      if (call.json()) {
        PrintJson({{"document", document}, {"terms", terms}});
      } else {
        Print(line + "\n");
      }
      ++document;
      at += size;
    }
    Flush();
  });
  return 0;
}

}  // namespace

int VectorizeVerb(const Invocation& call) {
  const InterruptGuard guard;
  const std::string& what = call.positionals[0];
  if (what == "fit") return Fit(call);
  if (what == "fit-transform") return FitTransform(call);
  if (what == "transform") {
    return WriteRows(call, Vectorizer::Load(Positional(call, 1)),
                     Positional(call, 2));
  }
  if (what == "top") return Top(call);
  throw Error(ErrorCode::kUsage,
              {.where = "vectorize",
               .what = "no such work",
               .expected = "fit, transform, fit-transform or top",
               .got = what});
}

}  // namespace malmoi::cli
