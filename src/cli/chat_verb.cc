// malmoi chat: a conversation with line editing, history and commands.
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/signals.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

constexpr char kCommands[] =
    "/set OPTION VALUE   as on the command line: /set temperature 0.5\n"
    "/system TEXT        the system message\n"
    "/save FILE          the conversation, as JSON\n"
    "/load FILE          a saved conversation\n"
    "/clear              forget the conversation\n"
    "/help               this list\n"
    "/bye                leave (or Ctrl-D)\n"
    "\"\"\"                 begins and ends a message of several lines\n";
constexpr char kCommandsKo[] =
    "/set 옵션 값        명령줄에서처럼: /set temperature 0.5\n"
    "/system 글          시스템 메시지\n"
    "/save 파일          대화를 JSON으로 저장\n"
    "/load 파일          저장한 대화 불러오기\n"
    "/clear              대화 잊기\n"
    "/help               이 목록\n"
    "/bye                나가기 (또는 Ctrl-D)\n"
    "\"\"\"                 여러 줄 메시지의 시작과 끝\n";

// Lines from a terminal with editing and a history file, or from a pipe.
class LineReader {
 public:
  LineReader() {
    if (!IsTerminal(STDIN_FILENO) || !IsTerminal(STDOUT_FILENO)) return;
    UseUtf8();
    editor_ = el_init("malmoi", stdin, stdout, stderr);
    if (editor_ == nullptr) return;
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, 1000);
    el_set(editor_, EL_PROMPT, &Prompt);
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_SIGNAL, 1);
    el_wset(editor_, EL_GETCFN, &ReadCharacter);
    const char* state = std::getenv("XDG_STATE_HOME");
    const char* home = std::getenv("HOME");
    if (state != nullptr && *state != '\0') {
      file_ = std::filesystem::path(state) / "malmoi/history";
    } else if (home != nullptr) {
      file_ = std::filesystem::path(home) / ".local/state/malmoi/history";
    }
    if (file_.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    history(history_, &event, H_LOAD, file_.c_str());
  }
  ~LineReader() {
    if (editor_ == nullptr) return;
    HistEvent event;
    // A history that cannot be written is no reason to fail.
    if (!file_.empty()) history(history_, &event, H_SAVE, file_.c_str());
    history_end(history_);
    el_end(editor_);
  }

  enum class Got { kLine, kInterrupt, kEnd };

  Got Read(std::string& line) {
    InterruptGuard::Clear();
    if (editor_ == nullptr) {
      if (auto next = ReadLine()) {
        line = std::move(*next);
        return Got::kLine;
      }
      return InterruptGuard::Interrupted() ? Got::kInterrupt : Got::kEnd;
    }
    // Keys come as they are pressed from before the prompt is shown: behind
    // it, a Ctrl-D in a hurry would reach the terminal's own line editing.
    el_set(editor_, EL_PREP_TERM, 1);
    int count = 0;
    const char* text = nullptr;
    {
      // SIGINT is delivered nowhere but where a key is waited for, so that
      // none falls between the look at the flag and the wait.
      const NoSignals held(SIGINT);
      text = el_gets(editor_, &count);
    }
    if (InterruptGuard::Interrupted()) {
      // Ctrl-C at the prompt drops the line that was begun.
      Note("");
      el_reset(editor_);
      return Got::kInterrupt;
    }
    if (text == nullptr || count <= 0) {
      Note("");
      return Got::kEnd;
    }
    line.assign(text, static_cast<size_t>(count));
    while (line.ends_with('\n')) line.pop_back();
    HistEvent event;
    if (line.find_first_not_of(' ') != std::string::npos) {
      history(history_, &event, H_ENTER, line.c_str());
    }
    return Got::kLine;
  }
  bool interactive() const { return editor_ != nullptr; }

 private:
  // The editor counts characters by the locale; where that has none beyond
  // ASCII (a bare container), UTF-8 is meant all the same.
  static void UseUtf8() {
    std::setlocale(LC_CTYPE, "");
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) {
      std::setlocale(LC_CTYPE, "C.UTF-8");
    }
  }
  // As libedit's own: 1 and a character, 0 at the end, -1 for an error.
  static int ReadCharacter(EditLine*, wchar_t* character) {
    std::mbstate_t state = {};
    while (true) {
      sigset_t open;
      pthread_sigmask(SIG_BLOCK, nullptr, &open);
      sigdelset(&open, SIGINT);
      pollfd key = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      const int ready = ppoll(&key, 1, nullptr, &open);
      // libedit's handler restores the terminal and sends the signal again.
      sigset_t held;
      pthread_sigmask(SIG_SETMASK, &open, &held);
      pthread_sigmask(SIG_SETMASK, &held, nullptr);
      if (InterruptGuard::Interrupted()) return -1;
      if (ready < 0 && errno != EINTR) return -1;
      if (ready <= 0) continue;
      char byte = 0;
      const ssize_t got = read(STDIN_FILENO, &byte, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return static_cast<int>(got);
      const size_t length = std::mbrtowc(character, &byte, 1, &state);
      if (length == static_cast<size_t>(-1)) {
        state = {};  // no character: as if it had not been typed
      } else if (length != static_cast<size_t>(-2)) {
        return 1;
      }
    }
  }
  static char* Prompt(EditLine*) {
    static char prompt[] = "> ";
    return prompt;
  }
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::filesystem::path file_;
};

