// tokenize, completion, man, help.
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "cli/counting.h"
#include "cli/embedding.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "text/segment/breaks.h"
#include "text/segment/words.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

Json EncodingJson(const text::Tokenizer& tokenizer,
                  const text::Encoding& encoding) {
  Json tokens = Json::array(), offsets = Json::array();
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    tokens.push_back(
        text::ReplaceInvalidUtf8(tokenizer.TokenBytes(encoding.ids[i])));
    offsets.push_back({encoding.offsets[i].first, encoding.offsets[i].second});
  }
  return {{"ids", encoding.ids}, {"tokens", tokens}, {"offsets", offsets}};
}

void PrintTokens(const text::Tokenizer& tokenizer,
                 const text::Encoding& encoding) {
  static constexpr const char* kColours[] = {"36", "33", "35", "32", "34"};
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const int32_t id = encoding.ids[i];
    const std::string bytes = tokenizer.TokenBytes(id);
    std::string hex;
    for (char c : bytes) {
      hex += Format("{:02x} ", static_cast<unsigned char>(c));
    }
    std::string shown;
    for (char c : text::ReplaceInvalidUtf8(bytes)) {
      if (c == '\n') {
        shown += "\\n";
      } else if (c == '\t') {
        shown += "\\t";
      } else {
        shown += c;
      }
    }
    const int width = text::DisplayWidth(shown);
    const std::string pad(width < 16 ? static_cast<size_t>(16 - width) : 1,
                          ' ');
    Print(Format("{:>7}  {}{}{}\n", id,
                 Paint(kColours[i % 5], shown, STDOUT_FILENO), pad, hex));
  }
}

// The text of a line that is a JSON string; any other line itself.
std::string JsonStringOr(const std::string& line) {
  if (!line.starts_with('"')) return line;
  try {
    const Json value = ParseJson(line, "line");
    if (value.is_string()) return value.get<std::string>();
  } catch (const Error&) {
  }
  return line;
}

}  // namespace

namespace {

// Words by a rule, or sentences: a line each, or one list.
void PrintParts(const Invocation& call,
                const std::optional<text::WordRule>& rule,
                const std::string& text) {
  if (const auto at = text::FindInvalidUtf8(text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = Format("byte {}", *at), .what = "not UTF-8"});
  }
  std::vector<std::string> parts;
  if (rule) {
    text::WordCutter cutter(rule);
    for (const std::string_view word : cutter.Cut(text)) {
      parts.emplace_back(word);
    }
  } else {
    const auto bounds = text::SentenceBoundaries(text);
    for (size_t i = 0; i + 1 < bounds.size(); ++i) {
      std::string part = text.substr(bounds[i], bounds[i + 1] - bounds[i]);
      const size_t end = part.find_last_not_of(" \t\r\n");
      if (end == std::string::npos) continue;
      part.resize(end + 1);
      parts.push_back(std::move(part));
    }
  }
  if (call.json()) {
    return PrintJson({{rule ? "words" : "sentences", parts}});
  }
  for (const std::string& part : parts) Print(part + "\n");
  Flush();
}

}  // namespace

int TokenizeVerb(const Invocation& call) {
  const bool sentences = call.Flag("--sentences");
  const auto rule = WordRuleOption(call);
  if (sentences || rule) {
    for (const char* option : {"--model", "--no-special", "--sentences"}) {
      const bool other = option != std::string_view("--sentences") || rule;
      if (other && (call.Flag(option) || call.Text(option))) {
        ThrowUsage(option, "two options contradict each other",
                   "--sentences, --words or a model's tokens");
      }
    }
  }
  const auto tokenizer = sentences || rule
                             ? nullptr
                             : generate::LanguageModel::LoadTokenizer(
                                   LocateModel(ModelName(call)));
  text::EncodeOptions options;
  options.parse_special = !call.Flag("--no-special");
  const auto one = [&](const std::string& text) {
    if (tokenizer == nullptr) return PrintParts(call, rule, text);
    const text::Encoding encoding = tokenizer->Encode(text, options);
    if (call.json()) {
      PrintJson(EncodingJson(*tokenizer, encoding));
    } else {
      PrintTokens(*tokenizer, encoding);
      Flush();
    }
  };
  if (!call.positionals.empty()) {
    std::string text;
    for (const std::string& word : call.positionals) {
      text += (text.empty() ? "" : " ") + word;
    }
    one(text);
    return 0;
  }
  // With --json a line that is a JSON string is taken as its text, so that a
  // text of several lines fits. A bad line does not end the stream.
  int status = 0;
  int64_t number = 0;
  while (auto line = ReadLine()) {
    ++number;
    try {
      one(call.json() ? JsonStringOr(*line) : *line);
    } catch (const Error& error) {
      if (error.parts().where == "standard output") throw;
      if (call.json()) {
        Json object = ErrorJson(error);
        object["error"]["context"]["line"] = number;
        Note(DumpJson(object));
      } else {
        Note(Format("{} {}: {}", Translate("line"), number,
                    text::ReplaceInvalidUtf8(Message(error))));
      }
      status = 1;
    }
  }
  return status;
}

int CompletionVerb(const Invocation& call) {
  const std::string& shell = call.positionals[0];
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    throw Error(ErrorCode::kUsage, {.where = "malmoi completion",
                                    .what = "unknown shell",
                                    .expected = "bash, zsh or fish",
                                    .got = shell});
  }
  Print(CompletionScript(shell));
  return 0;
}

namespace {
const VerbSpec* VerbArgument(const Invocation& call) {
  if (call.positionals.empty()) return nullptr;
  const VerbSpec* verb = FindVerb(call.positionals[0]);
  if (verb == nullptr) {
    throw Error(ErrorCode::kUsage, {.where = "malmoi",
                                    .what = "unknown verb",
                                    .got = call.positionals[0],
                                    .hint = "malmoi --help"});
  }
  return verb;
}
}  // namespace

int ManVerb(const Invocation& call) {
  if (call.Flag("--markdown")) {
    Print(MarkdownPages());
    return 0;
  }
  Print(ManPage(VerbArgument(call)));
  return 0;
}

int HelpVerb(const Invocation& call) {
  const VerbSpec* verb = VerbArgument(call);
  Print(verb == nullptr ? HelpText() : HelpText(*verb));
  return 0;
}

}  // namespace malmoi::cli
