// convert against llama.cpp's own converter: model.gguf of the zoo, tensor for
// tensor and key for key; then what was written, loaded, against the folder.
#include "generate/convert.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "generate/language_model.h"
#include "models/families/weight_reader.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = MALMOI_SOURCE_DIR "/tests/golden";

class FolderTest : public ::testing::Test {
 protected:
  FolderTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_convert_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model");
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(kGolden / "architectures/llama" / file,
                    folder_ / "model" / file);
    }
  }
  ~FolderTest() override { fs::remove_all(folder_); }

  void Take(const std::string& model) {
    for (const char* file : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGolden / model / file, folder_ / "model" / file,
                    fs::copy_options::overwrite_existing);
    }
    if (!model.ends_with("gemma2")) return;
    // Of which GGUF takes for granted that it is the size of a head.
    const fs::path path = folder_ / "model/config.json";
    Json config = ParseJson(ReadFile(path), "");
    config["query_pre_attn_scalar"] = config["head_dim"];
    std::ofstream(path) << config.dump();
  }

  std::vector<float> Logits(const fs::path& path) {
    const auto model = LanguageModel::Load(
        path, {.threads = 1, .precision = models::Precision::kExact});
    Arena arena;
    Exec exec{model->pool(), arena, {}, nullptr};
    const std::vector<int32_t> ids =
        model->tokenizer().Encode("the ocean and the sea").ids;
    EXPECT_GT(ids.size(), 3u);
    const auto sequence = model->decoder().NewSequence(40);
    const models::SequenceInput input = {sequence.get(), ids,
                                         models::LogitsFor::kAll};
    const auto logits = model->decoder().Forward(exec, {&input, 1});
    return {logits.begin(), logits.end()};
  }

  // By name; but for what was computed, or is of another form in the file.
  void CheckTensors(const fs::path& back) {
    const auto want = formats::HfFolder::Open(folder_ / "model");
    const auto got = formats::HfFolder::Open(back);
    size_t equal = 0;
    for (const auto& [name, tensor] : got.tensors) {
      auto it = want.tensors.find(name);
      if (it == want.tensors.end()) it = want.tensors.find(kInner + name);
      if (it == want.tensors.end() || name.ends_with("A_log")) continue;
      EXPECT_EQ(it->second.shape, tensor.shape) << name;
      if (want.config["model_type"] != "falcon_h1") {
        EXPECT_EQ(models::Floats(it->second), models::Floats(tensor)) << name;
      }
      ++equal;
    }
    EXPECT_GE(equal, got.tensors.size() / 2);
  }

  void CheckTokens(const fs::path& file, const fs::path& back) {
    const auto want = text::Tokenizer::FromGguf(formats::GgufFile::Open(file));
    const auto got = text::Tokenizer::FromFolder(back);
    for (const char* line :
         {"the ocean and the sea, 1911\n  twice", "안녕 <s> x", ""}) {
      EXPECT_EQ(want->Encode(line).ids, got->Encode(line).ids) << line;
    }
    EXPECT_EQ(want->eos_id(), got->eos_id());
    EXPECT_EQ(want->bos_id(), got->bos_id());
  }

  const std::string kInner = "transformer.";
  const fs::path folder_;
};

// By a function that torch rounds otherwise.
bool IsComputed(const std::string& name) {
  return name == "rope_freqs.weight" || name.ends_with(".ssm_a");
}

const float* Floats(const Tensor& tensor) {
  return reinterpret_cast<const float*>(tensor.data.data());
}

class ConvertTest : public FolderTest,
                    public ::testing::WithParamInterface<const char*> {};
class RefusedTest : public FolderTest {};

