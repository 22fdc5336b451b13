// GGUF and safetensors: what is read, and what every damage is told.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "formats/detect.h"
#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "formats/hf_config.h"
#include "formats/safetensors.h"
#include "formats/testing/gguf_writer.h"

namespace malmoi::formats {
namespace {

namespace fs = std::filesystem;

std::string Sample() {
  GgufWriter writer;
  writer.String("general.architecture", "test");
  writer.U32("test.count", 42);
  writer.I32("test.negative", -7);
  writer.F32("test.pi", 3.25f);
  writer.U64("test.large", UINT64_MAX);
  writer.Bool("test.flag", true);
  writer.Strings("test.words", {"하나", "", "three"});
  writer.I32s("test.numbers", {1, -2, 3});
  writer.F32Tensor("a.weight", {2, 3}, {1, 2, 3, 4, 5, 6});
  writer.Tensor("b.weight", {4, 32}, 8, std::string(4 * 34, '\1'));
  return writer.Finish();
}

std::shared_ptr<const GgufFile> Parse(const std::string& bytes) {
  auto owner = std::make_shared<std::string>(bytes);
  return GgufFile::Parse(
      {reinterpret_cast<const std::byte*>(owner->data()), owner->size()}, owner,
      "sample");
}

Error ErrorOf(const std::string& bytes) {
  try {
    Parse(bytes);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kCancelled, {});
}

// A scratch folder that removes itself.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("malmoi_formats_" + std::to_string(getpid()) + "_" +
               std::to_string(++count_))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path Write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  static inline int count_ = 0;
  fs::path path_;
};

