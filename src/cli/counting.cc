#include "cli/counting.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/terminal.h"
#include "represent/sparse/options_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

int Whole(const std::string& text, const std::string& all) {
  if (text.empty() || text.size() > 3 ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    BadValue("--ngrams", "N or MIN-MAX", all);
  }
  return std::stoi(text);
}

// A word a line; empty lines and those after "#" are none.
std::vector<std::string> ReadStopWords(const std::string& path) {
  const std::string text = ReadFile(path);
  if (text::FindInvalidUtf8(text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = path, .what = "invalid UTF-8"});
  }
  std::vector<std::string> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string word = text.substr(at, end - at);
    at = end + 1;
    while (!word.empty() && (word.back() == '\r' || word.back() == ' ')) {
      word.pop_back();
    }
    if (!word.empty() && word[0] != '#') words.push_back(word);
  }
  return words;
}

}  // namespace

void BadValue(const char* option, std::string expected, std::string got) {
  throw Error(ErrorCode::kUsage, {.where = option,
                                  .what = "value out of range",
                                  .expected = std::move(expected),
                                  .got = std::move(got)});
}

std::string Required(const Invocation& call, const char* name,
                     const char* expected) {
  if (const auto value = call.Text(name)) return *value;
  throw Error(ErrorCode::kUsage,
              {.where = name,
               .what = "an argument is missing",
               .expected = expected,
               .hint = Format("malmoi {} --help", call.verb->name)});
}

std::optional<text::WordRule> WordRuleOption(const Invocation& call) {
  const auto name = call.Text("--words");
  if (!name) return std::nullopt;
  const auto rule = text::FindWordRule(*name);
  if (!rule) BadValue("--words", "sklearn, unicode or korean", *name);
  return rule;
}

represent::AnalyzerOptions AnalyzerOption(const Invocation& call) {
  represent::AnalyzerOptions options;
  if (const auto name = call.Text("--analyzer")) {
    const auto unit = represent::FindUnit(*name);
    if (!unit) BadValue("--analyzer", "word, char, char_wb or jamo", *name);
    options.unit = *unit;
  }
  if (const auto rule = WordRuleOption(call)) {
    if (options.unit != represent::Unit::kWord) {
      throw Error(ErrorCode::kUsage, {.where = "--words",
                                      .what = "another option is needed",
                                      .expected = "--analyzer word"});
    }
    options.words = *rule;
  }
  if (const auto grams = call.Text("--ngrams")) {
    const size_t dash = grams->find('-');
    options.min_n = Whole(grams->substr(0, dash), *grams);
    options.max_n = dash == std::string::npos
                        ? options.min_n
                        : Whole(grams->substr(dash + 1), *grams);
  }
  options.fold.lowercase = !call.Flag("--no-lowercase");
  if (const auto name = call.Text("--strip-accents")) {
    const auto accents = represent::FindAccents(*name);
    if (!accents) BadValue("--strip-accents", "none, unicode or ascii", *name);
    options.fold.accents = *accents;
  }
  if (const auto path = call.Text("--stop-words")) {
    options.stop_words = ReadStopWords(*path);
  }
  return options;
}

std::unique_ptr<represent::DocumentReader> OpenDocuments(
    const Invocation& call, const std::string& path) {
  using represent::TextFormat;
  represent::DocumentsOptions options;
  options.column = call.Text("--column").value_or("");
  options.header = !call.Flag("--no-header");
  if (const auto format = call.Text("--format")) {
    if (*format == "lines") {
      options.format = TextFormat::kLines;
    } else if (*format == "csv") {
      options.format = TextFormat::kCsv;
    } else if (*format == "tsv") {
      options.format = TextFormat::kTsv;
    } else if (*format == "jsonl") {
      options.format = TextFormat::kJsonl;
    } else {
      BadValue("--format", "lines, csv, tsv or jsonl", *format);
    }
  }
  return represent::DocumentReader::Open(path, options);
}

represent::CountOptions CountOption(const Invocation& call) {
  represent::CountOptions options;
  if (const auto megabytes = call.Integer("--memory")) {
    if (*megabytes < 1 || *megabytes > (int64_t{1} << 40)) {
      BadValue("--memory", "1 or more megabytes", std::to_string(*megabytes));
    }
    options.memory_bytes = static_cast<uint64_t>(*megabytes) << 20;
  }
  const bool draw = IsTerminal(STDERR_FILENO);
  options.progress = [draw](uint64_t done, uint64_t total) {
    if (draw) {
      const std::string text =
          total == 0      ? Format("\r{}\033[K", FormatBytes(done))
          : done >= total ? "\r\033[K"
                          : Format("\r{}%\033[K", done * 100 / total);
      if (write(STDERR_FILENO, text.data(), text.size()) < 0) return false;
    }
    return !InterruptGuard::Interrupted();
  };
  return options;
}

}  // namespace malmoi::cli
