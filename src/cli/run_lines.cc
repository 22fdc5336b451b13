// The JSONL stream of malmoi run: a line in, a line out, in the same order;
// with --parallel several are answered in one forward.
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "cli/generation.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "generate/batch/scheduler.h"

namespace malmoi::cli {

namespace {

using generate::Completion;
using generate::GenerateOptions;
using generate::LanguageModel;
using generate::Session;

[[noreturn]] void BadLine(std::string what, std::string got = "") {
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "line",
               .what = std::move(what),
               .expected = "a string, {\"prompt\"} or {\"messages\"}",
               .got = std::move(got)});
}

// A key that names an option would be ignored; that must not pass unseen.
void RefuseOptionKeys(const Invocation& call, const Json& request) {
  for (const auto& [key, value] : request.items()) {
    std::string option = "--" + key;
    std::replace(option.begin(), option.end(), '_', '-');
    for (const auto& group : {call.verb->more, call.verb->options}) {
      for (const OptionSpec& known : group) {
        if (known.name != option) continue;
        throw Error(ErrorCode::kInvalidArgument,
                    {.where = "line",
                     .what = "options of a line are those of the command",
                     .got = key,
                     .hint = option});
      }
    }
  }
}

// The conversation of {"messages"}; --system goes first unless the line has
// a system message of its own.
std::string RenderMessages(const Invocation& call, const LanguageModel& model,
                           const Json& given) {
  if (call.Flag("--raw")) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--raw",
                 .what = "messages need the chat template",
                 .hint = "{\"prompt\"}"});
  }
  Json messages = Json::array();
  for (const Json& message : given) {
    if (!message.is_object() || !message.contains("role") ||
        !message["role"].is_string()) {
      BadLine("a message without a role", DumpJson(message));
    }
  }
  if (given.empty()) BadLine("the prompt is empty");
  const auto system = call.Text("--system");
  if (system && given[0]["role"] != "system") {
    messages.push_back({{"role", "system"}, {"content", *system}});
  }
  for (const Json& message : given) messages.push_back(message);
  return model.RenderChat(messages);
}

// One line of a JSONL stream: {"prompt"}, {"messages"} or a string. An "id"
// comes back with the answer.
struct LinePrompt {
  std::vector<int32_t> tokens;
  std::optional<Json> id;
};

LinePrompt ReadPrompt(const Invocation& call, const LanguageModel& model,
                      const std::string& line) {
  const Json request = ParseJson(line, "line");
  std::string rendered;
  const auto plain = [&](const std::string& prompt) {
    if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
      BadLine("the prompt is empty");
    }
    rendered = Rendered(call, model, Messages(call, prompt), prompt);
  };
  if (request.is_object()) RefuseOptionKeys(call, request);
  if (request.is_string()) {
    plain(request.get<std::string>());
  } else if (request.is_object() && request.contains("prompt") &&
             request["prompt"].is_string() && !request.contains("messages")) {
    plain(request["prompt"].get<std::string>());
  } else if (request.is_object() && request.contains("messages") &&
             request["messages"].is_array() && !request.contains("prompt")) {
    rendered = RenderMessages(call, model, request["messages"]);
  } else {
    BadLine("a line without a prompt", request.type_name());
  }
  LinePrompt prompt = {model.EncodePrompt(rendered), std::nullopt};
  if (request.is_object() && request.contains("id")) prompt.id = request["id"];
  return prompt;
}

void PrintAnswer(const LanguageModel& model, const GenerateOptions& options,
                 const std::optional<Json>& id, const Completion& completion) {
  Json answer = CompletionJson(model, completion, options.top_logprobs >= 0);
  if (!id) return PrintJson(answer);
  Json named = {{"id", *id}};
  named.update(answer);
  PrintJson(named);
}

// Waits for answers and prints them in the order of their lines, on a thread
// of its own: the next line may be long in coming.
class OrderedPrinter {
 public:
  struct Line {
    int64_t number = 0;
    std::optional<Json> id;
    std::shared_ptr<generate::Request> request;
    std::optional<Error> error;  // instead of a request
  };

  // At most `most` lines are not printed yet.
  OrderedPrinter(const LanguageModel& model, const GenerateOptions& options,
                 size_t most)
      : model_(model),
        options_(options),
        most_(most),
        thread_([this] { Run(); }) {}
  ~OrderedPrinter() { Join(); }