TEST_P(ConvertTest, EqualsLlamaCpps) {
  Take(GetParam());
  const fs::path output = folder_ / "out.gguf";
  const models::ConvertResult result =
      ConvertModel(folder_ / "model", output, false);
  const auto got = formats::GgufFile::Open(output);
  const auto want =
      formats::GgufFile::Open(kGolden / GetParam() / "model.gguf");
  EXPECT_EQ(result.bytes, fs::file_size(output));
  // Of names, which nobody computes with.
  const std::set<std::string> free = {"general.name", "general.size_label"};
  std::set<std::string> keys;
  const Json got_values = got->MetadataJson(100'000);
  const Json want_values = want->MetadataJson(100'000);
  for (const auto& file : {got, want}) {
    for (const std::string& key : file->keys()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    if (free.contains(key)) continue;
    EXPECT_EQ(got->TypeName(key), want->TypeName(key)) << key;
    EXPECT_EQ(got_values.value(key, Json()), want_values.value(key, Json()))
        << key;
  }
  for (const auto& [name, tensor] : want->tensors()) {
    const auto it = got->tensors().find(name);
    ASSERT_NE(it, got->tensors().end()) << name;
    EXPECT_EQ(it->second.shape, tensor.shape) << name;
    EXPECT_EQ(it->second.dtype, tensor.dtype) << name;
    ASSERT_EQ(it->second.data.size(), tensor.data.size()) << name;
    // Where the converter was given another size of heads.
    const bool scaled = std::string(GetParam()) == "zoo/gemma2" &&
                        name.ends_with("attn_q.weight");
    if (scaled) continue;
    if (IsComputed(name)) {
      for (int64_t i = 0; i < tensor.elements(); ++i) {
        const float expected = Floats(tensor)[i];
        ASSERT_NEAR(Floats(it->second)[i], expected, 1e-6 * fabs(expected));
      }
      continue;
    }
    EXPECT_EQ(std::memcmp(it->second.data.data(), tensor.data.data(),
                          tensor.data.size()),
              0)
        << name;
  }
  EXPECT_EQ(got->tensors().size(), want->tensors().size());
  // Round trip. Sums within heads are in another order where halves are.
  const auto before = Logits(folder_ / "model"), after = Logits(output);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_NEAR(before[i], after[i], 1e-4) << i;
  }
  // And back.
  const fs::path back = folder_ / "back";
  ConvertGgufToFolder(models::Checkpoint::Open(output), back, {});
  const auto again = Logits(back);
  ASSERT_EQ(before.size(), again.size());
  for (size_t i = 0; i < before.size(); ++i) {
    ASSERT_NEAR(before[i], again[i], 1e-4) << i;
  }
  CheckTensors(back);
  CheckTokens(output, back);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConvertTest,
    ::testing::Values(
        "zoo/cohere", "zoo/cohere-qk-norm", "zoo/cohere2", "zoo/exaone",
        "zoo/exaone4", "zoo/exaone4-hybrid", "zoo/falcon", "zoo/falcon-new",
        "zoo/falcon-new-one-norm", "zoo/gemma", "zoo/gemma2", "zoo/gpt2",
        "zoo/gpt_neox", "zoo/gpt_neox-serial", "zoo/gpt_oss",
        "zoo/gpt_oss-mxfp4", "zoo/granite", "zoo/granitemoe", "zoo/lfm2",
        "zoo/llama-bias", "zoo/llama-linear", "zoo/llama-yarn",
        "zoo/mistral-full", "zoo/mixtral", "zoo/olmo", "zoo/olmo2", "zoo/olmo3",
        "zoo/olmoe-free", "zoo/phi", "zoo/phi4-mini", "zoo/qwen2",
        "zoo/qwen2_moe", "zoo/qwen3", "zoo/qwen3_moe", "zoo/smollm3",
        "zoo/stablelm", "zoo/stablelm-parallel", "zoo/starcoder2",
        "zoo_state_space/falcon-h1", "zoo_state_space/falcon-h1-norm",
        "zoo_state_space/falcon-mamba", "zoo_state_space/granite-hybrid",
        "zoo_state_space/granite-hybrid-attention",
        "zoo_state_space/granite-hybrid-experts", "zoo_state_space/mamba",
        "zoo_state_space/mamba2", "zoo_state_space/mamba2-groups"),
    [](const auto& info) {
      std::string name = info.param;
      std::erase_if(name, [](char c) { return !std::isalnum(c); });
      return name;
    });

// Key for key and tensor for tensor, but for `more` tensors.
void ExpectSame(const fs::path& got_path, const fs::path& want_path,
                size_t more) {
  const auto got = formats::GgufFile::Open(got_path);
  const auto want = formats::GgufFile::Open(want_path);
  std::set<std::string> keys;
  for (const auto& file : {got, want}) {
    for (const std::string& key : file->keys()) keys.insert(key);
  }
  for (const std::string& key : keys) {
    if (key == "general.name" || key == "general.size_label") continue;
    EXPECT_EQ(got->TypeName(key), want->TypeName(key)) << key;
    EXPECT_EQ(got->MetadataJson(1000).value(key, Json()),
              want->MetadataJson(1000).value(key, Json()))
        << key;
  }
  for (const auto& [name, tensor] : want->tensors()) {
    const auto it = got->tensors().find(name);
    ASSERT_NE(it, got->tensors().end()) << name;
    EXPECT_EQ(it->second.shape, tensor.shape) << name;
    EXPECT_EQ(it->second.dtype, tensor.dtype) << name;
    EXPECT_TRUE(std::ranges::equal(it->second.data, tensor.data)) << name;
  }
  EXPECT_EQ(got->tensors().size(), want->tensors().size() + more);
}

class EncoderTest : public FolderTest,
                    public ::testing::WithParamInterface<const char*> {};

TEST_P(EncoderTest, EqualsLlamaCpps) {
  const std::string name = GetParam();
  Take("zoo_encoders/" + name);
  models::ConvertToGguf(models::Checkpoint::Open(folder_ / "model"),
                        folder_ / "out.gguf", {});
  // Which leaves out the layer that the classifier stands on.
  ExpectSame(folder_ / "out.gguf",
             kGolden / "zoo_encoders" / name / "model.gguf",
             name == "bert-sequence-classification" ? 2 : 0);
}

// And back: the same tensors by name, but for the pooler and for positions that
// no token has; RoBERTa's become those of BERT.
TEST_P(EncoderTest, ComesBack) {
  const std::string name = GetParam();
  if (name.ends_with("classification") || name.ends_with("-cls")) return;
  const bool moves = name.ends_with("roberta");
  Take("zoo_encoders/" + name);
  ConvertModel(folder_ / "model", folder_ / "out.gguf", true);
  const fs::path back = folder_ / "back";
  ConvertGgufToFolder(models::Checkpoint::Open(folder_ / "out.gguf"), back, {});
  const auto want = formats::HfFolder::Open(folder_ / "model");
  const auto got = formats::HfFolder::Open(back);
  size_t compared = 0;
  for (const auto& [tensor, stored] : want.tensors) {
    if (tensor.starts_with("pooler.")) continue;
    ASSERT_TRUE(got.tensors.contains(tensor)) << tensor;
    if (moves && tensor == "embeddings.position_embeddings.weight") continue;
    EXPECT_EQ(models::Floats(got.tensors.at(tensor)), models::Floats(stored))
        << tensor;
    ++compared;
  }
  EXPECT_GE(compared, 20u);
  EXPECT_EQ(got.config["model_type"], moves ? "bert" : name);
}

INSTANTIATE_TEST_SUITE_P(
    All, EncoderTest,
    ::testing::Values("bert", "bert-sequence-classification", "distilbert",
                      "modernbert", "modernbert-sequence-classification",
                      "modernbert-sequence-classification-cls", "roberta",
                      "roberta-sequence-classification", "xlm-roberta",
                      "xlm-roberta-sequence-classification"),
    [](const auto& info) {
      std::string name = info.param;
      std::erase(name, '-');
      return name;
    });

TEST_F(RefusedTest, PoolingIsWritten) {
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json",
                           "tokenizer_config.json"}) {
    fs::copy_file(kGolden / "embedders/qwen3" / file, folder_ / "model" / file,
                  fs::copy_options::overwrite_existing);
  }
  const fs::path last = kGolden / "embedders/last";
  fs::copy_file(last / "modules.json", folder_ / "model/modules.json");
  fs::create_directories(folder_ / "model/1_Pooling");
  fs::copy_file(last / "1_Pooling/config.json",
                folder_ / "model/1_Pooling/config.json");
  ConvertModel(folder_ / "model", folder_ / "out.gguf", false);
  const auto got = formats::GgufFile::Open(folder_ / "out.gguf");
  EXPECT_EQ(got->GetInt("qwen3.pooling_type"), 3);
  EXPECT_EQ(got->GetBool("tokenizer.ggml.add_eos_token"), true);
}

