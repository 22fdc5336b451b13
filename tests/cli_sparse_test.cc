// vectorize and bm25, as a user meets them.
#include <algorithm>
#include <string>

#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliSparseTest : public CliTest {
 protected:
  std::string Place(const std::string& name) const {
    return (folder_ / name).string();
  }
  static std::string Line(const std::string& text, size_t number) {
    size_t at = 0;
    while (number-- > 0) at = text.find('\n', at) + 1;
    return text.substr(at, text.find('\n', at) - at);
  }
};

TEST_F(CliSparseTest, FitsTransformsAndShowsTheTop) {
  const std::string texts =
      Write("texts.txt", "the cat sat\nthe dog\n\nthe cat and the dog");
  const Result fit =
      Run("vectorize fit " + texts + " -o " + Place("words.npz") + " --json");
  ASSERT_EQ(fit.status, 0) << fit.err;
  const Json json = ParseJson(fit.out, "out");
  EXPECT_EQ(json["documents"], 4);
  EXPECT_EQ(json["columns"], 5);  // and cat dog sat the
  const Result top = Run("vectorize top " + Place("words.npz") + " --top 2");
  EXPECT_EQ(top.out, "the\t4\t3\ncat\t2\t2\n");
  const Result rows = Run("vectorize transform " + Place("words.npz") + " -",
                          "", "printf 'dog dog bird\\n\\n' |");
  ASSERT_EQ(rows.status, 0) << rows.err;
  EXPECT_EQ(rows.out,
            "{\"indices\":[2],\"values\":[2]}\n"
            "{\"indices\":[],\"values\":[]}\n");
  const Result named =
      Run("vectorize transform --terms " + Place("words.npz") + " " + texts);
  EXPECT_EQ(Line(named.out, 1), "{\"terms\":{\"dog\":1,\"the\":1}}");
  const Result each =
      Run("vectorize top --json --top 1 " + Place("words.npz") + " " + texts);
  EXPECT_EQ(Line(each.out, 3),
            "{\"document\":3,\"terms\":[{\"term\":\"the\",\"value\":2.0}]}");
}

TEST_F(CliSparseTest, WritesMatricesThatOthersRead) {
  const std::string texts = Write("texts.txt", "aa bb aa\ncc\n");
  const std::string command = "vectorize fit-transform " + texts;
  const Result npz = Run(command + " -o " + Place("out.npz"));
  ASSERT_EQ(npz.status, 0) << npz.err;
  const auto arrays = formats::ReadNpz(Place("out.npz"));
  ASSERT_EQ(arrays.size(), 5u);
  const auto values = [&](const char* name) {
    const Tensor& tensor = arrays.at(name);
    std::vector<int64_t> out;
    const auto* bytes = tensor.data.data();
    for (int64_t i = 0; i < tensor.shape[0]; ++i) {
      out.push_back(tensor.dtype == DType::kI32
                        ? reinterpret_cast<const int32_t*>(bytes)[i]
                        : reinterpret_cast<const int64_t*>(bytes)[i]);
    }
    return out;
  };
  using Values = std::vector<int64_t>;
  EXPECT_EQ(values("indices"), (Values{0, 1, 2}));
  EXPECT_EQ(values("indptr"), (Values{0, 2, 3}));
  EXPECT_EQ(values("data"), (Values{2, 1, 1}));
  EXPECT_EQ(values("shape"), (Values{2, 3}));
  ASSERT_EQ(Run(command + " -o " + Place("out.mtx")).status, 0);
  EXPECT_EQ(ReadFile(Place("out.mtx")),
            "%%MatrixMarket matrix coordinate integer general\n"
            "                  2          3                   3\n"
            "1 1 2\n1 2 1\n2 3 1\n");
  // Nothing else is left there.
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    files += entry.path().string().find(".part") != std::string::npos ||
             entry.path().string().find(".tmp") != std::string::npos;
  }
  EXPECT_EQ(files, 0u);
}