class Chat {
 public:
  explicit Chat(Invocation call)
      : call_(std::move(call)),
        model_(LoadModel(call_, ModelName(call_))),
        session_(model_, ContextOption(call_), KvOption(call_)) {
    if (!model_->has_chat_template()) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = model_->info().path.string(),
                   .what = "the model has no chat template",
                   .hint = "malmoi run --raw"});
    }
    system_ = call_.Text("--system").value_or("");
    LoadSession(call_, session_);
  }
  void Save() const { SaveSession(call_, session_); }

  // False: leave.
  bool Line(const std::string& line) {
    if (line.starts_with('/')) return Command(line);
    Answer(line);
    return true;
  }

 private:
  Json Conversation() const {
    Json all = Json::array();
    if (!system_.empty()) {
      all.push_back({{"role", "system"}, {"content", system_}});
    }
    for (const Json& turn : turns_) all.push_back(turn);
    return all;
  }

  void Answer(const std::string& text) {
    InterruptGuard::Clear();
    if (const auto at = text::FindInvalidUtf8(text)) {
      Note(Message(Error(ErrorCode::kInvalidArgument,
                         {.where = "prompt",
                          .what = "invalid UTF-8",
                          .expected = "UTF-8",
                          .got = Format("a bad byte at offset {}", *at)})));
      return;
    }
    turns_.push_back({{"role", "user"}, {"content", text}});
    generate::GenerateOptions options = ReadOptions(call_);
    AddBreakers(*model_, options);
    options.on_step = [](const generate::Step& step) {
      Print(step.text);
      Flush();
    };
    try {
      const auto completion = session_.Generate(
          model_->EncodePrompt(model_->RenderChat(Conversation())), options);
      Print("\n");
      Flush();
      // A stopped answer stays in the conversation as far as it came.
      turns_.push_back({{"role", "assistant"}, {"content", completion.text}});
      if (completion.finish_reason == generate::FinishReason::kLength &&
          options.max_tokens < 0) {
        Note(Korean() ? "문맥이 찼습니다: /clear 또는 --sliding-window"
                      : "the context is full: /clear or --sliding-window");
      }
    } catch (const Error& error) {
      turns_.erase(turns_.size() - 1);
      Note(Message(error));
    }
  }

  bool Command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string rest =
        space == std::string::npos ? "" : line.substr(space + 1);
    try {
      if (name == "/bye" || name == "/exit" || name == "/quit") return false;
      if (name == "/help" || name == "/?") {
        Print(Korean() ? kCommandsKo : kCommands);
      } else if (name == "/clear") {
        turns_ = Json::array();
        session_.Clear();
      } else if (name == "/system") {
        system_ = rest;
      } else if (name == "/set") {
        Set(rest);
      } else if (name == "/save") {
        WriteFileAtomically(RequireFile(rest),
                            DumpJson(Conversation(), 1) + "\n");
      } else if (name == "/load") {
        Load(RequireFile(rest));
      } else {
        throw Error(ErrorCode::kUsage,
                    {.where = name, .what = "unknown verb", .hint = "/help"});
      }
    } catch (const Error& error) {
      Note(Message(error));
    }
    Flush();
    return true;
  }

  static std::string RequireFile(const std::string& path) {
    if (path.empty()) {
      throw Error(ErrorCode::kUsage, {.where = "/save, /load",
                                      .what = "an argument is missing",
                                      .expected = "a file"});
    }
    return path;
  }

  void Set(const std::string& text) {
    const size_t space = text.find(' ');
    const std::string option = "--" + text.substr(0, space);
    for (const OptionSpec& known : FindVerb("chat")->more) {
      if (known.name != option || space == std::string::npos) continue;
      if (option == "--model" || option == "--context" || option == "--kv" ||
          option == "--session") {
        break;
      }
      const auto before = call_.values[option];
      call_.values[option] = {text.substr(space + 1)};
      try {
        ReadOptions(call_);
      } catch (const Error&) {
        call_.values[option] = before;
        throw;
      }
      if (option == "--system") system_ = text.substr(space + 1);
      return;
    }
    throw Error(ErrorCode::kUsage, {.where = "/set",
                                    .what = "unknown option",
                                    .got = text,
                                    .hint = "/set temperature 0.5"});
  }

  void Load(const std::string& path) {
    const Json saved = ParseJson(ReadFile(path), path);
    Json turns = Json::array();
    std::string system;
    bool good = saved.is_array();
    for (const Json& turn : saved) {
      good = good && turn.is_object() && turn.contains("role") &&
             turn["role"].is_string() && turn.contains("content") &&
             turn["content"].is_string();
      if (!good) break;
      if (turn["role"] == "system") {
        system = turn["content"].get<std::string>();
      } else {
        turns.push_back(turn);
      }
    }
    if (!good) {
      throw Error(ErrorCode::kCorrupt,
                  {.where = path, .what = "not a saved conversation"});
    }
    turns_ = turns;
    system_ = system;
  }

  Invocation call_;
  std::shared_ptr<generate::LanguageModel> model_;
  generate::Session session_;
  std::string system_;
  Json turns_ = Json::array();
};