TEST_F(RefusedTest, WordPiecesAreTheSame) {
  const fs::path folder = folder_ / "model";
  Json vocab = Json::object();
  for (const char* token : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the",
                            "sea", "##s", "oc", "##ean", ",", "1"}) {
    vocab[token] = vocab.size();
  }
  Json added = Json::array();
  for (int id = 0; id < 5; ++id) {
    for (const auto& [token, at] : vocab.items()) {
      if (at != id) continue;
      added.push_back({{"id", id}, {"content", token}, {"special", true}});
    }
  }
  std::ofstream(folder / "tokenizer.json") << Json{
      {"added_tokens", added},
      {"normalizer", {{"type", "BertNormalizer"}, {"lowercase", true}}},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor",
       {{"type", "BertProcessing"},
        {"cls", {"[CLS]", 2}},
        {"sep", {"[SEP]", 3}}}},
      {"decoder", {{"type", "WordPiece"}}},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"vocab", vocab}}}}.dump();
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"unk_token":"[UNK]","cls_token":"[CLS]","sep_token":"[SEP]",)"
      << R"("pad_token":"[PAD]","mask_token":"[MASK]"})";
  Take("zoo_encoders/bert");
  ConvertModel(folder, folder_ / "out.gguf", false);
  const auto want = text::Tokenizer::FromFolder(folder);
  const auto got =
      text::Tokenizer::FromGguf(formats::GgufFile::Open(folder_ / "out.gguf"));
  const std::vector<int32_t> ids =
      want->Encode("The ocean, the SEAS [MASK]").ids;
  EXPECT_EQ(ids, (std::vector<int32_t>{2, 5, 8, 9, 10, 5, 6, 7, 4, 3}));
  EXPECT_EQ(got->Encode("The ocean, the SEAS [MASK]").ids, ids);
}

