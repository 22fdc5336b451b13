// malmoi run: one answer, or one per line of a JSONL stream.
#include <unistd.h>

#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "generate/seq2seq.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

void RequireUtf8(const std::string& text, const char* where) {
  if (const auto at = text::FindInvalidUtf8(text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where,
                 .what = "invalid UTF-8",
                 .expected = "UTF-8",
                 .got = Format("byte 0x{:02x} at offset {}",
                               static_cast<unsigned char>(text[*at]), *at),
                 .hint = "converting it with iconv"});
  }
}

using generate::Completion;
using generate::GenerateOptions;
using generate::LanguageModel;
using generate::Session;

Json Messages(const Invocation& call, const std::string& prompt) {
  Json messages = Json::array();
  if (const auto system = call.Text("--system")) {
    messages.push_back({{"role", "system"}, {"content", *system}});
  }
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return messages;
}

namespace {

// A model without a chat template continues the text, and says so.
void RequireTemplate(const Invocation& call, const LanguageModel& model) {
  if (call.Flag("--raw") || model.has_chat_template()) return;
  if (call.Text("--system")) {
    throw Error(ErrorCode::kUnsupported,
                {.where = "--system",
                 .what = "the model has no chat template",
                 .hint = "--raw"});
  }
  Note(Format("{}: {}", Translate("notice"),
              Translate("the model has no chat template: it continues the "
                        "text")));
}

}  // namespace

std::string Rendered(const Invocation& call, const LanguageModel& model,
                     const Json& messages, const std::string& prompt) {
  if (call.Flag("--raw") || !model.has_chat_template()) return prompt;
  return model.RenderChat(messages);
}

namespace {

// The bytes of a token as JSON text: a cut character becomes U+FFFD.
std::string Shown(const LanguageModel& model, int32_t id) {
  return text::ReplaceInvalidUtf8(model.tokenizer().TokenBytes(id));
}

}  // namespace

Json CompletionJson(const LanguageModel& model, const Completion& completion,
                    bool logprobs) {
  Json json = {
      {"text", completion.text},
      {"finish_reason", generate::FinishReasonName(completion.finish_reason)},
      {"usage",
       {{"prompt_tokens", completion.usage.prompt_tokens},
        {"cached_tokens", completion.usage.cached_tokens},
        {"completion_tokens", completion.usage.completion_tokens},
        {"lookup",
         {{"proposed", completion.usage.lookup_proposed},
          {"accepted", completion.usage.lookup_accepted}}}}},
      {"timings",
       {{"first_token_ms", completion.timings.first_token_ms},
        {"prompt_tokens_per_s", completion.timings.prompt_tokens_per_s},
        {"decode_tokens_per_s", completion.timings.decode_tokens_per_s}}}};
  if (!logprobs) return json;
  Json tokens = Json::array(), chosen = Json::array(), top = Json::array();
  for (const generate::Step& step : completion.steps) {
    tokens.push_back(Shown(model, step.token));
    chosen.push_back(step.logprob);
    Json best = Json::array();
    for (const generate::TokenLogprob& token : step.top) {
      best.push_back({{"id", token.id},
                      {"token", Shown(model, token.id)},
                      {"logprob", token.logprob}});
    }
    top.push_back(std::move(best));
  }
  json["tokens"] = std::move(tokens);
  json["token_logprobs"] = std::move(chosen);
  json["top_logprobs"] = std::move(top);
  return json;
}

