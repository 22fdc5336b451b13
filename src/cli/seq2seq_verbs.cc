// translate, summarize, and what run does with an encoder-decoder: a text in,
// another out.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "generate/seq2seq.h"
#include "generate/translation.h"

namespace malmoi::cli {

namespace {

using generate::Seq2Seq;
using generate::Seq2SeqCompletion;
using generate::Seq2SeqOptions;
using generate::Seq2SeqResult;

// What a verb does with each text.
struct Work {
  const Seq2Seq& model;
  Seq2SeqOptions options;
  std::function<std::vector<int32_t>(const std::string&)> encode;
  const char* key;  // of a JSON line
};

std::shared_ptr<Seq2Seq> LoadSeq2Seq(const Invocation& call,
                                     const std::filesystem::path& path) {
  return Seq2Seq::Load(path, {.threads = ThreadsOption(call),
                              .packed = PackedOption(),
                              .adapters = AdapterOption(call)});
}

std::filesystem::path LocateSeq2Seq(const Invocation& call) {
  const auto name = call.Text("--model");
  if (!name) {
    throw Error(ErrorCode::kUsage,
                {.where = "--model",
                 .what = "which model?",
                 .expected = "an encoder-decoder: org/repo or a folder",
                 .hint = "-m"});
  }
  return LocateModel(*name);
}

// The options of a search over those of the settings.
void ReadSearch(const Invocation& call, Seq2SeqOptions& options) {
  options.beams = call.Integer("--beams").value_or(options.beams);
  options.length_penalty =
      call.Number("--length-penalty").value_or(options.length_penalty);
  options.rules.no_repeat_ngram =
      call.Integer("--no-repeat-ngram").value_or(options.rules.no_repeat_ngram);
  if (const auto most = call.Integer("--max-tokens")) {
    if (*most < 0) {
      throw Error(ErrorCode::kInvalidArgument, {.where = "--max-tokens",
                                                .what = "value out of range",
                                                .expected = "0 or more",
                                                .got = std::to_string(*most)});
    }
    options.max_tokens = *most;
    options.rules.min_tokens = std::min(options.rules.min_tokens, *most);
  }
  // Naming beams asks for a search, and a search does not draw.
  if (options.beams > 1) options.sampling.temperature = 0;
  options.cancelled = [] { return InterruptGuard::Interrupted(); };
}

double PerSecond(int64_t tokens, double ms) {
  return ms > 0 ? 1e3 * static_cast<double>(tokens) / ms : 0;
}

Json ResultJson(const Seq2SeqCompletion& completion) {
  const Seq2SeqResult& best = completion.results.at(0);
  return {{"text", best.text},
          {"finish_reason", generate::FinishReasonName(best.finish_reason)},
          {"score", best.score},
          {"usage",
           {{"prompt_tokens", completion.input_tokens},
            {"completion_tokens", best.tokens.size()}}},
          {"timings",
           {{"first_token_ms", completion.first_token_ms},
            {"prompt_tokens_per_s",
             PerSecond(completion.input_tokens, completion.encode_ms)},
            {"decode_tokens_per_s",
             PerSecond(completion.steps, completion.decode_ms)}}}};
}

void RequireText(const std::string& text, const char* where) {
  RequireUtf8(text, where);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where, .what = "the text is empty"});
  }
}

// Prints the answer to one text; on the way where it comes word by word.
void Answer(const Invocation& call, const Work& work, const std::string& text) {
  RequireText(text, "text");
  Seq2SeqOptions options = work.options;
  bool shown = false;
  if (!call.json()) {
    options.on_text = [&](std::string_view piece) {
      Print(piece);
      Flush();
      shown = true;
    };
  }
  const auto completion = work.model.Generate(work.encode(text), options);
  if (call.json()) {
    PrintJson(ResultJson(completion));
  } else {
    Print(shown ? "\n" : completion.results.at(0).text + "\n");
  }
  Flush();
}

// A JSON string, or an object with the text under the verb's key.
void AnswerLine(const Work& work, const std::string& line) {
  const Json request = ParseJson(line, "line");
  const bool object = request.is_object() && request.contains(work.key) &&
                      request[work.key].is_string();
  if (!object && !request.is_string()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "line",
                 .what = "a line without a text",
                 .expected = Format("a string or {{\"{}\"}}", work.key),
                 .got = request.type_name()});
  }
  for (const auto& [key, value] : request.items()) {
    if (!object || key == work.key || key == "id") continue;
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "line",
                 .what = "options of a line are those of the command",
                 .got = key});
  }
  const Json& text = object ? request[work.key] : request;
  RequireText(text.get<std::string>(), "line");
  Json answer = ResultJson(
      work.model.Generate(work.encode(text.get<std::string>()), work.options));
  if (object && request.contains("id")) {
    Json named = {{"id", request["id"]}};
    named.update(answer);
    answer = std::move(named);
  }
  PrintJson(answer);
  Flush();
}