  // False when no more can be printed.
  bool Push(Line line) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return failure_ || lines_.size() < most_; });
    if (failure_) return false;
    lines_.push_back(std::move(line));
    changed_.notify_all();
    return true;
  }
  // Waits for all. Whether every line was answered; throws what ended it.
  bool Finish() {
    Join();
    if (failure_) std::rethrow_exception(failure_);
    return all_answered_;
  }

 private:
  void Join() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      changed_.notify_all();
    }
    thread_.join();
  }

  void Run() {
    while (true) {
      const Line* line;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return closed_ || !lines_.empty(); });
        if (lines_.empty()) return;
        line = &lines_.front();  // stays while others come behind it
      }
      std::exception_ptr failure;
      try {
        Show(*line);
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      lines_.pop_front();
      failure_ = failure;
      changed_.notify_all();
      if (failure) return;
    }
  }

  void Show(const Line& line) {
    try {
      if (line.error) throw *line.error;
      PrintAnswer(model_, options_, line.id, line.request->Wait());
    } catch (const Error& error) {
      NoteError(error, line.number);
      all_answered_ = false;
    }
  }

  const LanguageModel& model_;
  const GenerateOptions& options_;
  const size_t most_;
  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::deque<Line> lines_;
  bool closed_ = false;
  std::exception_ptr failure_;
  bool all_answered_ = true;  // of the thread
  std::thread thread_;
};

}  // namespace

void NoteError(const Error& error, int64_t number) {
  // Standard output has gone: no further line can be answered either.
  if (error.parts().where == "standard output") throw error;
  Json object = ErrorJson(error);
  object["error"]["context"]["line"] = number;
  Note(DumpJson(object));
}

bool IsBlank(const std::string& line) {
  return line.find_first_not_of(" \t\r") == std::string::npos;
}

// Is piped text that begins with this line a JSONL stream? With --json any
// string or object is taken for one, whole or not; without it the line must
// be a whole JSON string or object, so that a text which merely begins with
// a quotation mark stays a text.
bool BeginsJsonLines(const std::string& line, bool json) {
  const size_t first = line.find_first_not_of(" \t");
  if (first == std::string::npos || (line[first] != '{' && line[first] != '"'))
    return false;
  if (json) return true;
  try {
    ParseJson(line, "line");
    return true;
  } catch (const Error&) {
    return false;
  }
}

int AnswerLines(const Invocation& call, const LanguageModel& model,
                Session& session, const GenerateOptions& options,
                std::optional<std::string> line, int64_t number) {
  int status = 0;
  for (; line && !InterruptGuard::Interrupted(); line = ReadLine(), ++number) {
    if (IsBlank(*line)) continue;
    try {
      const LinePrompt prompt = ReadPrompt(call, model, *line);
      PrintAnswer(model, options, prompt.id,
                  session.Generate(prompt.tokens, options));
    } catch (const Error& error) {
      NoteError(error, number);
      status = 1;
    }
  }
  return InterruptGuard::Interrupted() ? kInterrupted : status;
}

int AnswerLinesAtOnce(const Invocation& call,
                      const std::shared_ptr<const LanguageModel>& model,
                      int64_t context, int64_t parallel,
                      const GenerateOptions& options,
                      std::optional<std::string> line, int64_t number) {
  generate::Scheduler scheduler(model, {.context = context,
                                        .max_sequences = parallel,
                                        .kv_type = KvOption(call),
                                        .max_kept = parallel});
  // A slow answer holds back those behind it; as many more are read on.
  OrderedPrinter printer(*model, options, 2 * static_cast<size_t>(parallel));
  for (; line && !InterruptGuard::Interrupted(); line = ReadLine(), ++number) {
    if (IsBlank(*line)) continue;
    OrderedPrinter::Line next = {.number = number};
    try {
      LinePrompt prompt = ReadPrompt(call, *model, *line);
      next.id = std::move(prompt.id);
      next.request = scheduler.Submit(std::move(prompt.tokens), options);
    } catch (const Error& error) {
      next.error = error;
    }
    if (!printer.Push(std::move(next))) break;
  }
  const int status = printer.Finish() ? 0 : 1;
  return InterruptGuard::Interrupted() ? kInterrupted : status;
}

}  // namespace malmoi::cli