TEST_F(CliSparseTest, ReadsColumns) {
  const std::string csv = Write(
      "texts.csv", "id,text\r\n1,\"one, \"\"two\"\"\nthree\"\r\n2,four\r\n");
  const std::string command = "vectorize fit -o " + Place("m.npz") + " --json ";
  EXPECT_EQ(ParseJson(Run(command + csv).out, "out")["columns"], 4);
  EXPECT_EQ(ParseJson(Run(command + csv + " --column 1 --analyzer char").out,
                      "out")["columns"],
            2);
  const std::string jsonl =
      Write("texts.jsonl", "{\"a\":\"x yy\"}\n\n{\"a\":\"zz\"}\n");
  EXPECT_EQ(
      ParseJson(Run(command + jsonl + " --column a").out, "out")["columns"], 2);
  const Result missing = Run(command + csv + " --column body");
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find("one of id, text"), std::string::npos)
      << missing.err;
  const Result key = Run(command + jsonl);
  EXPECT_EQ(key.status, 2);
  EXPECT_NE(key.err.find("document 1"), std::string::npos) << key.err;
}

TEST_F(CliSparseTest, RefusesWhatIsNoCorpus) {
  const std::string output = " -o " + Place("m.npz");
  const Result empty = Run("vectorize fit " + Write("empty", "") + output);
  EXPECT_EQ(empty.status, 7) << empty.err;
  const Result stream = Run("vectorize fit -" + output, "", "true |");
  EXPECT_EQ(stream.status, 2) << stream.err;
  EXPECT_NE(stream.err.find("an empty corpus"), std::string::npos);
  const Result invalid =
      Run("vectorize fit " + Write("bad", "fine\nb\xff\n") + output);
  EXPECT_EQ(invalid.status, 2) << invalid.err;
  EXPECT_NE(invalid.err.find("document 2: invalid UTF-8"), std::string::npos)
      << invalid.err;
  EXPECT_EQ(Run("vectorize fit " + Write("a", "one") + " -o x.txt.npz --idf no")
                .status,
            2);
  EXPECT_EQ(Run("vectorize nothing x").status, 2);
  EXPECT_EQ(Run("vectorize fit " + Place("none") + output).status, 3);
  EXPECT_EQ(Run("vectorize top " + Write("no.npz", "nothing")).status, 7);
  EXPECT_FALSE(fs::exists(Place("m.npz")));
}

TEST_F(CliSparseTest, HashesWithoutAModel) {
  const Result rows = Run("vectorize fit-transform --hash 16 --norm none -", "",
                          "echo 'one one' |");
  ASSERT_EQ(rows.status, 0) << rows.err;
  const Json json = ParseJson(rows.out, "out");
  ASSERT_EQ(json["values"].size(), 1u);
  EXPECT_EQ(std::abs(json["values"][0].get<double>()), 2);
}

TEST_F(CliSparseTest, IndexesAndSearches) {
  const std::string texts = Write(
      "texts.txt", "a wing in a slipstream\nheat of a plate\nwing and plate\n");
  const Result built = Run("bm25 index " + texts + " --json -o " + Place("i"));
  ASSERT_EQ(built.status, 0) << built.err;
  EXPECT_EQ(ParseJson(built.out, "out")["documents"], 3);
  const Result one = Run("bm25 search " + Place("i") + " \"plate of heat\"");
  ASSERT_EQ(one.status, 0) << one.err;
  EXPECT_EQ(one.out.substr(0, 2), "1\t");
  EXPECT_EQ(std::count(one.out.begin(), one.out.end(), '\n'), 2);
  const Result lines = Run("bm25 search --json --top 1 " + Place("i"), "",
                           "printf 'slipstream\\nnothing\\n' |");
  ASSERT_EQ(lines.status, 0) << lines.err;
  EXPECT_EQ(ParseJson(Line(lines.out, 0), "out")["hits"][0]["id"], 0);
  EXPECT_TRUE(ParseJson(Line(lines.out, 1), "out")["hits"].empty());
  EXPECT_EQ(Run("bm25 search " + texts + " x").status, 7);
  EXPECT_EQ(Run("bm25 index " + texts + " --b 3 -o " + Place("j")).status, 2);
}

}  // namespace
}  // namespace malmoi
