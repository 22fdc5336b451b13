// malmoi run: one answer, or one per line of a JSONL stream.
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

using generate::Completion;
using generate::GenerateOptions;
using generate::LanguageModel;
using generate::Session;

std::string ReadAll(std::FILE* file) {
  std::string text;
  char buffer[65536];
  size_t count;
  while ((count = std::fread(buffer, 1, sizeof(buffer), file)) > 0) {
    text.append(buffer, count);
  }
  return text;
}

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

Json Messages(const Invocation& call, const std::string& prompt) {
  Json messages = Json::array();
  if (const auto system = call.Text("--system")) {
    messages.push_back({{"role", "system"}, {"content", *system}});
  }
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return messages;
}

// The text the model reads.
std::string Rendered(const Invocation& call, const LanguageModel& model,
                     const Json& messages, const std::string& prompt) {
  if (call.Flag("--raw") || !model.has_chat_template()) return prompt;
  return model.RenderChat(messages);
}

// The bytes of a token as JSON text: a cut character becomes U+FFFD.
std::string Shown(const LanguageModel& model, int32_t id) {
  return text::ReplaceInvalidUtf8(model.tokenizer().TokenBytes(id));
}

Json CompletionJson(const LanguageModel& model, const Completion& completion,
                    bool logprobs) {
  Json json = {
      {"text", completion.text},
      {"finish_reason", generate::FinishReasonName(completion.finish_reason)},
      {"usage",
       {{"prompt_tokens", completion.usage.prompt_tokens},
        {"completion_tokens", completion.usage.completion_tokens}}},
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

// One line of a JSONL stream: {"prompt"}, {"messages"} or a string.
Json AnswerLine(const Invocation& call, const LanguageModel& model,
                Session& session, const GenerateOptions& options,
                const std::string& line) {
  const Json request = ParseJson(line, "line");
  std::string rendered;
  const auto plain = [&](const std::string& prompt) {
    if (prompt.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "prompt", .what = "the prompt is empty"});
    }
    rendered = Rendered(call, model, Messages(call, prompt), prompt);
  };
  if (request.is_string()) {
    plain(request.get<std::string>());
  } else if (request.is_object() && request.contains("prompt") &&
             request["prompt"].is_string()) {
    plain(request["prompt"].get<std::string>());
  } else if (request.is_object() && request.contains("messages") &&
             request["messages"].is_array()) {
    rendered = model.RenderChat(request["messages"]);
  } else {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "line",
                 .what = "a line without a prompt",
                 .expected = "a string, {\"prompt\"} or {\"messages\"}"});
  }
  const Completion completion =
      session.Generate(model.EncodePrompt(rendered), options);
  return CompletionJson(model, completion, options.top_logprobs >= 0);
}

bool LooksLikeJsonLines(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos &&
         (text[first] == '{' || text[first] == '"');
}

int AnswerLines(const Invocation& call, const LanguageModel& model,
                Session& session, const GenerateOptions& options,
                std::string first) {
  int status = 0;
  int64_t number = 0;
  std::string line = std::move(first);
  do {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      PrintJson(AnswerLine(call, model, session, options, line));
    } catch (const Error& error) {
      const Json object = {
          {"error",
           {{"code", ErrorCodeName(error.code())},
            {"message", text::ReplaceInvalidUtf8(error.message())},
            {"context", {{"line", number}}}}}};
      Note(DumpJson(object));
      status = 1;
    }
    if (InterruptGuard::Interrupted()) return kInterrupted;
  } while (std::getline(std::cin, line));
  return status;
}

}  // namespace

int RunVerb(const Invocation& call) {
  std::string prompt;
  for (const std::string& word : call.positionals) {
    prompt += (prompt.empty() ? "" : " ") + word;
  }
  RequireUtf8(prompt, "prompt");
  if (call.Text("--logprobs") && !call.json()) {
    throw Error(ErrorCode::kUsage, {.where = "--logprobs",
                                    .what = "an option needs a value",
                                    .expected = "--json beside it"});
  }
  if (call.Flag("--explain") && call.json()) {
    throw Error(ErrorCode::kUsage, {.where = "--explain --json",
                                    .what = "options that exclude each other",
                                    .hint = "--logprobs 5 --json"});
  }
  // Lines of JSON are answered as they come, so that a pipe stays a stream.
  bool lines = false;
  std::string first;
  if (call.positionals.empty() && !IsTerminal(STDIN_FILENO)) {
    lines = static_cast<bool>(std::getline(std::cin, first)) &&
            LooksLikeJsonLines(first);
  }
  if (!lines && !IsTerminal(STDIN_FILENO)) {
    std::string piped = first;
    if (call.positionals.empty()) {
      std::string rest((std::istreambuf_iterator<char>(std::cin)), {});
      if (!rest.empty()) piped += "\n" + rest;
    } else {
      piped = ReadAll(stdin);
    }
    while (piped.ends_with('\n')) piped.pop_back();
    RequireUtf8(piped, "standard input");
    if (!piped.empty()) prompt += (prompt.empty() ? "" : "\n\n") + piped;
  }
  if (!lines && prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "prompt",
                                              .what = "the prompt is empty",
                                              .hint = "malmoi run \"Hello\""});
  }
  const auto model = LoadModel(call, ModelName(call));
  const InterruptGuard guard;
  GenerateOptions options = ReadOptions(call, *model);
  Session session(model, ContextOption(call));
  if (lines) return AnswerLines(call, *model, session, options, first);

  const std::string rendered =
      Rendered(call, *model, Messages(call, prompt), prompt);
  if (call.Flag("--explain")) {
    return Explain(*model, session, rendered, options);
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
      session.Generate(model->EncodePrompt(rendered), options);
  if (json) {
    PrintJson(CompletionJson(*model, completion, options.top_logprobs >= 0));
  } else if (!last.ends_with('\n')) {
    Print("\n");
  }
  return completion.finish_reason == generate::FinishReason::kCancelled
             ? kInterrupted
             : 0;
}

}  // namespace malmoi::cli