namespace {

std::string Visible(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += Format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string Column(const std::string& text, int width) {
  const int have = text::DisplayWidth(text);
  return have < width
             ? text + std::string(static_cast<size_t>(width - have), ' ')
             : text;
}

// --explain: the prompt, its tokens, each step's choice, the account.
int Explain(const LanguageModel& model, Session& session,
            const std::string& rendered, GenerateOptions options) {
  const auto heading = [](std::string_view title) {
    Print(Paint("1", Format("== {}", Translate(title)), STDOUT_FILENO) + "\n");
  };
  heading("prompt");
  Print(rendered + (rendered.ends_with('\n') ? "" : "\n"));
  const std::vector<int32_t> prompt = model.EncodePrompt(rendered);
  heading("tokens");
  for (size_t i = 0; i < prompt.size(); ++i) {
    const std::string text = Visible(Shown(model, prompt[i]));
    Print(Format("{} {}  {}\n", Column(std::to_string(i), 5),
                 Column(std::to_string(prompt[i]), 7),
                 Paint(i % 2 == 0 ? "36" : "33", text, STDOUT_FILENO)));
  }
  heading("out");
  Flush();
  options.top_logprobs = 6;
  options.on_step = [&](const generate::Step& step) {
    if (step.token < 0) return;
    std::string line =
        Column(Visible(Shown(model, step.token)), 16) +
        Paint("32",
              Format(" {:5.1f}%",
                     100 * std::exp(static_cast<double>(step.logprob))),
              STDOUT_FILENO) +
        "  |";
    int others = 0;
    for (const generate::TokenLogprob& other : step.top) {
      if (other.id == step.token || others == 5) continue;
      ++others;
      line += Format("  {} {:.1f}%", Visible(Shown(model, other.id)),
                     100 * std::exp(static_cast<double>(other.logprob)));
    }
    Print(line + "\n");
    Flush();
  };
  const Completion completion = session.Generate(prompt, options);
  Print(Format(
      "== {}: {:.1f} ms, {}: {:.1f} tokens/s ({}), {}: {:.1f} tokens/s ({}), "
      "{}: {} + {}, {}\n",
      Translate("first token"), completion.timings.first_token_ms,
      Translate("in"), completion.timings.prompt_tokens_per_s,
      completion.usage.prompt_tokens, Translate("out"),
      completion.timings.decode_tokens_per_s,
      completion.usage.completion_tokens, Translate("memory"),
      FormatBytes(model.decoder().weight_bytes()),
      FormatBytes(session.memory_bytes()),
      generate::FinishReasonName(completion.finish_reason)));
  return completion.finish_reason == generate::FinishReason::kCancelled
             ? kInterrupted
             : 0;
}

// What standard input holds when it is no terminal.
struct Piped {
  bool lines = false;               // a JSONL stream begins with `line`
  std::optional<std::string> line;  // the first that is not blank
  int64_t number = 0;
  std::string text;  // all of it, less the last newline
};

Piped ReadPiped(const Invocation& call) {
  Piped piped;
  if (call.positionals.empty()) {
    std::string blank;
    while ((piped.line = ReadLine())) {
      ++piped.number;
      if (piped.line->find_first_not_of(" \t\r") != std::string::npos) break;
      blank += *piped.line + "\n";
    }
    if (!piped.line) return piped;
    piped.lines = BeginsJsonLines(*piped.line, call.json());
    if (piped.lines) return piped;
    piped.text = blank + *piped.line + "\n";
  }
  piped.text += ReadRest();
  if (piped.text.ends_with('\n')) piped.text.pop_back();
  RequireUtf8(piped.text, "standard input");
  return piped;
}

void CheckCombinations(const Invocation& call, bool lines) {
  const auto exclude = [](const char* where, const char* hint) {
    throw Error(ErrorCode::kUsage, {.where = where,
                                    .what = "options that exclude each other",
                                    .hint = hint});
  };
  if (call.Text("--logprobs") && !call.json() && !lines) {
    throw Error(ErrorCode::kUsage, {.where = "--logprobs",
                                    .what = "another option is needed",
                                    .expected = "--json beside it"});
  }
  if (call.Flag("--explain") && (call.json() || lines)) {
    exclude("--explain --json", "--logprobs 5 --json");
  }
  if (call.Flag("--explain") && call.Text("--logprobs")) {
    exclude("--explain --logprobs", "--explain");
  }
  if (call.Flag("--raw") && call.Text("--system")) {
    exclude("--raw --system", "the text itself");
  }
  if (call.Text("--parallel") && call.Text("--session")) {
    exclude("--parallel --session", "--session");
  }
  if (call.Text("--parallel") && !lines) {
    throw Error(ErrorCode::kUsage, {.where = "--parallel",
                                    .what = "only for a stream of JSON lines",
                                    .hint = "{\"prompt\"}"});
  }
}

// Lines to answer at once.
int64_t ParallelOption(const Invocation& call) {
  const int64_t parallel = call.Integer("--parallel").value_or(1);
  if (parallel < 1 || parallel > 256) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "--parallel",
                                              .what = "value out of range",
                                              .expected = "1 to 256",
                                              .got = std::to_string(parallel)});
  }
  return parallel;
}

// Answers one prompt.
int Answer(const Invocation& call, const LanguageModel& model, Session& session,
           GenerateOptions options, const std::string& prompt) {
  const std::string rendered =
      Rendered(call, model, Messages(call, prompt), prompt);
  if (call.Flag("--explain")) {
    return Explain(model, session, rendered, options);
  }
  const bool json = call.json();
  std::string last;
  if (!json) {
    options.on_step = [&](const generate::Step& step) {
      if (step.text.empty()) return;
      Print(step.text);
      Flush();
      last = step.text;
    };
  }
  const Completion completion =
      session.Generate(model.EncodePrompt(rendered), options);
  if (json) {
    PrintJson(CompletionJson(model, completion, options.top_logprobs >= 0));
  } else if (!last.ends_with('\n')) {
    Print("\n");
  }
  return completion.finish_reason == generate::FinishReason::kCancelled
             ? kInterrupted
             : 0;
}

}  // namespace

int RunVerb(const Invocation& call) {
  std::string prompt;
  for (const std::string& word : call.positionals) {
    prompt += (prompt.empty() ? "" : " ") + word;
  }
  RequireUtf8(prompt, "prompt");
  if (const auto system = call.Text("--system")) {
    RequireUtf8(*system, "--system");
  }
  GenerateOptions options = ReadOptions(call);
  const int64_t context = ContextOption(call);
  const auto kv_type = KvOption(call);
  ThreadsOption(call);
  const int64_t parallel = ParallelOption(call);
  Piped piped;
  if (!IsTerminal(STDIN_FILENO)) piped = ReadPiped(call);
  CheckCombinations(call, piped.lines);
  if (!piped.text.empty()) {
    prompt += (prompt.empty() ? "" : "\n\n") + piped.text;
  }
  if (!piped.lines &&
      prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "prompt",
                                              .what = "the prompt is empty",
                                              .hint = "malmoi run \"Hello\""});
  }
  const std::filesystem::path path = LocateModel(ModelName(call));
  if (generate::Seq2Seq::Is(path)) {
    return RunSeq2Seq(call, path, prompt,
                      piped.lines ? piped.line : std::nullopt, piped.number);
  }
  const auto model = LoadModel(call, ModelName(call));
  RequireTemplate(call, *model);
  const InterruptGuard guard;
  AddBreakers(*model, options);
  if (parallel > 1) {
    return AnswerLinesAtOnce(call, model, context, parallel, options,
                             piped.line, piped.number);
  }
  Session session(model, context, kv_type);
  LoadSession(call, session);
  const int status = piped.lines
                         ? AnswerLines(call, *model, session, options,
                                       piped.line, piped.number)
                         : Answer(call, *model, session, options, prompt);
  SaveSession(call, session);
  return status;
}

}  // namespace malmoi::cli