TEST_F(RefusedTest, ByName) {
  const auto refuse = [&](const std::string& model) {
    fs::remove(folder_ / "out.gguf");
    Take(model);
    try {
      ConvertModel(folder_ / "model", folder_ / "out.gguf", false);
    } catch (const Error& error) {
      EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
      return std::string(error.what());
    }
    return std::string();
  };
  const auto expect = [&](const char* model, const char* reason) {
    const std::string got = refuse(model);
    EXPECT_NE(got.find(reason), std::string::npos) << model << ": " << got;
  };
  // A head that the folder has no place for.
  EXPECT_THROW(
      ConvertGgufToFolder(
          models::Checkpoint::Open(
              kGolden / "zoo_encoders/bert-sequence-classification/model.gguf"),
          folder_ / "other", {}),
      Error);
  EXPECT_FALSE(fs::exists(folder_ / "other"));
  expect("zoo_encoders/albert", "albert");
  expect("zoo_seq2seq/t5", "farthest distance");
  expect("zoo_seq2seq/bart", "got bart");
  expect("zoo_encoders/mpnet", "mpnet");
  expect("zoo_encoders/bert-masked-lm", "a head without a place");
  expect("zoo_encoders/distilbert-sequence-classification", "without a place");
  expect("embedders/gemma3", "layers with a window");
  expect("zoo/hyperclovax", "hyperclovax");
  expect("zoo/llama-dynamic", "dynamic");
  expect("zoo/mistral", "layers with a window");
  expect("zoo/qwen2-window", "layers with a window");
  expect("zoo/starcoder2-window", "layers with a window");
  expect("zoo/smollm3-list", "layers that rotate");
  expect("zoo/falcon-alibi", "parallel blocks");
  expect("zoo/olmoe", "clip of queries");
  expect("zoo/qwen2_moe-mixed", "normalized");
  expect("zoo/qwen3_moe-mixed", "normalized");
  expect("zoo_state_space/falcon-mamba-bias", "epsilon of the state");
  EXPECT_THROW(ConvertModel(kGolden / "zoo/qwen2/model.gguf",
                            folder_ / "out.gguf", false),
               Error);
  // Without a tokenizer, and where something is already.
  fs::remove(folder_ / "model/tokenizer.json");
  EXPECT_NE(refuse("zoo/qwen2"), "");
  std::ofstream(folder_ / "there.gguf") << "mine";
  EXPECT_THROW(ConvertModel(folder_ / "model", folder_ / "there.gguf", false),
               Error);
  EXPECT_EQ(fs::file_size(folder_ / "there.gguf"), 4u);
}

}  // namespace
}  // namespace malmoi::generate
