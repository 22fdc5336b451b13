// embed and similar as a user meets them, with small random embedders.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliEmbedTest : public CliTest {
 protected:
  // One of the golden embedders as a folder.
  std::string Model(const std::string& name) {
    const fs::path golden = MALMOI_SOURCE_DIR "/tests/golden/embedders";
    const fs::path folder = folder_ / name;
    const Json about = ReadJson(golden / name / "case.json");
    fs::copy(golden / about["base"].get<std::string>(), folder,
             fs::copy_options::recursive);
    fs::copy(golden / name, folder, fs::copy_options::recursive);
    fs::remove(folder / "model.gguf");
    return folder.string();
  }
  static std::vector<Json> Lines(const std::string& text) {
    std::vector<Json> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
      lines.push_back(ParseJson(line, "stdout"));
    }
    return lines;
  }
  static std::vector<float> Vector(const Json& line) {
    return line["embedding"].get<std::vector<float>>();
  }
};

TEST_F(CliEmbedTest, AllFormsHoldTheSameVectors) {
  const std::string embed = "embed -m " + Model("weighted") + " ";
  const std::string file = Write(
      "texts.jsonl", "one text\n{\"text\": \"two\"}\n\"three words here\"\n");
  const Result json = Run(embed + "--json --file " + file);
  ASSERT_EQ(json.status, 0) << json.err;
  const auto lines = Lines(json.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1]["tokens"].get<int>(), 4);  // t, w, o, the end
  EXPECT_EQ(Lines(Run(embed + "--output jsonl", "", "cat " + file + " |").out),
            lines);
  EXPECT_EQ(Lines(Run(embed + "--json 'one text' two 'three words here'").out),
            lines);

  const std::string npy = (folder_ / "vectors.npy").string();
  Result result = Run(embed + "--output npy --save " + npy + " --file " + file);
  ASSERT_EQ(result.status, 0) << result.err;
  const Tensor array = formats::ReadNpy(npy);
  EXPECT_EQ(array.shape, (Shape{3, 32}));
  EXPECT_EQ(array.dtype, DType::kF32);
  const auto first = Vector(lines[0]);
  EXPECT_EQ(std::memcmp(first.data(), array.data.data(), 32 * 4), 0);

  // Of 32 floats: 128 bytes, 172 digits.
  result = Run(embed + "--output base64 'one text'");
  EXPECT_EQ(result.out.size(), 173u);
  const Json both =
      ParseJson(Run(embed + "--output base64 --json 'one text'").out, "json");
  EXPECT_EQ(both["embedding"].get<std::string>() + "\n", result.out);
  const std::string saved = Write("digits", result.out);
  ASSERT_EQ(
      std::system(("base64 -d " + saved + " > " + saved + ".bin").c_str()), 0);
  const std::string bytes = ReadFile(saved + ".bin");
  ASSERT_EQ(bytes.size(), 128u);
  EXPECT_EQ(std::memcmp(bytes.data(), first.data(), 128), 0);

  result = Run(embed + "--output text 'one text'");
  std::istringstream in(result.out);
  for (const float want : first) {
    float got;
    in >> got;
    EXPECT_EQ(got, want);
  }
}

