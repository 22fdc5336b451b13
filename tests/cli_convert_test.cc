// convert with what is read of its outputs, as a user meets them: embedders and
// encoder-decoders give the same from a folder and from its GGUF.
#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class CliConvertTest : public CliTest {
 protected:
  // A folder of the files of others.
  std::string Folder(const std::string& name,
                     const std::vector<fs::path>& files) {
    const fs::path folder = folder_ / name;
    fs::create_directories(folder);
    for (const fs::path& file : files) {
      fs::copy(file, folder / file.filename(), fs::copy_options::recursive);
    }
    return folder.string();
  }
  std::string Convert(const std::string& folder) {
    const std::string file = folder + ".gguf";
    const Result result = Run("convert " + folder + " " + file);
    EXPECT_EQ(result.status, 0) << result.err;
    return file;
  }
  std::vector<std::vector<float>> Vectors(const std::string& model) {
    const Result result = Run("embed --json -m " + model +
                              " 'The ocean and the sea.' '말모이는 우리말 "
                              "사전이다.' 'a  b' 'number 7'");
    EXPECT_EQ(result.status, 0) << result.err;
    std::vector<std::vector<float>> vectors;
    std::istringstream in(result.out);
    for (std::string line; std::getline(in, line);) {
      vectors.push_back(
          ParseJson(line, "stdout")["embedding"].get<std::vector<float>>());
    }
    return vectors;
  }
  void ExpectSameVectors(const std::string& folder, size_t width) {
    const auto want = Vectors(folder);
    const std::string file = Convert(folder);
    ExpectNear(Vectors(file), want, width);
    // And back to a folder.
    const Result back = Run("convert " + file + " " + folder + "-back");
    ASSERT_EQ(back.status, 0) << back.err;
    ExpectNear(Vectors(folder + "-back"), want, width);
  }
  static void ExpectNear(const std::vector<std::vector<float>>& got,
                         const std::vector<std::vector<float>>& want,
                         size_t width) {
    ASSERT_EQ(want.size(), 4u);
    ASSERT_EQ(got.size(), 4u);
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_EQ(want[i].size(), width);
      ASSERT_EQ(got[i].size(), width);
      float worst = 0;
      for (size_t k = 0; k < width; ++k) {
        worst = std::max(worst, std::fabs(got[i][k] - want[i][k]));
      }
      EXPECT_LT(worst, 1e-6) << i;
    }
  }
};

TEST_F(CliConvertTest, AnEncoderWithUnigramPieces) {
  const fs::path weights = kGolden / "zoo_encoders/xlm-roberta";
  const fs::path words = kGolden / "convert/xlm-roberta";
  ExpectSameVectors(
      Folder("xlmr",
             {weights / "config.json", weights / "model.safetensors",
              words / "tokenizer.json", words / "tokenizer_config.json"}),
      40);
  // Of SentencePiece's file alone.
  ExpectSameVectors(
      Folder("pieces", {weights / "config.json", weights / "model.safetensors",
                        words / "sentencepiece.bpe.model",
                        words / "tokenizer_config.json"}),
      40);
}

TEST_F(CliConvertTest, AnEmbedderWithDenseLayers) {
  const fs::path golden = kGolden / "convert/gemma-embedding";
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(golden)) {
    if (entry.path().extension() != ".gguf") files.push_back(entry.path());
  }
  ExpectSameVectors(Folder("gemma", files), 24);
  // Another converter does not say that vectors are normalized, nor which
  // token is the unknown one.
  auto want = Vectors((folder_ / "gemma").string());
  auto got = Vectors((golden / "dense.gguf").string());
  for (const size_t unknown : {1, 3}) got.at(unknown) = want.at(unknown);
  for (auto& vector : got) {
    double sum = 0;
    for (const float value : vector) sum += double{value} * value;
    for (float& value : vector) {
      value = static_cast<float>(value / std::sqrt(sum));
    }
  }
  ExpectNear(got, want, 24);
}

TEST_F(CliConvertTest, AnEncoderDecoder) {
  const fs::path weights = kGolden / "zoo_seq2seq/flan-t5";
  const fs::path words = kGolden / "convert/t5";
  const std::string folder =
      Folder("t5", {weights / "config.json", weights / "model.safetensors",
                    words / "spiece.model", words / "tokenizer.json",
                    words / "tokenizer_config.json"});
  const std::string text = " -n 12 'The <extra_id_0> of the ocean.'";
  const Result want = Run("run -m " + folder + text);
  ASSERT_EQ(want.status, 0) << want.err;
  EXPECT_FALSE(want.out.empty());
  const Result got = Run("run -m " + Convert(folder) + text);
  ASSERT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out, want.out);
  const Result back = Run("convert " + folder + ".gguf " + folder + "-back");
  ASSERT_EQ(back.status, 0) << back.err;
  EXPECT_EQ(Run("run -m " + folder + "-back" + text).out, want.out);
}

TEST_F(CliConvertTest, TranslatorsAsTheirAuthorsHaveThem) {
  const fs::path weights = kGolden / "zoo_seq2seq/m2m-100";
  const fs::path words = kGolden / "translators/m2m-100";
  const std::string folder =
      Folder("m2m", {weights / "config.json", weights / "model.safetensors",
                     weights / "generation_config.json", words / "vocab.json",
                     words / "sentencepiece.bpe.model",
                     words / "tokenizer_config.json"});
  const Json cases = ReadJson(words / "cases.json");
  const Json& one = cases["translations"][0];
  const Result result =
      Run("translate --from en --to ko -n 16 --beams 1 -m " + folder + " '" +
          one["text"].get<std::string>() + "'");
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, one["beams 1 text"].get<std::string>() + "\n");
  const Result unknown = Run("translate --to tlh -m " + folder + " a");
  EXPECT_EQ(unknown.status, 2);
  EXPECT_NE(unknown.err.find("__zu__"), std::string::npos) << unknown.err;
  fs::remove(fs::path(folder) / "vocab.json");
  const Result broken = Run("translate --to ko -m " + folder + " a");
  EXPECT_NE(broken.status, 0);
  EXPECT_NE(broken.err.find("vocab.json"), std::string::npos) << broken.err;
}

}  // namespace
}  // namespace malmoi
