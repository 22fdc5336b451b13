// map, as a user meets it.
#include <algorithm>
#include <cmath>
#include <string>

#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliMapTest : public CliTest {
 protected:
  std::string Place(const std::string& name) const {
    return (folder_ / name).string();
  }
  // 40 vectors in two groups, as embed writes them.
  std::string Vectors() {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      const bool second = i >= 20;
      lines += "{\"embedding\":[" +
               std::to_string(second ? 0.1 : 1.0 + i * 0.01) + "," +
               std::to_string(second ? 1.0 + i * 0.01 : 0.1) + "," +
               std::to_string(0.01 * ((i * 7) % 20)) + "],\"text\":\"text " +
               std::to_string(i) + " <b>&\",\"label\":\"" +
               (second ? "right" : "left") + "\"}\n";
    }
    return Write("vectors.jsonl", lines);
  }
  static int Count(const std::string& text, const std::string& part) {
    int count = 0;
    for (size_t at = 0; (at = text.find(part, at)) != text.npos; ++at) ++count;
    return count;
  }
};

TEST_F(CliMapTest, DrawsPicturesAndPages) {
  const std::string vectors = Vectors();
  const Result svg = Run("map " + vectors + " -o " + Place("m.svg"));
  ASSERT_EQ(svg.status, 0) << svg.err;
  EXPECT_NE(svg.out.find("40 points, umap"), std::string::npos) << svg.out;
  const std::string picture = ReadFile(Place("m.svg"));
  EXPECT_EQ(Count(picture, "<circle"), 42);  // and the legend's two
  EXPECT_NE(picture.find("text 3 &lt;b&gt;&amp;"), std::string::npos);
  EXPECT_EQ(picture.find("<b>"), std::string::npos);
  EXPECT_NE(picture.find(">left<"), std::string::npos);
  ASSERT_EQ(Run("map " + vectors + " -o " + Place("m.png")).status, 0);
  EXPECT_EQ(ReadFile(Place("m.png")).substr(0, 8), "\x89PNG\r\n\x1a\n");
  ASSERT_EQ(Run("map " + vectors + " -o " + Place("m.html")).status, 0);
  const std::string page = ReadFile(Place("m.html"));
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_EQ(page.find("<b>"), std::string::npos);
}

TEST_F(CliMapTest, SaysWhatItDidAsJson) {
  const std::string vectors = Vectors();
  const Result result =
      Run("map --json " + vectors + " --seed 7 -o " + Place("m.csv"));
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = ParseJson(result.out, "out");
  EXPECT_EQ(json["points"], 40);
  EXPECT_EQ(json["method"], "umap");
  EXPECT_EQ(json["neighbors"], 15);
  EXPECT_EQ(json["seed"], 7);
  EXPECT_GT(json["trustworthiness"].get<double>(), 0.8);
  EXPECT_TRUE(json.contains("seconds"));
  const std::string csv = ReadFile(Place("m.csv"));
  EXPECT_EQ(csv.substr(0, 16), "x,y,text,label\r\n");
  EXPECT_EQ(Count(csv, "\r\n"), 41);
  // The same bytes again, on another number of threads.
  ASSERT_EQ(
      Run("map -t 1 " + vectors + " --seed 7 -o " + Place("n.csv")).status, 0);
  EXPECT_EQ(ReadFile(Place("n.csv")), csv);
}

