// word2vec: word vectors asked, judged, converted and trained.
#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/counting.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "cli/word2vec.h"
#include "represent/static/fasttext.h"
#include "represent/static/neighbors.h"
#include "represent/static/vector_files.h"
#include "represent/static/word_sets.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

using represent::Neighbor;
using represent::WordVectors;

WordVectors Vectors(const Invocation& call) {
  represent::ReadVectorsOptions options;
  options.first_of_duplicates = call.Flag("--keep-first");
  options.vocabulary = call.Text("--vocabulary").value_or("");
  return represent::ReadVectors(call.positionals[1], options);
}

// What comes after the file, `least` or more.
std::vector<std::string> Words(const Invocation& call, size_t least,
                               const char* expected) {
  const std::vector<std::string> words(call.positionals.begin() + 2,
                                       call.positionals.end());
  if (words.size() < least) {
    throw Error(ErrorCode::kUsage,
                {.where = Format("malmoi word2vec {}", call.positionals[0]),
                 .what = "an argument is missing",
                 .expected = expected,
                 .hint = "malmoi word2vec --help"});
  }
  return words;
}

represent::NeighborOptions NearOptions(const Invocation& call) {
  return {
      .top = IntegerBetween(call, "--top", 10, 1, 1'000'000),
      .first_words = IntegerBetween(call, "--first", INT64_MAX, 1, INT64_MAX)};
}

void PrintNeighbors(const Invocation& call, const WordVectors& vectors,
                    const std::vector<Neighbor>& neighbors) {
  Json list = Json::array();
  std::string lines;
  for (const Neighbor& neighbor : neighbors) {
    const std::string word =
        text::ReplaceInvalidUtf8(vectors.words().word(neighbor.id));
    if (call.json()) {
      list.push_back({{"word", word}, {"score", neighbor.score}});
    } else {
      lines += Format("{:.4f}  {}\n", neighbor.score, word);
    }
  }
  if (call.json()) return PrintJson(list);
  Print(lines);
}

int Neighbors(const Invocation& call) {
  const auto options = NearOptions(call);
  const WordVectors vectors = Vectors(call);
  ThreadPool pool(ThreadsOption(call));
  const auto words = Words(call, 0, "");
  ForTexts(words, [&](const std::vector<std::string>& some, size_t first) {
    for (size_t i = 0; i < some.size(); ++i) {
      const std::string one[] = {some[i]};
      if (!call.json() && (some.size() > 1 || first > 0)) {
        Print(Format("{}{}:\n", first + i > 0 ? "\n" : "",
                     text::ReplaceInvalidUtf8(some[i])));
      }
      PrintNeighbors(call, vectors,
                     represent::FindNeighbors(vectors, one, {}, options, pool));
    }
  });
  return 0;
}

// A B C: what is to C as B is to A?
int Analogy(const Invocation& call) {
  const auto words = Words(call, 3, "three words: A B C, for C - A + B");
  if (words.size() > 3) {
    throw Error(ErrorCode::kUsage, {.where = "malmoi word2vec analogy",
                                    .what = "too many arguments",
                                    .got = words[3]});
  }
  const auto options = NearOptions(call);
  const WordVectors vectors = Vectors(call);
  ThreadPool pool(ThreadsOption(call));
  const std::string positive[] = {words[1], words[2]};
  const std::string negative[] = {words[0]};
  PrintNeighbors(call, vectors,
                 call.Flag("--multiply")
                     ? represent::FindNeighborsMul(vectors, positive, negative,
                                                   options, pool)
                     : represent::FindNeighbors(vectors, positive, negative,
                                                options, pool));
  return 0;
}

int Similar(const Invocation& call) {
  const auto words = Words(call, 2, "two words or more");
  const WordVectors vectors = Vectors(call);
  for (size_t i = 1; i < words.size(); ++i) {
    const double score = represent::WordSimilarity(vectors, words[0], words[i]);
    if (call.json()) {
      PrintJson({{"score", score}, {"word", words[i]}});
    } else {
      Print(Format("{:.4f}  {}\n", score, text::ReplaceInvalidUtf8(words[i])));
    }
  }
  return 0;
}

void PrintAnalogies(const Invocation& call, const std::string& file,
                    const represent::AnalogyResult& result) {
  const auto section_json = [](const represent::AnalogySection& section) {
    return Json{{"section", section.name},
                {"accuracy", section.accuracy()},
                {"correct", section.correct},
                {"asked", section.asked},
                {"unknown", section.unknown}};
  };
  if (call.json()) {
    Json sections = Json::array();
    for (const auto& section : result.sections) {
      sections.push_back(section_json(section));
    }
    return PrintJson({{"file", file},
                      {"kind", "analogies"},
                      {"accuracy", result.total.accuracy()},
                      {"correct", result.total.correct},
                      {"asked", result.total.asked},
                      {"unknown", result.total.unknown},
                      {"sections", sections}});
  }
  const auto line = [](const represent::AnalogySection& section,
                       const std::string& name) {
    return Format("{:6.2f} %  {:5} / {:5}  {}{}\n", 100 * section.accuracy(),
                  section.correct, section.asked, name,
                  section.unknown > 0 ? Format("  ({} {})", section.unknown,
                                               Translate("with unknown words"))
                                      : "");
  };
  for (const auto& section : result.sections) {
    Print(line(section, text::ReplaceInvalidUtf8(section.name)));
  }
  Print(line(result.total, file));
}