int Talk(Chat& chat, LineReader& reader) {
  // Ctrl-C ends the program only where no one can type /bye.
  using Got = LineReader::Got;
  std::string line;
  while (true) {
    Got got = reader.Read(line);
    if (got == Got::kLine && line.starts_with("\"\"\"")) {
      std::string message = line.substr(3);
      while (!message.ends_with("\"\"\"") &&
             (got = reader.Read(line)) == Got::kLine) {
        message += "\n" + line;
      }
      if (message.ends_with("\"\"\"")) message.resize(message.size() - 3);
      line = message;
      // What was begun before the end of the input is still a message.
      if (got == Got::kEnd) chat.Line(line);
    }
    if (got == Got::kEnd) return 0;
    if (got == Got::kInterrupt) {
      if (!reader.interactive()) return kInterrupted;
      continue;
    }
    if (line.find_first_not_of(" \t\n") == std::string::npos) continue;
    if (!chat.Line(line)) return 0;
  }
}

}  // namespace

int ChatVerb(const Invocation& call) {
  if (call.json()) {
    throw Error(ErrorCode::kUsage, {.where = "chat --json",
                                    .what = "options that exclude each other",
                                    .hint = "malmoi run --json with messages"});
  }
  ReadOptions(call);  // before a download
  ContextOption(call);
  KvOption(call);
  ThreadsOption(call);
  Chat chat(call);
  const InterruptGuard guard(/*second_ends=*/false);
  LineReader reader;
  if (IsTerminal(STDIN_FILENO)) {
    Note(Korean() ? "/help는 명령 목록, /bye는 나가기"
                  : "/help for commands, /bye to leave");
  }
  const int status = Talk(chat, reader);
  chat.Save();
  return status;
}

}  // namespace malmoi::cli
