// malmoi word2vec from the shell: each action's output, bad input, resuming.
#include <algorithm>

#include "base/json.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliWord2Vec : public CliTest {
 protected:
  static std::string Golden(const std::string& name) {
    return MALMOI_SOURCE_DIR "/tests/golden/word_vectors/" + name;
  }
  Json Answers() { return ReadJson(Golden("answers.json")); }
};

TEST_F(CliWord2Vec, NeighborsAreOneListForEachWord) {
  const Result result = Run("word2vec neighbors " + Golden("vectors.bin") +
                            " w0 w59 --top 8 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const size_t end = result.out.find('\n');
  const Json first = ParseJson(result.out.substr(0, end), "out");
  const Json expected = Answers()["neighbors"]["w0"];
  ASSERT_EQ(first.size(), 8u);
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i]["word"], expected[i][0]);
    EXPECT_NEAR(first[i]["score"].get<double>(), expected[i][1].get<double>(),
                2e-6);
  }
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
}

TEST_F(CliWord2Vec, AnalogySimilarEval) {
  const Result analogy = Run("word2vec analogy " + Golden("vectors.txt") +
                             " w0 w1 w2 --top 1 --json");
  ASSERT_EQ(analogy.status, 0) << analogy.err;
  EXPECT_EQ(ParseJson(analogy.out, "out")[0]["word"],
            Answers()["analogies"][0]["add"][0][0]);
  const Result similar =
      Run("word2vec similar " + Golden("vectors.npy") + " w0 w0 --json");
  ASSERT_EQ(similar.status, 0) << similar.err;
  EXPECT_NEAR(ParseJson(similar.out, "out")["score"].get<double>(), 1, 1e-6);
  const Result eval =
      Run("word2vec eval " + Golden("vectors.glove") + " " +
          Golden("questions.txt") + " " + Golden("pairs.tsv") + " --json");
  ASSERT_EQ(eval.status, 0) << eval.err;
  const Json result = ParseJson(eval.out.substr(0, eval.out.find('\n')), "out");
  EXPECT_EQ(result["correct"],
            Answers()["evaluations"][0]["sections"].back()[1]);
  EXPECT_NE(eval.out.find("\"kind\":\"similarities\""), std::string::npos);
}

TEST_F(CliWord2Vec, TrainsAsksAndConverts) {
  std::string text;
  for (int i = 0; i < 400; ++i) {
    text += i % 2 == 0 ? "the cat drinks milk now\n" : "a dog eats meat then\n";
  }
  const std::string corpus = Write("corpus.txt", text);
  const std::string out = (folder_ / "v.bin").string();
  const Result train = Run("word2vec train " + corpus + " -o " + out +
                           " -d 20 -e 3 --subsample 0 --json");
  ASSERT_EQ(train.status, 0) << train.err;
  const Json result = ParseJson(train.out, "out");
  EXPECT_EQ(result["words"], 10);
  EXPECT_EQ(result["format"], "binary");
  EXPECT_EQ(result["losses"].size(), 3u);
  EXPECT_EQ(train.err, "");  // progress is for terminals
  const std::string before = ReadFile(out);
  ASSERT_EQ(Run("word2vec train " + corpus + " -o " + out +
                " -d 20 -e 3 --subsample 0 -t 1")
                .status,
            0);
  EXPECT_EQ(ReadFile(out), before);
  const std::string npy = (folder_ / "v.npy").string();
  ASSERT_EQ(
      Run("word2vec convert " + out + " -o " + npy + " --format npy").status,
      0);
  EXPECT_EQ(Run("word2vec neighbors " + npy + " cat").out,
            Run("word2vec neighbors " + out + " cat").out);
  EXPECT_EQ(Run("word2vec train " + corpus + " -o " + out + " --resume").status,
            3);  // there is no checkpoint
}

TEST_F(CliWord2Vec, Classifies) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += i % 2 == 0 ? "__label__good what a fine day\n"
                       : "__label__bad rain and mud again\n";
  }
  const std::string file = Write("labelled.txt", text);
  const std::string out = (folder_ / "m.bin").string();
  ASSERT_EQ(
      Run("word2vec classify-train " + file + " -o " + out + " --rate 0.5")
          .status,
      0);
  const Result result = Run("word2vec classify " + out + " --json", "",
                            "printf 'fine day\\nmud\\n' |");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("{\"text\":\"fine day\",\"labels\":[{\"label\":"
                            "\"good\""),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("{\"text\":\"mud\",\"labels\":[{\"label\":\"bad\""),
            std::string::npos);
}

