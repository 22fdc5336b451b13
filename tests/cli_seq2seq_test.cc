// translate, summarize and run with encoder-decoders, as a user meets them.
#include <sstream>
#include <string>

#include "base/json.h"
#include "generate/testing/seq2seq_folder.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliSeq2SeqTest : public CliTest {
 protected:
  std::string Translator() {
    generate::Seq2SeqFolder folder = {
        .model = "m2m-100",
        .special = {{2, "</s>"}, {290, "en_XX"}, {291, "de_DE"}},
        .before = {"en_XX"},
        .behind = {"</s>"}};
    folder.WriteTo(folder_ / "translator");
    return (folder_ / "translator").string();
  }
  std::string Summarizer() {
    generate::Seq2SeqFolder folder = {
        .model = "bart",
        .special = {{0, "<s>"}, {2, "</s>"}},
        .before = {"<s>"},
        .behind = {"</s>"},
        .generation = {{"num_beams", 4}, {"max_length", 12}}};
    folder.WriteTo(folder_ / "summarizer");
    return (folder_ / "summarizer").string();
  }
  static int Lines(const std::string& text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }
};

TEST_F(CliSeq2SeqTest, TranslatesArgumentsLinesAndJsonLines) {
  const std::string command = "translate -n 8 --to de -m " + Translator();
  const Result one = Run(command + " \"w10 w11\"");
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(Lines(one.out), 1);
  // The same, in a search, and with what is said about it.
  const Result json = Run(command + " --json --beams 3 \"w10 w11\" w12");
  ASSERT_EQ(json.status, 0) << json.err;
  EXPECT_EQ(Lines(json.out), 2);
  const Json answer =
      ParseJson(json.out.substr(0, json.out.find('\n')), "stdout");
  for (const char* key :
       {"text", "finish_reason", "score", "usage", "timings"}) {
    EXPECT_TRUE(answer.contains(key)) << key;
  }
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 4);
  EXPECT_LE(answer["usage"]["completion_tokens"], 8);
  // Lines in, lines out.
  const Result lines = Run(command, "", "printf 'w10 w11\\n\\nw12\\n' |");
  ASSERT_EQ(lines.status, 0) << lines.err;
  EXPECT_EQ(Lines(lines.out), 3);
  EXPECT_EQ(lines.out.substr(0, one.out.size()), one.out);
  const Result stream = Run(
      command, "",
      "printf '{\"id\":7,\"text\":\"w10 w11\"}\\n{\"tex\":1}\\n\"w12\"\\n' |");
  EXPECT_EQ(stream.status, 1);
  EXPECT_EQ(Lines(stream.out), 2);
  EXPECT_EQ(stream.out.find("{\"id\":7,\"text\":"), 0u) << stream.out;
  EXPECT_NE(stream.err.find("\"line\":2"), std::string::npos) << stream.err;
}

TEST_F(CliSeq2SeqTest, LanguagesThatAreNoneAreNamed) {
  const std::string command = "translate -m " + Translator();
  const Result none = Run(command + " w10");
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("de_DE en_XX"), std::string::npos) << none.err;
  EXPECT_EQ(Run(command + " --to fr w10").status, 2);
  EXPECT_EQ(Run("translate --to de w10").status, 2);  // no model
  EXPECT_EQ(Run(command + " --to de \"\"").status, 2);
  EXPECT_EQ(Run(command + " --to de --beams 0 w10").status, 2);
}

TEST_F(CliSeq2SeqTest, SummarizesAllOfStandardInput) {
  const std::string command = "summarize -m " + Summarizer();
  const Result result = Run(command, "", "printf 'w10 w11\\nw12 w13\\n' |");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Lines(result.out), 1);
  const Result same = Run(command + " 'w10 w11 w12 w13'");
  EXPECT_EQ(result.out, same.out);
  const Result empty = Run(command);
  EXPECT_EQ(empty.status, 2) << empty.err;
}

TEST_F(CliSeq2SeqTest, RunWritesPlainly) {
  const std::string command = "run -m " + Summarizer();
  const Result result = Run(command + " w10 w11");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(Lines(result.out), 1);
  const Result drawn = Run(command + " --temperature 1 --seed 3 w10 w11");
  ASSERT_EQ(drawn.status, 0) << drawn.err;
  EXPECT_EQ(Run(command + " --temperature 1 --seed 3 w10 w11").out, drawn.out);
  const Result lines =
      Run(command + " --json", "", "printf '{\"prompt\":\"w10\"}\\n' |");
  ASSERT_EQ(lines.status, 0) << lines.err;
  EXPECT_EQ(ParseJson(lines.out, "stdout")["usage"]["prompt_tokens"], 3);
  // What it does not have is refused, not ignored.
  const Result refused = Run(command + " --system x w10");
  EXPECT_EQ(refused.status, 8);
  EXPECT_NE(refused.err.find("--system"), std::string::npos);
  EXPECT_EQ(Run("chat -m " + Summarizer(), "", "echo w10 |").status, 8);
}

TEST_F(CliSeq2SeqTest, ADecoderIsOfAnotherKind) {
  fs::create_directories(folder_ / "hf");
  Write("hf/config.json", "{\"model_type\":\"llama\"}");
  Write("hf/model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  const Result result =
      Run("translate -m " + (folder_ / "hf").string() + " w10");
  EXPECT_EQ(result.status, 8);
  EXPECT_NE(result.err.find("expected an encoder-decoder"), std::string::npos)
      << result.err;
}

}  // namespace
}  // namespace malmoi