int Evaluate(const Invocation& call) {
  const auto files = Words(call, 1, "a set of analogies or of word pairs");
  represent::WordSetOptions options;
  options.first_words = IntegerBetween(call, "--first", 300000, 1, INT64_MAX);
  options.fold_case = !call.Flag("--case");
  options.unknown_is_wrong = call.Flag("--unknown-wrong");
  options.multiply = call.Flag("--multiply");
  options.words = WordRuleOption(call);
  const WordVectors vectors = Vectors(call);
  ThreadPool pool(ThreadsOption(call));
  for (const std::string& file : files) {
    const std::string text = ReadFile(file);
    if (text.starts_with(':')) {
      PrintAnalogies(
          call, file,
          represent::AskAnalogies(vectors, text, file, options, pool));
      continue;
    }
    const auto result =
        represent::CompareSimilarities(vectors, text, file, options);
    if (call.json()) {
      PrintJson({{"file", file},
                 {"kind", "similarities"},
                 {"pearson", result.pearson},
                 {"spearman", result.spearman},
                 {"pairs", result.pairs},
                 {"unknown", result.unknown}});
    } else {
      Print(Format("Pearson {:.4f}  Spearman {:.4f}  {} {}, {} {}  {}\n",
                   result.pearson, result.spearman, result.pairs,
                   Translate("pairs"), result.unknown,
                   Translate("with unknown words"), file));
    }
  }
  return 0;
}

// malmoi map, of a file of word vectors.
int MapWords(const Invocation& call) {
  Invocation own = call;
  own.verb = FindVerb("map");
  own.positionals.erase(own.positionals.begin());
  return MapVerb(own);
}

int Convert(const Invocation& call) {
  const std::string output = OutputOption(call);
  const auto format =
      represent::FindVectorFormat(call.Text("--format").value_or("text"));
  if (format == represent::VectorFormat::kFastText) {
    throw Error(
        ErrorCode::kUnsupported,
        {.where = output, .what = "only training writes fastText's files"});
  }
  represent::WriteVectors(output, Vectors(call), format);
  return 0;
}

int Classify(const Invocation& call) {
  const auto model = represent::FastTextModel::Load(call.positionals[1]);
  const int64_t top = IntegerBetween(call, "--top", 1, 1, 1'000'000);
  const represent::FastTextSplit split = {WordRuleOption(call),
                                          call.Flag("--lower")};
  ForTexts(Words(call, 0, ""), [&](const std::vector<std::string>& texts,
                                   size_t) {
    for (const std::string& text : texts) {
      const auto labels = model->Predict(text, top, split);
      Json list = Json::array();
      std::string line;
      for (const auto& label : labels) {
        list.push_back({{"label", label.label}, {"score", label.score}});
        line += Format("{}{} {:.4f}", line.empty() ? "" : "  ",
                       text::ReplaceInvalidUtf8(label.label), label.score);
      }
      if (call.json()) {
        PrintJson({{"text", text::ReplaceInvalidUtf8(text)}, {"labels", list}});
      } else {
        Print(line + "\n");
      }
    }
  });
  return 0;
}

}  // namespace

int64_t IntegerBetween(const Invocation& call, const char* name,
                       int64_t otherwise, int64_t least, int64_t most) {
  const int64_t value = call.Integer(name).value_or(otherwise);
  if (value < least || value > most) {
    throw Error(
        ErrorCode::kUsage,
        {.where = name,
         .what = "value out of range",
         .expected = most == INT64_MAX ? Format("at least {}", least)
                                       : Format("{} to {}", least, most),
         .got = std::to_string(value)});
  }
  return value;
}

std::string OutputOption(const Invocation& call) {
  const auto output = call.Text("--output");
  if (!output) {
    throw Error(ErrorCode::kUsage,
                {.where = Format("malmoi word2vec {}", call.positionals[0]),
                 .what = "an argument is missing",
                 .expected = "-o FILE"});
  }
  return *output;
}

int Word2VecVerb(const Invocation& call) {
  const std::string& action = call.positionals[0];
  struct Action {
    const char* name;
    int (*run)(const Invocation& call);
  };
  constexpr Action kActions[] = {
      {"train", TrainVectors}, {"neighbors", Neighbors},
      {"analogy", Analogy},    {"similar", Similar},
      {"eval", Evaluate},      {"map", MapWords},
      {"convert", Convert},    {"classify-train", TrainClassifier},
      {"classify", Classify},
  };
  for (const Action& each : kActions) {
    if (action == each.name) return each.run(call);
  }
  throw Error(
      ErrorCode::kUsage,
      {.where = "malmoi word2vec",
       .what = "unknown action",
       .expected = "train, neighbors, analogy, similar, eval, map, convert, "
                   "classify-train or classify",
       .got = action});
}

}  // namespace malmoi::cli