int AnswerJsonLines(const Work& work, std::optional<std::string> line,
                    int64_t number) {
  int status = 0;
  for (; line && !InterruptGuard::Interrupted(); line = ReadLine(), ++number) {
    if (IsBlank(*line)) continue;
    try {
      AnswerLine(work, *line);
    } catch (const Error& error) {
      NoteError(error, number);
      status = 1;
    }
  }
  return status;
}

// The arguments, each a text, or standard input: JSON lines or, in plain text,
// each line (`by_line`) or all of it.
int AnswerAll(const Invocation& call, const Work& work, bool by_line) {
  const InterruptGuard guard;
  int status = 0;
  if (!call.positionals.empty()) {
    for (const std::string& text : call.positionals) {
      if (!InterruptGuard::Interrupted()) Answer(call, work, text);
    }
  } else {
    int64_t number = 1;
    auto line = ReadLine();
    for (; line && IsBlank(*line); ++number) line = ReadLine();
    if (line && BeginsJsonLines(*line, call.json())) {
      status = AnswerJsonLines(work, line, number);
    } else if (by_line && line) {
      for (; line && !InterruptGuard::Interrupted(); line = ReadLine()) {
        // Lines of the output are those of the input.
        if (IsBlank(*line)) {
          Print("\n");
        } else {
          Answer(call, work, *line);
        }
      }
    } else {
      const std::string rest = line ? "\n" + ReadRest() : "";
      Answer(call, work, line.value_or("") + rest);
    }
  }
  return InterruptGuard::Interrupted() ? kInterrupted : status;
}

// Options of run that an encoder-decoder does not have.
void RefuseOthers(const Invocation& call) {
  static const std::set<std::string_view> kKnown = {
      "--adapter", "--model",   "--max-tokens", "--temperature",
      "--top-k",   "--top-p",   "--min-p",      "--typical",
      "--seed",    "--threads", "--json"};
  const auto refuse = [](const std::string& option) {
    if (kKnown.contains(option)) return;
    throw Error(ErrorCode::kUnsupported,
                {.where = option,
                 .what = "an encoder-decoder does not have this option",
                 .hint = "malmoi translate, malmoi summarize"});
  };
  for (const auto& [option, values] : call.values) {
    if (!values.empty()) refuse(option);
  }
  for (const auto& [option, given] : call.flags) {
    if (given) refuse(option);
  }
}

std::vector<int32_t> Encode(const Seq2Seq& model, const std::string& text) {
  return model.tokenizer().Encode(text, {.parse_special = false}).ids;
}

}  // namespace

int RunSeq2Seq(const Invocation& call, const std::filesystem::path& path,
               const std::string& prompt,
               const std::optional<std::string>& line, int64_t number) {
  RefuseOthers(call);
  const auto model = LoadSeq2Seq(call, path);
  Work work = {*model, model->defaults(),
               [&](const std::string& text) { return Encode(*model, text); },
               "prompt"};
  // To ask for a draw is to ask for no search.
  for (const char* option : {"--temperature", "--top-k", "--top-p", "--min-p",
                             "--typical", "--seed"}) {
    if (!call.Text(option)) continue;
    const double drawn = work.options.sampling.temperature;
    work.options.sampling = ReadOptions(call).sampling;
    if (!call.Text("--temperature") && drawn > 0) {
      work.options.sampling.temperature = drawn;
    }
    work.options.beams = 1;
    break;
  }
  ReadSearch(call, work.options);
  const InterruptGuard guard;
  const int status = line ? AnswerJsonLines(work, line, number)
                          : (Answer(call, work, prompt), 0);
  return InterruptGuard::Interrupted() ? kInterrupted : status;
}

int TranslateVerb(const Invocation& call) {
  const auto model = LoadSeq2Seq(call, LocateSeq2Seq(call));
  const generate::Translation translation(
      *model, call.Text("--from").value_or(""), call.Text("--to").value_or(""));
  Work work = {
      *model, translation.options(),
      [&](const std::string& text) { return translation.Encode(text); },
      "text"};
  ReadSearch(call, work.options);
  return AnswerAll(call, work, true);
}

int SummarizeVerb(const Invocation& call) {
  constexpr const char* kTask = "summarization";
  const auto model = LoadSeq2Seq(call, LocateSeq2Seq(call));
  const std::string prefix = model->TaskPrefix(kTask);
  Work work = {
      *model, model->TaskDefaults(kTask).value_or(model->defaults()),
      [&](const std::string& text) { return Encode(*model, prefix + text); },
      "text"};
  ReadSearch(call, work.options);
  return AnswerAll(call, work, false);
}

}  // namespace malmoi::cli