TEST_F(CliEmbedTest, FewerBitsAndDimensions) {
  const std::string embed = "embed -m " + Model("weighted") + " ";
  const std::string texts = "'one text' two three four";
  const std::string ranges = (folder_ / "ranges.npy").string();
  ASSERT_EQ(Run(embed + "--save-ranges " + ranges + " " + texts).status, 0);
  EXPECT_EQ(formats::ReadNpy(ranges).shape, (Shape{2, 32}));
  Result result =
      Run(embed + "--json --precision uint8 --ranges " + ranges + " " + texts);
  ASSERT_EQ(result.status, 0) << result.err;
  int least = 255, greatest = 0;
  for (const Json& line : Lines(result.out)) {
    for (const Json& value : line["embedding"]) {
      least = std::min(least, value.get<int>());
      greatest = std::max(greatest, value.get<int>());
    }
  }
  EXPECT_EQ(least, 0);
  EXPECT_EQ(greatest, 255);
  result = Run(embed + "--json --precision ubinary two");
  EXPECT_EQ(ParseJson(result.out, "json")["embedding"].size(), 4u);
  result = Run(embed + "--json --dimensions 7 two");
  double squares = 0;
  const auto cut = Vector(ParseJson(result.out, "json"));
  EXPECT_EQ(cut.size(), 7u);
  for (const float x : cut) {
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  EXPECT_NEAR(squares, 1, 1e-6);
  EXPECT_EQ(Run(embed + "--precision int8 two").status, 2);
  EXPECT_EQ(Run(embed + "--dimensions 33 two").status, 2);
  EXPECT_EQ(Run(embed + "--precision int4 two").status, 2);
  EXPECT_EQ(Run(embed + "--output npy two").status, 2);
  EXPECT_EQ(Run(embed + "--output xml two").status, 2);
  EXPECT_EQ(Run(embed + "--save x.npy two").status, 2);
  EXPECT_EQ(Run(embed + "--file /nonexistent").status, 3);
  EXPECT_EQ(Run(embed + "--dimensions 5 --precision uint8 --ranges " + ranges +
                " two")
                .status,
            2);
}

TEST_F(CliEmbedTest, LongTextsAsTheUserSays) {
  const std::string embed = "embed -m " + Model("last") + " --json ";
  const std::string text = " " + std::string(100, '7');
  Result result = Run(embed + "short" + text);
  EXPECT_EQ(result.status, 9);
  EXPECT_NE(result.err.find("text 2: longer than the model reads"),
            std::string::npos)
      << result.err;
  // What came before it is not lost.
  EXPECT_EQ(result.out, Run(embed + "short").out);
  EXPECT_EQ(Run(embed + "--per-token short" + text + " behind").out,
            Run(embed + "--per-token short").out);
  for (const char* option : {"--truncate", "--long truncate"}) {
    result = Run(embed + option + text);
    ASSERT_EQ(result.status, 0);
    const Json line = ParseJson(result.out, "json");
    EXPECT_EQ(line["truncated"], true);
    EXPECT_EQ(line["tokens"], 60);
    EXPECT_NE(result.err.find("cut to the tokens"), std::string::npos);
  }
  result = Run(embed + "--long chunk --overlap 9" + text);
  ASSERT_EQ(result.status, 0) << result.err;
  // 59 of 100 tokens, then from 50 on.
  EXPECT_EQ(ParseJson(result.out, "json")["chunks"], 2);
  EXPECT_NE(result.err.find("read in windows: 2"), std::string::npos);
  EXPECT_EQ(Run(embed + "--long chunk --overlap 59" + text).status, 2);
  EXPECT_EQ(Run(embed + "--long cut" + text).status, 2);
  EXPECT_EQ(Run(embed + "--overlap 3" + text).status, 2);
  EXPECT_EQ(Run(embed + "--long chunk --truncate" + text).status, 2);
}

TEST_F(CliEmbedTest, PromptsAreTheModelsOrTheUsers) {
  const std::string embed = "embed -m " + Model("without-prompt") + " --json ";
  const auto vector = [&](const std::string& options) {
    const Result result = Run(embed + options + " word");
    EXPECT_EQ(result.status, 0) << result.err;
    return Vector(ParseJson(result.out, "json"));
  };
  const auto by_default = vector("");
  EXPECT_EQ(vector("--prompt query"), by_default);
  EXPECT_EQ(vector("--prompt-text 'task: search | query: '"), by_default);
  EXPECT_NE(vector("--prompt-text ''"), by_default);
  EXPECT_NE(vector("--prompt document"), by_default);
  const Result result = Run(embed + "--prompt passage word");
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("document, query"), std::string::npos);
}

TEST_F(CliEmbedTest, VectorsOfTokens) {
  const std::string embed = "embed -m " + Model("last") + " --per-token ";
  const Json line =
      ParseJson(Run(embed + "--json --normalize two").out, "json");
  EXPECT_EQ(line["tokens"], 4);
  EXPECT_EQ(line["token_texts"], Json({"t", "w", "o", "</s>"}));
  ASSERT_EQ(line["embeddings"].size(), 4u);
  for (const Json& row : line["embeddings"]) {
    double squares = 0;
    for (const Json& x : row) squares += x.get<double>() * x.get<double>();
    EXPECT_NEAR(squares, 1, 1e-5);
  }
  const Result text = Run(embed + "two a");
  EXPECT_EQ(std::count(text.out.begin(), text.out.end(), '\n'), 4 + 1 + 2 + 1);
  EXPECT_EQ(Run(embed + "--output npy --save x.npy two").status, 2);
}