TEST_F(CliMapTest, PrincipalComponentsOfAnArray) {
  // Along (3, 4): by hand, ±5 and 0 from the middle, and nothing across.
  const float values[] = {0, 0, 3, 4, 6, 8};
  Write("v.npy",
        formats::NpyBytes(DType::kF32, {3, 2}, std::span<const float>(values)));
  const Result lines = Run("map --method pca " + Place("v.npy"));
  ASSERT_EQ(lines.status, 0) << lines.err;
  const Json first =
      ParseJson(lines.out.substr(0, lines.out.find('\n')), "out")["place"];
  EXPECT_NEAR(first[0].get<double>(), -5, 1e-5);
  EXPECT_NEAR(first[1].get<double>(), 0, 1e-5);
  const Result npy = Run("map --method pca --json " + Place("v.npy") + " -o " +
                         Place("m.npy") + " --dimensions 1");
  ASSERT_EQ(npy.status, 0) << npy.err;
  EXPECT_EQ(formats::ReadNpy(Place("m.npy")).shape, (Shape{3, 1}));
  EXPECT_NEAR(ParseJson(npy.out, "out")["explained_variance_ratio"][0], 1,
              1e-9);
}

TEST_F(CliMapTest, WordsOfWordVectors) {
  const std::string words = Write(
      "w.txt", "5 2\nking 1 0\nqueen 1 0.1\nman 0 1\nwoman 0.1 1\nbad 1 1\n");
  const Result four =
      Run("word2vec map " + words + " king queen man woman --method pca -o " +
          Place("w.svg"));
  ASSERT_EQ(four.status, 0) << four.err;
  const std::string picture = ReadFile(Place("w.svg"));
  EXPECT_EQ(Count(picture, "<circle"), 4);
  EXPECT_NE(picture.find(">queen</text>"), std::string::npos);
  EXPECT_EQ(picture.find("bad"), std::string::npos);
  const Result top = Run("map " + words + " --top 3 --method pca");
  EXPECT_EQ(Count(top.out, "\n"), 3);
  EXPECT_EQ(Run("map " + words + " emperor -o " + Place("x.svg")).status, 3);
  EXPECT_FALSE(fs::exists(Place("x.svg")));
}

TEST_F(CliMapTest, RefusesWhatIsNoMap) {
  const std::string vectors = Vectors();
  const auto refused = [&](const std::string& arguments, int status,
                           const std::string& part) {
    const Result result = Run("map " + arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << arguments << "\n"
                                                        << result.err;
  };
  refused(vectors + " --neighbors 40 -o " + Place("a.svg"), 2,
          "neighbours do not fit");
  refused(vectors + " -o " + Place("a.gif"), 2, "unknown form");
  refused(vectors + " -o " + Place("no/a.svg"), 3, "no/a.svg");
  refused(vectors + " --dimensions 3 -o " + Place("a.svg"), 2,
          "two dimensions");
  refused(vectors + " --labels " + Write("l.txt", "a\nb\n"), 2,
          "another number of labels");
  refused(vectors + " --min-dist 2", 2, "min-dist");
  refused(vectors + " --method pca --seed 3", 2, "--method umap");
  refused(vectors + " --int8", 2, "--model");
  refused(vectors + " --bf16", 2, "--model");
  refused(vectors + " --size 10x10 -o " + Place("a.svg"), 2, "--size");
  refused(Write("nan.txt", "2 2\na 1 nan\nb 1 2\n"), 7, "nan");
  refused(Write("short.jsonl", "{\"embedding\":[1,2]}\n{\"embedding\":[1]}\n"),
          2, "another length");
  refused(Write("none.jsonl", "{\"text\":\"a\"}\n"), 2, "no vector");
  refused(Write("one.jsonl", "{\"embedding\":[1,2]}\n"), 2, "too few points");
  refused(Write("empty.jsonl", ""), 2, "no vectors");
  std::string equal;
  for (int i = 0; i < 30; ++i) equal += "[1,2]\n";
  refused(Write("equal.jsonl", equal), 2, "all points are equal");
  const float bad[] = {1, NAN, 2, 3, 4, 5, 6, 7};
  Write("bad.npy",
        formats::NpyBytes(DType::kF32, {4, 2}, std::span<const float>(bad)));
  refused(Place("bad.npy"), 2, "row 1");
  refused(Place("none.npy"), 3, "none.npy");
  refused(Write("t.csv", "text\na\n"), 2, "--model");
}

}  // namespace
}  // namespace malmoi
