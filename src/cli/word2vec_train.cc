// word2vec train and classify-train: options, progress, what was reached.
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/counting.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/word2vec.h"
#include "learn/word2vec/supervised.h"
#include "represent/static/vector_files.h"

namespace malmoi::cli {

namespace {

namespace fs = std::filesystem;

void Draw(const std::string& text) {
  const std::string line = "\r" + text + "\033[K";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

// A line that is drawn anew on a terminal, with speed and loss; false after
// Ctrl-C.
std::function<bool(const learn::Word2VecProgress&)> Progress() {
  const bool draw = IsTerminal(STDERR_FILENO);
  return [draw](const learn::Word2VecProgress& p) {
    if (draw) {
      Draw(Format("{} {}/{}  {:.0f}%  {:.0f} {}  {} {:.4f}  {} {:.5f}",
                  Translate("epoch"), p.epoch, p.epochs, 100 * p.fraction,
                  p.words_per_s, Translate("words/s"), Translate("loss"),
                  p.loss, Translate("rate"), p.rate));
    }
    return !InterruptGuard::Interrupted();
  };
}

void EndProgress() {
  if (IsTerminal(STDERR_FILENO)) Draw("");
}

double NumberOption(const Invocation& call, const char* name,
                    double otherwise) {
  return call.Number(name).value_or(otherwise);
}

// --format, or what the name says: .npy, .bin (fastText's with subwords), text.
represent::VectorFormat OutputFormat(const Invocation& call,
                                     const std::string& output, bool subwords) {
  using represent::VectorFormat;
  if (const auto name = call.Text("--format")) {
    return represent::FindVectorFormat(*name);
  }
  const std::string extension = fs::path(output).extension();
  if (extension == ".npy") return VectorFormat::kNpy;
  if (extension == ".bin") {
    return subwords ? VectorFormat::kFastText : VectorFormat::kBinary;
  }
  return VectorFormat::kText;
}

learn::Word2VecOptions ReadTrainOptions(const Invocation& call,
                                        const std::string& output) {
  learn::Word2VecOptions o;
  const auto integer = [&](const char* name, int64_t otherwise, int64_t least,
                           int64_t most) {
    return IntegerBetween(call, name, otherwise, least, most);
  };
  o.dimensions = integer("--dimensions", 100, 1, 10000);
  o.cbow = call.Flag("--cbow");
  o.hierarchical = call.Flag("--hierarchical");
  o.window = static_cast<int>(integer("--window", 5, 1, 100));
  o.negatives = static_cast<int>(integer("--negatives", 5, 1, 100));
  o.epochs = static_cast<int>(integer("--epochs", 5, 1, 100000));
  o.subsample = NumberOption(call, "--subsample", 1e-3);
  o.rate = NumberOption(call, "--rate", 0);
  o.seed = static_cast<uint64_t>(integer("--seed", 1, 0, INT64_MAX));
  o.subwords = SubwordsOption(call, o.subwords);
  o.lexicon.min_count = integer("--min-count", 5, 1, INT64_MAX);
  o.lexicon.lower_case = call.Flag("--lower");
  o.lexicon.words = WordRuleOption(call);
  o.lexicon.phrases = static_cast<int>(integer("--phrases", 0, 0, 10));
  o.lexicon.phrase_threshold = NumberOption(call, "--phrase-threshold", 100);
  o.checkpoint = output + ".checkpoint";
  o.checkpoint_every_s = NumberOption(call, "--checkpoint-every", 300);
  o.resume = call.Flag("--resume");
  return o;
}

}  // namespace

// "3-6".
represent::SubwordOptions SubwordsOption(const Invocation& call,
                                         represent::SubwordOptions options) {
  options.buckets =
      IntegerBetween(call, "--buckets", options.buckets, 1, 1'000'000'000);
  const auto text = call.Text("--subwords");
  if (!text) return options;
  const char* const end = text->data() + text->size();
  const auto first = std::from_chars(text->data(), end, options.min_chars);
  bool right = first.ec == std::errc() && first.ptr != end && *first.ptr == '-';
  if (right) {
    const auto second = std::from_chars(first.ptr + 1, end, options.max_chars);
    right = second.ec == std::errc() && second.ptr == end &&
            options.min_chars >= 1 && options.min_chars <= options.max_chars &&
            options.max_chars <= 100;
  }
  if (!right) {
    throw Error(ErrorCode::kUsage, {.where = "--subwords",
                                    .what = "not a range of characters",
                                    .expected = "SHORTEST-LONGEST, as 3-6",
                                    .got = *text});
  }
  return options;
}

int TrainVectors(const Invocation& call) {
  const std::string output = OutputOption(call);
  learn::Word2VecOptions options = ReadTrainOptions(call, output);
  const auto format =
      OutputFormat(call, output, options.subwords.max_chars > 0);
  const InterruptGuard guard;
  const bool draw = IsTerminal(STDERR_FILENO);
  options.counting = [draw](uint64_t done, uint64_t total) {
    if (draw) {
      Draw(Format("{} {}%", Translate("counting words"),
                  total > 0 ? done * 100 / total : 100));
    }
    return !InterruptGuard::Interrupted();
  };
  options.progress = Progress();
  const learn::Corpus corpus(call.positionals[1]);
  ThreadPool pool(ThreadsOption(call));
  learn::Word2VecResult result;
  try {
    result = learn::TrainWord2Vec(corpus, options, pool);
    EndProgress();
    learn::WriteResult(output, result, format);
  } catch (const Error& error) {
    EndProgress();
    std::error_code ignored;
    const bool outside = error.code() == ErrorCode::kCancelled ||
                         error.code() == ErrorCode::kDiskFull ||
                         error.code() == ErrorCode::kPermission ||
                         error.code() == ErrorCode::kIo;
    if (outside && fs::exists(options.checkpoint, ignored)) {
      Note(Format("{} {}", Translate("to go on, add --resume; kept in"),
                  options.checkpoint.string()));
    }
    throw;
  }
  if (call.json()) {
    PrintJson({{"path", output},
               {"format", represent::VectorFormatName(format)},
               {"words", result.lexicon.size()},
               {"dimensions", options.dimensions},
               {"tokens", result.lexicon.all_tokens()},
               {"losses", result.losses},
               {"seconds", result.seconds},
               {"words_per_s", result.words_per_s}});
  } else {
    Print(Format("{}: {} {}, {} {}, {} {:.4f} -> {:.4f}, {:.1f} s, {:.0f} {}\n",
                 output, result.lexicon.size(), Translate("words"),
                 options.dimensions, Translate("dimensions"), Translate("loss"),
                 result.losses.front(), result.losses.back(), result.seconds,
                 result.words_per_s, Translate("words/s")));
  }
  return 0;
}

int TrainClassifier(const Invocation& call) {
  const std::string output = OutputOption(call);
  learn::SupervisedOptions o;
  o.dimensions = IntegerBetween(call, "--dimensions", 100, 1, 10000);
  o.epochs = static_cast<int>(IntegerBetween(call, "--epochs", 5, 1, 100000));
  o.rate = NumberOption(call, "--rate", 0.1);
  o.min_count = IntegerBetween(call, "--min-count", 1, 1, INT64_MAX);
  o.word_ngrams =
      static_cast<int>(IntegerBetween(call, "--word-ngrams", 1, 1, 10));
  o.subwords = SubwordsOption(call, o.subwords);
  o.words = WordRuleOption(call);
  o.lower_case = call.Flag("--lower");
  o.seed =
      static_cast<uint64_t>(IntegerBetween(call, "--seed", 1, 0, INT64_MAX));
  if (const auto loss = call.Text("--loss")) {
    using represent::FastTextLoss;
    if (*loss == "softmax") {
      o.loss = FastTextLoss::kSoftmax;
    } else if (*loss == "hs") {
      o.loss = FastTextLoss::kHierarchical;
    } else if (*loss == "ova") {
      o.loss = FastTextLoss::kOneVsAll;
    } else if (*loss == "ns") {
      o.loss = FastTextLoss::kNegative;
    } else {
      throw Error(ErrorCode::kUsage, {.where = "--loss",
                                      .what = "unknown loss",
                                      .expected = "softmax, hs, ns or ova",
                                      .got = *loss});
    }
  }
  o.progress = Progress();
  const InterruptGuard guard;
  ThreadPool pool(ThreadsOption(call));
  const auto file = MappedFile::Open(call.positionals[1]);
  const std::string_view text(
      reinterpret_cast<const char*>(file->bytes().data()),
      file->bytes().size());
  const auto result =
      learn::TrainSupervised(text, call.positionals[1], o, pool);
  EndProgress();
  learn::WriteSupervised(output, result);
  if (call.json()) {
    PrintJson({{"path", output},
               {"words", result.words.size()},
               {"labels", result.labels.size()},
               {"lines", result.examples},
               {"losses", result.losses},
               {"seconds", result.seconds},
               {"words_per_s", result.words_per_s}});
  } else {
    Print(Format("{}: {} {}, {} {}, {} {:.4f} -> {:.4f}, {:.1f} s, {:.0f} {}\n",
                 output, result.words.size(), Translate("words"),
                 result.labels.size(), Translate("labels"), Translate("loss"),
                 result.losses.front(), result.losses.back(), result.seconds,
                 result.words_per_s, Translate("words/s")));
  }
  return 0;
}

}  // namespace malmoi::cli