TEST_F(CliEmbedTest, SimilarSearchesPairsAndFindsDuplicates) {
  const std::string similar = "similar -m " + Model("last") + " ";
  std::string lines;
  for (int i = 0; i < 1500; ++i) {
    lines += "line " + std::to_string(i * 37 % 1499) + "\n";
  }
  lines += "the one\n";
  const std::string file = Write("lines.txt", lines);
  Result result =
      Run(similar + "--json --top 2 --in " + file + " 'the one' 'line 37'");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto found = Lines(result.out);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0]["query"], "the one");
  EXPECT_EQ(found[0]["line"], 1501);
  EXPECT_NEAR(found[0]["score"].get<double>(), 1, 1e-6);
  EXPECT_LT(found[1]["score"], found[0]["score"]);
  EXPECT_EQ(found[2]["text"], "line 37");

  // 1,499 is prime: only 0 comes twice, first and last.
  result =
      Run(similar + "--duplicates --threshold 0.9999999 --json --in " + file);
  ASSERT_EQ(result.status, 0) << result.err;
  const auto pairs = Lines(result.out);
  ASSERT_GE(pairs.size(), 1u);
  EXPECT_EQ(pairs[0]["lines"], Json({1, 1500}));
  EXPECT_EQ(pairs[0]["texts"], Json({"line 0", "line 0"}));

  const std::string tabs = Write("pairs", "a b\ta b\n[\"one\", \"two\"]\n");
  result = Run(similar + "--pairs --json", "", "cat " + tabs + " |");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto scores = Lines(result.out);
  ASSERT_EQ(scores.size(), 2u);
  EXPECT_NEAR(scores[0]["score"].get<double>(), 1, 1e-6);
  const Json first = ParseJson(Run(similar + "--json one two").out, "json");
  EXPECT_NEAR(scores[1]["score"].get<double>(), first["score"].get<double>(),
              1e-12);
  EXPECT_EQ(Run(similar + "--pairs --in " + file).status, 2);
  for (const char* usage :
       {"one", "", "--pairs --duplicates", "--top 3 a b", "--threshold 1 a b",
        "--duplicates --threshold 2", "--pairs one two"}) {
    EXPECT_EQ(Run(similar + usage).status, 2) << usage;
  }
}

std::string WordVectors() {
  return MALMOI_SOURCE_DIR "/tests/golden/word_vectors/vectors.txt";
}

TEST_F(CliEmbedTest, TheLinesBeforeABadPairAreAnswered) {
  const Result result = Run("similar --pairs -m " + WordVectors(), "",
                            "printf 'w1\\tw1\\nw2\\tw3\\nno pair\\n' |");
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 2);
  EXPECT_EQ(result.out.substr(0, 7), "1.0000\n");
  EXPECT_NE(result.err.find("line 3: not two texts"), std::string::npos);
}