TEST_F(CliWord2Vec, BadInputHasItsStatus) {
  const std::string out = (folder_ / "v.txt").string();
  const auto status = [&](const std::string& arguments) {
    return Run("word2vec " + arguments).status;
  };
  EXPECT_EQ(status("sing " + Golden("vectors.txt")), 2);
  EXPECT_EQ(status("train " + Golden("vectors.txt")), 2);  // no -o
  EXPECT_EQ(status("neighbors " + (folder_ / "none").string() + " a"), 3);
  EXPECT_EQ(status("neighbors " + Golden("vectors.txt") + " nothing"), 3);
  EXPECT_EQ(status("neighbors " + Write("x", "hello world\n") + " a"), 7);
  EXPECT_EQ(status("train " + Write("empty", "") + " -o " + out), 7);
  EXPECT_EQ(status("train " + Write("blank", " \n") + " -o " + out), 2);
  EXPECT_EQ(status("train " + Write("one", "a a a a a a a") + " -o " + out), 2);
  EXPECT_EQ(status("train " + Write("latin", "caf\xe9 b\n") + " -o " + out), 2);
  EXPECT_EQ(
      status("train " + Write("long", std::string(200000, 'x')) + " -o " + out),
      12);
  EXPECT_FALSE(fs::exists(out));
}

// The same flag as where texts are counted: particles are off in all of it.
TEST_F(CliWord2Vec, WordsAreCutByTheSameRule) {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += i % 2 == 0 ? "고양이가 우유를 마신다. 고양이는 잔다!\n"
                       : "강아지는 고기를 먹는다, 강아지가 뛴다\n";
  }
  const std::string corpus = Write("corpus.txt", text);
  const std::string out = (folder_ / "v.txt").string();
  const std::string train =
      "word2vec train " + corpus + " -o " + out + " -d 8 -e 1 --subsample 0 ";
  ASSERT_EQ(Run(train + "--words korean").status, 0);
  const std::string cut = ReadFile(out);
  EXPECT_NE(cut.find("\n고양이 "), std::string::npos) << cut;
  EXPECT_EQ(cut.find("고양이가"), std::string::npos);
  EXPECT_EQ(cut.find("마신다."), std::string::npos);
  ASSERT_EQ(Run(train).status, 0);
  EXPECT_NE(ReadFile(out).find("\n고양이가 "), std::string::npos);
  EXPECT_EQ(Run(train + "--words none").status, 2);
  ASSERT_EQ(Run(train + "--words korean").status, 0);
  const std::string pairs =
      Write("pairs.tsv", "고양이는\t우유를\t9\n강아지\t고기도\t8\n");
  EXPECT_NE(Run("word2vec eval " + out + " " + pairs).status, 0);
  const Result eval =
      Run("word2vec eval " + out + " " + pairs + " --words korean --json");
  ASSERT_EQ(eval.status, 0) << eval.err;
  EXPECT_EQ(ParseJson(eval.out, "out")["pairs"], 2);

  // A classifier that is told the rule both times.
  std::string labelled;
  for (int i = 0; i < 60; ++i) {
    labelled +=
        "__label__cat-like 고양이가 잔다.\n__label__dog 강아지는 짖는다!\n";
  }
  const std::string examples = Write("labelled.txt", labelled);
  const std::string model = (folder_ / "c.bin").string();
  ASSERT_EQ(Run("word2vec classify-train " + examples + " -o " + model +
                " -d 8 -e 20 --rate 0.5 --words korean")
                .status,
            0);
  const std::string classify = "word2vec classify " + model + " --json ";
  const Result known = Run(classify + "'고양이도?' --words korean");
  ASSERT_EQ(known.status, 0) << known.err;
  const Json label = ParseJson(known.out, "out")["labels"][0];
  EXPECT_EQ(label["label"], "cat-like");
  EXPECT_GT(label["score"].get<double>(), 0.9);
}

}  // namespace
}  // namespace malmoi