TEST(Gguf, ReadsEveryKindOfValue) {
  const auto file = Parse(Sample());
  EXPECT_EQ(file->version(), 3u);
  EXPECT_EQ(file->GetString("general.architecture"), "test");
  EXPECT_EQ(file->GetInt("test.count"), 42);
  EXPECT_EQ(file->GetInt("test.negative"), -7);
  EXPECT_EQ(file->GetFloat("test.pi"), 3.25);
  EXPECT_EQ(file->GetFloat("test.count"), 42.0);
  EXPECT_EQ(file->GetInt("test.large"), std::nullopt);  // past 2^63
  EXPECT_EQ(file->GetBool("test.flag"), true);
  EXPECT_EQ(file->GetStrings("test.words"),
            (std::vector<std::string>{"하나", "", "three"}));
  EXPECT_EQ(file->GetInts("test.numbers"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(file->GetString("test.count"), std::nullopt);
  EXPECT_EQ(file->GetInt("absent"), std::nullopt);
  EXPECT_EQ(file->TypeName("test.words"), "array of string");
  EXPECT_EQ(file->MetadataJson(2)["test.words"]["count"], 3);
  const Tensor& a = file->tensors().at("a.weight");
  EXPECT_EQ(a.shape, (Shape{2, 3}));
  float last;
  std::memcpy(&last, a.data.data() + 5 * 4, 4);
  EXPECT_EQ(last, 6.0f);
  EXPECT_EQ(file->tensors().at("b.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(file->tensors().at("b.weight").data.size(), 4u * 34u);
}

TEST(Gguf, EveryTruncationIsAnError) {
  const std::string whole = Sample();
  // Past the last tensor's bytes there is only padding.
  const size_t needed = whole.size() - 24;
  for (size_t size = 0; size < needed; ++size) {
    const Error error = ErrorOf(whole.substr(0, size));
    ASSERT_EQ(error.code(), ErrorCode::kCorrupt) << size;
  }
}

TEST(Gguf, NoChangedByteDoesMoreThanThrow) {
  const std::string whole = Sample();
  int refused = 0;
  for (size_t at = 0; at < whole.size(); ++at) {
    for (int change : {1, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      const ErrorCode code = ErrorOf(bytes).code();
      EXPECT_TRUE(code == ErrorCode::kCorrupt ||
                  code == ErrorCode::kUnsupported ||
                  code == ErrorCode::kCancelled)
          << at;
      refused += code != ErrorCode::kCancelled;
    }
  }
  EXPECT_GT(refused, 300);
}

TEST(Gguf, NamesWhatIsWrong) {
  EXPECT_EQ(ErrorOf("<html>").parts().what, "not a GGUF file");
  std::string bytes = Sample();
  bytes[4] = 9;
  EXPECT_EQ(ErrorOf(bytes).parts().what, "unsupported version of GGUF");
  bytes = Sample();
  bytes[4] = 0, bytes[7] = 3;
  EXPECT_EQ(ErrorOf(bytes).parts().what, "big-endian GGUF file");
  bytes = Sample();
  std::memset(bytes.data() + 8, 0x7f, 8);
  EXPECT_EQ(ErrorOf(bytes).parts().what, "absurd counts in the header");

  GgufWriter absurd;
  absurd.Tensor("t", {int64_t{1} << 40, int64_t{1} << 40}, 0, "");
  EXPECT_NE(ErrorOf(absurd.Finish()).message().find("absurd dimension"),
            std::string::npos);
  GgufWriter beyond;
  beyond.Tensor("t", {1000, 1000}, 0, "short");
  EXPECT_NE(ErrorOf(beyond.Finish()).message().find("beyond the end"),
            std::string::npos);
  GgufWriter unknown;
  unknown.Tensor("t", {256}, 16, std::string(66, '\0'));
  const Error error = ErrorOf(unknown.Finish());
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error.parts().got, "IQ2_XXS");
  GgufWriter ragged;
  ragged.Tensor("t", {2, 33}, 8, std::string(100, '\0'));
  EXPECT_NE(ErrorOf(ragged.Finish()).message().find("no whole blocks"),
            std::string::npos);
  GgufWriter twice;
  twice.U32("k", 1);
  twice.U32("k", 2);
  EXPECT_NE(ErrorOf(twice.Finish()).message().find("appears twice"),
            std::string::npos);
}

TEST(Gguf, OpensSplitFilesByAnyPart) {
  const Folder folder;
  GgufWriter first, second;
  first.String("general.architecture", "test");
  first.I32("split.tensors.count", 2);
  first.F32Tensor("a", {1}, {1});
  second.F32Tensor("b", {1}, {2});
  folder.Write("m-00001-of-00002.gguf", first.Finish());
  const auto path = folder.Write("m-00002-of-00002.gguf", second.Finish());
  const auto file = GgufFile::Open(path);
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->GetString("general.architecture"), "test");
  fs::remove(folder.path() / "m-00001-of-00002.gguf");
  try {
    GgufFile::Open(path);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

TEST(Gguf, WrittenFilesReadBackTheSame) {
  const Folder folder;
  const auto source = Parse(Sample());
  GgufMetadata metadata;
  for (const std::string& key : source->keys()) metadata.Copy(*source, key);
  metadata.U32("test.new", 7);
  std::vector<GgufTensorInfo> infos;
  for (const auto& [name, tensor] : source->tensors()) {
    infos.push_back({name, tensor.shape, tensor.dtype});
  }
  const fs::path path = folder.path() / "out.gguf";
  {
    GgufFileWriter unfinished(path, metadata, 32, infos);
    EXPECT_TRUE(fs::exists(path.string() + ".partial"));
    EXPECT_THROW(GgufFileWriter(path, metadata, 32, infos), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder.path()));
  GgufFileWriter writer(path, metadata, 32, infos);
  for (const auto& [name, tensor] : source->tensors()) {
    writer.Write(tensor.data.first(8));
    writer.Write(tensor.data.subspan(8));
  }
  EXPECT_FALSE(fs::exists(path));
  writer.Finish();
  EXPECT_EQ(fs::file_size(path), writer.file_bytes());
  const auto file = GgufFile::Open(path);
  EXPECT_EQ(file->GetInt("test.new"), 7);
  for (const std::string& key : source->keys()) {
    std::string ours, theirs;
    file->AppendPair(key, ours);
    source->AppendPair(key, theirs);
    EXPECT_EQ(ours, theirs) << key;
  }
  ASSERT_EQ(file->tensors().size(), source->tensors().size());
  for (const auto& [name, tensor] : source->tensors()) {
    const Tensor& back = file->tensors().at(name);
    EXPECT_EQ(back.shape, tensor.shape);
    EXPECT_EQ(back.dtype, tensor.dtype);
    EXPECT_TRUE(std::equal(back.data.begin(), back.data.end(),
                           tensor.data.begin(), tensor.data.end()));
    ASSERT_TRUE(back.mapped);
    DropPages(back.data);
    EXPECT_EQ(back.data[0], tensor.data[0]);
  }
  try {
    GgufFileWriter(folder.path() / "no" / "out.gguf", metadata, 32, infos);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

TEST(Gguf, WrittenMetadataReadBackAndNumbersMayFollow) {
  const Folder folder;
  GgufMetadata metadata;
  metadata.String("test.name", "말모이");
  metadata.F32("test.early", 0.5f);
  metadata.Bool("test.yes", true);
  metadata.F32("test.late", 0);
  metadata.Strings("test.words", {"one", "", "three"});
  const fs::path path = folder.path() / "out.gguf";
  GgufFileWriter writer(path, metadata, 32, {{"t", {2}}});
  const float values[] = {1, 2};
  writer.Write(std::as_bytes(std::span(values)));
  writer.SetF32("test.late", 0.25f);
  writer.Finish();
  const auto file = GgufFile::Open(path);
  EXPECT_EQ(file->GetString("test.name"), "말모이");
  EXPECT_EQ(file->GetFloat("test.early"), 0.5);
  EXPECT_EQ(file->GetFloat("test.late"), 0.25);
  EXPECT_EQ(file->GetBool("test.yes"), true);
  EXPECT_EQ(file->TypeName("test.words"), "array of string");
  EXPECT_EQ(file->GetStrings("test.words"),
            (std::vector<std::string>{"one", "", "three"}));
  EXPECT_EQ(std::memcmp(file->tensors().at("t").data.data(), values, 8), 0);
  EXPECT_EQ(file->keys().size(), 5u);
}

std::string Safetensors(const std::string& header, size_t data) {
  std::string out(8, '\0');
  const uint64_t size = header.size();
  std::memcpy(out.data(), &size, 8);
  return out + header + std::string(data, '\2');
}

std::string SafetensorsError(const std::string& bytes) {
  try {
    SafetensorsFile::Parse(
        {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()},
        nullptr, "sample");
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::string bytes = Safetensors(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,1],)"
      R"("data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[3],)"
      R"("data_offsets":[8,14]}})",
      14);
  const auto file = SafetensorsFile::Parse(
      {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, nullptr,
      "sample");
  EXPECT_EQ(file.metadata["format"], "pt");
  EXPECT_EQ(file.tensors.at("a").shape, (Shape{2, 1}));
  EXPECT_EQ(file.tensors.at("b").dtype, DType::kBF16);
  EXPECT_EQ(file.tensors.at("b").data.size(), 6u);
}

TEST(Safetensors, RefusesHolesOverlapsAndWrongSizes) {
  const auto one = [](const std::string& offsets, size_t data,
                      const std::string& dtype = "F32") {
    return SafetensorsError(Safetensors(R"({"a":{"dtype":")" + dtype +
                                            R"(","shape":[2],"data_offsets":)" +
                                            offsets + "}}",
                                        data));
  };
  EXPECT_EQ(one("[0,8]", 8), "");
  EXPECT_NE(one("[0,8]", 4).find("beyond the end"), std::string::npos);
  EXPECT_NE(one("[0,4]", 4).find("another size"), std::string::npos);
  EXPECT_NE(one("[4,12]", 12).find("hole"), std::string::npos);
  EXPECT_NE(one("[0,8]", 9).find("after the last tensor"), std::string::npos);
  EXPECT_NE(one("[-1,8]", 8).find("senseless number"), std::string::npos);
  EXPECT_NE(one("[0,2]", 2, "F8_E5M2").find("F8_E5M2"), std::string::npos);
  EXPECT_NE(SafetensorsError("abc").find("truncated"), std::string::npos);
  EXPECT_NE(SafetensorsError(std::string(8, '\x7f') + "{}").find("header"),
            std::string::npos);
  EXPECT_NE(SafetensorsError(Safetensors("{oops", 0)).find("JSON"),
            std::string::npos);
}

TEST(Safetensors, LoadsShardsByTheirIndex) {
  const Folder folder;
  const auto shard = [](const std::string& name) {
    return Safetensors(R"({")" + name +
                           R"(":{"dtype":"F32","shape":[1],)"
                           R"("data_offsets":[0,4]}})",
                       4);
  };
  folder.Write("model-00001-of-00002.safetensors", shard("a"));
  folder.Write("model-00002-of-00002.safetensors", shard("b"));
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"a":"model-00001-of-00002.safetensors",)"
               R"("b":"model-00002-of-00002.safetensors"}})");
  folder.Write("config.json", R"({"model_type":"x"})");
  const HfFolder opened = HfFolder::Open(folder.path());
  EXPECT_EQ(opened.tensors.size(), 2u);
  EXPECT_EQ(opened.config["model_type"], "x");
  folder.Write("model.safetensors.index.json",
               R"({"weight_map":{"c":"model-00001-of-00002.safetensors"}})");
  EXPECT_THROW(LoadSafetensorsFolder(folder.path()), Error);
}

Error FolderErrorOf(const Folder& folder) {
  try {
    HfFolder::Open(folder.path());
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::kCancelled, {});
}

TEST(HfFolder, RefusesQuantizationsByName) {
  const Folder folder;
  folder.Write("model.safetensors",
               Safetensors(R"({"a":{"dtype":"F32","shape":[1],)"
                           R"("data_offsets":[0,4]}})",
                           4));
  // As published folders state them.
  const std::pair<const char*, const char*> cases[] = {
      {R"({"quant_method":"awq","bits":4,"group_size":128,"version":"gemm"})",
       "AWQ, 4 bits"},
      {R"({"quant_method":"gptq","bits":8,"desc_act":true})", "GPTQ, 8 bits"},
      {R"({"quant_method":"bitsandbytes","load_in_4bit":true,)"
       R"("load_in_8bit":false})",
       "bitsandbytes, 4 bits"},
      {R"({"quant_method":"hqq"})", "HQQ"},
      {R"({"quant_method":"fp8","fmt":"e5m2"})", "FP8, e5m2"},
      {R"({"quant_method":"compressed-tensors","format":"pack-quantized"})",
       "compressed-tensors, pack-quantized"},
      {R"({"group_size":64,"bits":4})", "MLX, 4 bits"},
      {R"({"quant_method":"a new one"})", "a new one"},
      {R"([1])", "a format without a name"},
  };
  for (const auto& [config, name] : cases) {
    folder.Write("config.json",
                 std::string(R"({"model_type":"x","quantization_config":)") +
                     config + "}");
    const Error error = FolderErrorOf(folder);
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << config;
    EXPECT_EQ(error.parts().got, name);
    EXPECT_NE(error.parts().hint.find("GGUF"), std::string::npos);
  }
  for (const char* config :
       {"null", R"({"quant_method":"fp8","weight_block_size":[128,128]})",
        R"({"quant_method":"fbgemm_fp8"})",
        R"({"quant_method":"compressed-tensors","format":"float-quantized",)"
        R"("config_groups":{"group_0":{"weights":{"num_bits":8,)"
        R"("type":"float","strategy":"channel"}}}})"}) {
    folder.Write("config.json",
                 std::string(R"({"model_type":"x","quantization_config":)") +
                     config + "}");
    EXPECT_EQ(HfFolder::Open(folder.path()).tensors.size(), 1u) << config;
  }
}

TEST(HfFolder, SaysWhatWeightsAreThereInstead) {
  const auto refuse = [](const char* file, bool config = true) {
    const Folder folder;
    if (config) folder.Write("config.json", R"({"model_type":"x"})");
    folder.Write("optimizer.pt", "PK");
    folder.Write("tokenizer.json", "{}");
    folder.Write(file, "PK");
    try {
      if (config) {
        HfFolder::Open(folder.path());
      } else {
        RefuseFile(folder.path());
      }
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  for (const char* file :
       {"pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt",
        "consolidated.00.pth", "pytorch_model-00001-of-00002.bin"}) {
    for (const bool config : {true, false}) {
      EXPECT_NE(refuse(file, config).find("runs code"), std::string::npos);
      EXPECT_NE(refuse(file, config).find("safetensors or GGUF"),
                std::string::npos);
    }
  }
  EXPECT_NE(refuse("tf_model.h5").find("another framework"), std::string::npos);
  EXPECT_NE(refuse("adapter_config.json").find("--adapter"), std::string::npos);
  EXPECT_NE(refuse("x.Q4_K_M.gguf").find("x.Q4_K_M.gguf"), std::string::npos);
  EXPECT_NE(refuse("notes.txt").find("no weights"), std::string::npos);
}

TEST(DetectFile, KnowsWhatIsNoModel) {
  const Folder folder;
  const auto kind = [&](const std::string& content) {
    return DetectFile(folder.Write("file", content));
  };
  EXPECT_EQ(kind(Sample()), FileKind::kGguf);
  EXPECT_EQ(kind(Safetensors("{}", 0)), FileKind::kSafetensors);
  EXPECT_EQ(kind(""), FileKind::kEmpty);
  EXPECT_EQ(kind("\x80\x04\x95"), FileKind::kPickle);
  EXPECT_EQ(kind("PK\x03\x04"), FileKind::kZip);
  EXPECT_EQ(kind("<!DOCTYPE html><html>"), FileKind::kHtml);
  EXPECT_EQ(kind("version https://git-lfs.github.com/spec/v1\n"),
            FileKind::kLfsPointer);
  EXPECT_EQ(kind("{\"a\": 1}"), FileKind::kJson);
  EXPECT_EQ(kind("Dear reader,"), FileKind::kText);
  EXPECT_EQ(kind(std::string("\x01\x02\x03", 3)), FileKind::kUnknown);
  EXPECT_EQ(DetectFile(folder.path()), FileKind::kFolder);
  try {
    RefuseFile(folder.Write("weights.bin", "\x80\x04\x95"));
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(error.message().find("runs code"), std::string::npos);
  }
}

}  // namespace
}  // namespace malmoi::formats