TEST_F(CliEmbedTest, WordVectorsMakeSentenceVectors) {
  const Json answers =
      ReadJson(MALMOI_SOURCE_DIR "/tests/golden/static/answers.json");
  std::string lines;
  for (const auto& text : answers["sentences"]) {
    lines += text.get<std::string>() + "\n";
  }
  const std::string file = Write("lines.txt", lines);
  const std::string component = (folder_ / "component.npy").string();
  const std::string embed = "embed -m " + WordVectors() + " --json ";
  const auto expect = [&](const Result& result, const Json& want) {
    ASSERT_EQ(result.status, 0) << result.err;
    const auto got = Lines(result.out);
    ASSERT_EQ(got.size(), want.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const auto vector = Vector(got[i]);
      for (size_t k = 0; k < vector.size(); ++k) {
        EXPECT_NEAR(vector[k], want[i][k].get<double>(), 2e-6);
      }
    }
  };
  const std::string sif = embed + "--sif ";
  expect(Run(sif + "--save-component " + component + " --file " + file),
         answers["sif"]);
  // One text alone has nothing in common with others, unless one says what.
  EXPECT_EQ(Run(sif + "'w0 w1 w2'").status, 2);
  expect(Run(sif + "--component " + component + " 'w0 w1 w2'"),
         Json::array({answers["sif"][0]}));
  const std::string counts =
      Write("counts", answers["counts"].get<std::string>());
  expect(Run(sif + "--counts " + counts, "", "cat " + file + " |"),
         answers["sif_counts"]);
  expect(Run(embed + "--file " + file), answers["mean"]);
  const Result unknown = Run(embed + "nowhere");
  EXPECT_NE(unknown.err.find("no known word"), std::string::npos);
  EXPECT_EQ(Lines(unknown.out)[0]["unknown"], 1);
  for (const std::string& usage :
       {embed + "--counts " + counts + " w1", embed + "--int8 w1",
        embed + "--bf16 w1", embed + "--words nothing w1",
        "embed --sif -m " + Model("weighted") + " w1"}) {
    EXPECT_EQ(Run(usage).status, 2) << usage;
  }
  // All ways of similar know the rule.
  const std::string similar = "similar -m " + WordVectors() + " --sif ";
  EXPECT_EQ(Run(similar + "'w0 w1' 'w2 w3' 'w4'").status, 0);
  EXPECT_EQ(Run(similar + "--in " + file + " 'w0 w1'").status, 0);
  EXPECT_EQ(Run(similar + "--duplicates --in " + file).status, 0);
  EXPECT_EQ(
      Run(similar + "--pairs", "", "printf 'w0\\tw1\\nw2\\tw3\\n' |").status,
      0);
  const Result shown = Run("show --json " + WordVectors());
  ASSERT_EQ(shown.status, 0) << shown.err;
  EXPECT_EQ(ParseJson(shown.out, "json")["shape"]["width"], 12);
}

TEST_F(CliEmbedTest, FoldersOfStaticVectors) {
  const std::string golden = MALMOI_SOURCE_DIR "/tests/golden/static/";
  const Result shown = Run("show --json " + golden + "clustered");
  ASSERT_EQ(shown.status, 0) << shown.err;
  const Json about = ParseJson(shown.out, "json");
  EXPECT_EQ(about["shape"]["rows"], 5);
  EXPECT_EQ(about["shape"]["vocabulary"], 26);
  const Result result =
      Run("embed --json -m " + golden + "plain 'The cats sat on a mat.'");
  ASSERT_EQ(result.status, 0) << result.err;
  const Json want = ReadJson(golden + "answers.json")["plain"][0];
  const auto got = Vector(Lines(result.out)[0]);
  for (size_t k = 0; k < 8; ++k) {
    EXPECT_NEAR(got[k], want[k].get<double>(), 1e-6);
  }
}

TEST_F(CliEmbedTest, DistillsWhatItCanEmbedWith) {
  const fs::path golden = MALMOI_SOURCE_DIR "/tests/golden";
  const fs::path model = folder_ / "bert";
  fs::copy(golden / "zoo_encoders" / "bert", model);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    fs::copy(golden / "static" / "distilled" / name, model / name);
  }
  const std::string out = (folder_ / "static").string();
  const std::string distill = "distill " + model.string() + " ";
  const Result result = Run(distill + "-d 8 --json -o " + out);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const Json about = ParseJson(result.out, "json");
  EXPECT_EQ(about["tokens"], 294);
  EXPECT_EQ(about["dimensions"], 8);
  EXPECT_EQ(
      Vector(Lines(Run("embed --json -m " + out + " 'w11 w12'").out)[0]).size(),
      8u);
  EXPECT_EQ(Run(distill).status, 2);
  EXPECT_EQ(Run(distill + "-d 41 -o " + out).status, 2);
  EXPECT_NE(Run(distill + "-o /dev/null/x").status, 0);
}

// A line is answered before the next one comes.
TEST_F(CliEmbedTest, SlowPipesAreAnsweredAtOnce) {
  const std::string out = (folder_ / "slow").string();
  const std::string model = Model("weighted");
  const Result result =
      Run("embed --json -m " + model + " | tee " + out, "",
          "(echo one; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 "
          "20; do sleep 0.2; test -s " +
              out + " && break; done; test -s " + out + " && echo two) |");
  EXPECT_EQ(Lines(result.out).size(), 2u) << result.err;
}

}  // namespace
}  // namespace malmoi
