// Vocabularies of other formats than tokenizer.json, and lengths, against the
// libraries they are from (tools/make_golden_sentencepiece.py,
// tools/make_golden_vocabularies.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "formats/testing/gguf_writer.h"
#include "text/tokenize/sentencepiece_model.h"
#include "text/tokenize/tokenizer.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = MALMOI_SOURCE_DIR "/tests/golden/tokenizer/";
constexpr EncodeOptions kPlain = {.add_special_tokens = false,
                                  .parse_special = false};

Json Golden(const std::string& name) {
  return ParseJson(ReadFile(kGolden + name), name);
}

// The library takes the letters of the added token "Ünï" for the bytes that
// they stand for in a vocabulary of bytes; here an added token stays as it
// reads.
std::string AddedAsTheyRead(std::string decoded) {
  const std::string lost = "\uFFFDn\uFFFD";
  for (size_t at = 0; (at = decoded.find(lost, at)) != std::string::npos;) {
    decoded.replace(at, lost.size(), "Ünï");
  }
  return decoded;
}

void ExpectSame(const Tokenizer& tokenizer, const Json& cases,
                const EncodeOptions& options) {
  for (const Json& item : cases) {
    const auto text = item["text"].get<std::string>();
    SCOPED_TRACE(text);
    const Encoding got = tokenizer.Encode(text, options);
    EXPECT_EQ(Json(got.ids), item["ids"]);
    if (item.contains("decoded")) {
      EXPECT_EQ(ReplaceInvalidUtf8(tokenizer.Decode(got.ids)),
                AddedAsTheyRead(item["decoded"].get<std::string>()));
    }
  }
}

std::optional<ErrorCode> CodeOf(const std::function<void()>& work,
                                std::string* message) {
  try {
    work();
  } catch (const Error& error) {
    *message = error.message();
    return error.code();
  }
  return std::nullopt;
}

TEST(SentencePiece, EqualsTheLibrary) {
  size_t cases = 0;
  for (const Json& group : Golden("sentencepiece.json")) {
    const auto file = group["file"].get<std::string>();
    SCOPED_TRACE(file);
    const auto tokenizer =
        Tokenizer::FromSentencePiece(ReadFile(kGolden + file), nullptr, file);
    ExpectSame(*tokenizer, group["cases"], kPlain);
    cases += group["cases"].size();
  }
  EXPECT_GE(cases, 600u);
}

TEST(SentencePiece, RangesAreThoseOfTheText) {
  const auto tokenizer = Tokenizer::FromSentencePiece(
      ReadFile(kGolden + "sentencepiece_unigram.model"), nullptr, "model");
  const std::string text = "  a\ufb01x  <sep>y ";
  const Encoding got = tokenizer->Encode(text, kPlain);
  size_t at = 0;
  for (const auto& [begin, end] : got.offsets) {
    EXPECT_GE(begin, at > 0 ? at - 3 : 0);  // of a ligature's parts
    EXPECT_LE(end, text.size());
    at = end;
  }
  EXPECT_EQ(text[at - 1], 'y');
}

// GGUF's "t5" holds the same model in other words.
TEST(SentencePiece, GgufHasTheSameUnigram) {
  const std::string file = "sentencepiece_unigram.model";
  const std::string bytes = ReadFile(kGolden + file);
  const SentencePieceModel model = SentencePieceModel::Parse(bytes, file);
  std::vector<std::string> texts;
  std::vector<float> scores;
  std::vector<int32_t> types;
  for (const auto& piece : model.pieces) {
    texts.push_back(piece.text);
    scores.push_back(piece.score);
    types.push_back(static_cast<int32_t>(piece.type));
  }
  std::vector<int32_t> charsmap;
  for (char c : model.charsmap) {
    charsmap.push_back(static_cast<unsigned char>(c));
  }
  formats::GgufWriter writer;
  writer.String("tokenizer.ggml.model", "t5");
  writer.Strings("tokenizer.ggml.tokens", texts);
  writer.I32s("tokenizer.ggml.token_type", types);
  writer.F32s("tokenizer.ggml.scores", scores);
  writer.I32s("tokenizer.ggml.precompiled_charsmap", charsmap);
  writer.U32("tokenizer.ggml.unknown_token_id", 0);
  writer.U32("tokenizer.ggml.eos_token_id", 2);
  writer.Bool("tokenizer.ggml.remove_extra_whitespaces", true);
  const auto gguf = std::make_shared<std::string>(writer.Finish());
  const auto tokenizer = Tokenizer::FromGguf(formats::GgufFile::Parse(
      {reinterpret_cast<const std::byte*>(gguf->data()), gguf->size()}, gguf,
      "t5.gguf"));
  ExpectSame(*tokenizer, Golden("sentencepiece.json")[0]["cases"], kPlain);
  EXPECT_EQ(tokenizer->Encode("a").ids.back(), 2);
}

// GGUF's "bert" marks the tokens that begin a word.
TEST(WordPieces, GgufHasTheSame) {
  formats::GgufWriter writer;
  writer.String("tokenizer.ggml.model", "bert");
  writer.Strings("tokenizer.ggml.tokens",
                 {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581hello", "lo",
                  "\u2581wor", "ld", "\u2581!"});
  writer.I32s("tokenizer.ggml.token_type", {3, 3, 3, 3, 1, 1, 1, 1, 1});
  writer.U32("tokenizer.ggml.unknown_token_id", 1);
  writer.U32("tokenizer.ggml.cls_token_id", 2);
  writer.U32("tokenizer.ggml.seperator_token_id", 3);
  const auto gguf = std::make_shared<std::string>(writer.Finish());
  const auto tokenizer = Tokenizer::FromGguf(formats::GgufFile::Parse(
      {reinterpret_cast<const std::byte*>(gguf->data()), gguf->size()}, gguf,
      "bert.gguf"));
  const std::vector<int32_t> want = {2, 4, 6, 7, 8, 1, 3};
  EXPECT_EQ(tokenizer->Encode("Hello world! lo").ids, want);
  EXPECT_EQ(tokenizer->Decode(want, true), "hello world!");
}

TEST(SentencePiece, ConfigurationSaysWhatIsAdded) {
  const std::string bytes = ReadFile(kGolden + "sentencepiece_bpe.model");
  const auto ids = [&](const Json& config) {
    return Tokenizer::FromSentencePiece(bytes, config, "model")
        ->Encode("a")
        .ids;
  };
  EXPECT_EQ(ids(nullptr).front(), ids({{"add_eos_token", true}}).front());
  EXPECT_EQ(ids({{"add_eos_token", true}}).back(), 2);
  EXPECT_EQ(ids({{"tokenizer_class", "LlamaTokenizer"}}).front(), 1);
  EXPECT_EQ(ids({{"tokenizer_class", "T5TokenizerFast"}}).back(), 2);
  std::string message;
  EXPECT_EQ(CodeOf([&] { ids({{"tokenizer_class", "XLMRobertaTokenizer"}}); },
                   &message),
            ErrorCode::kUnsupported);
  EXPECT_NE(message.find("XLMRobertaTokenizer"), std::string::npos);
}

TEST(SentencePiece, BrokenFilesSayWhere) {
  const std::string bytes = ReadFile(kGolden + "sentencepiece_bpe.model");
  std::string message;
  for (size_t size : {size_t{0}, size_t{1}, size_t{100}, bytes.size() - 1}) {
    EXPECT_EQ(CodeOf(
                  [&] {
                    SentencePieceModel::Parse(bytes.substr(0, size), "m.model");
                  },
                  &message),
              ErrorCode::kCorrupt)
        << size;
    EXPECT_EQ(message.rfind("m.model: a broken SentencePiece model", 0), 0u)
        << message;
  }
}

TEST(WordPieces, EqualTransformers) {
  const Json golden = Golden("vocabularies.json")["word_pieces"];
  const auto tokenizer = Tokenizer::FromWordPieces(
      golden["vocab"].get<std::string>(), golden["config"], "vocab.txt");
  ExpectSame(*tokenizer, golden["cases"], {});
}

TEST(Merges, EqualTransformers) {
  const Json golden = Golden("vocabularies.json")["merges"];
  for (const Json& group : golden["groups"]) {
    SCOPED_TRACE(DumpJson(group["config"]));
    const auto tokenizer = Tokenizer::FromMerges(
        golden["vocab"], golden["merges"].get<std::string>(), group["config"],
        "vocab.json");
    ExpectSame(*tokenizer, group["cases"], {});
  }
}

TEST(Tiktoken, EqualsTheLibrary) {
  const Json golden = Golden("vocabularies.json")["tiktoken"];
  const auto ranks = golden["ranks"].get<std::string>();
  const auto tokenizer =
      Tokenizer::FromTiktoken(ranks, "cl100k_base", nullptr, "ranks");
  ExpectSame(*tokenizer, golden["cases"], kPlain);
  EXPECT_EQ(tokenizer->Encode("<|endoftext|>").ids,
            std::vector<int32_t>{100257});
  std::string message;
  EXPECT_EQ(CodeOf([&] { Tokenizer::FromTiktoken(ranks, "x", nullptr, "r"); },
                   &message),
            ErrorCode::kUnsupported);
  EXPECT_EQ(
      CodeOf(
          [&] { Tokenizer::FromTiktoken("YQ== 0\n!", "gpt2", nullptr, "r"); },
          &message),
      ErrorCode::kCorrupt);
}

TEST(Stages, RareOnesEqualTheLibrary) {
  const Json base =
      ParseJson(ReadFile(kGolden + "small.tokenizer.json"), "small");
  const Json golden = Golden("vocabularies.json");
  for (const Json& group : golden["stages"]) {
    SCOPED_TRACE(group["name"].get<std::string>());
    Json json = base;
    for (const auto& [key, value] : group["changes"].items()) json[key] = value;
    const auto tokenizer = Tokenizer::FromJson(json, nullptr, "small");
    ExpectSame(*tokenizer, group["cases"], {});
    for (const Json& item : group["cases"]) {
      const auto text = item["text"].get<std::string>();
      const Encoding got = tokenizer->Encode(text);
      if (got.left_out_bytes > 0) continue;  // the library's are shifted
      SCOPED_TRACE(text);
      ASSERT_EQ(got.offsets.size(), item["offsets"].size());
      for (size_t i = 0; i < got.offsets.size(); ++i) {
        const Json& want = item["offsets"][i];
        // Ours may be parts of a character.
        EXPECT_GE(got.offsets[i].first, want[0].get<size_t>()) << i;
        EXPECT_LE(got.offsets[i].second, want[1].get<size_t>()) << i;
      }
    }
  }
}

TEST(Folder, ChoosesWhatIsThere) {
  const Json golden = Golden("vocabularies.json");
  const fs::path folder =
      fs::path(testing::TempDir()) / "malmoi_vocabularies_test";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
  };
  const auto kind = [&] { return Tokenizer::FromFolder(folder)->Describe(); };
  std::string message;
  EXPECT_EQ(CodeOf(kind, &message), ErrorCode::kNotFound);
  write("cl100k_base.tiktoken", golden["tiktoken"]["ranks"]);
  EXPECT_NE(kind().find("BPE by score"), std::string::npos);
  write("vocab.txt", golden["word_pieces"]["vocab"]);
  EXPECT_NE(kind().find("WordPiece"), std::string::npos);
  write("vocab.json", DumpJson(golden["merges"]["vocab"]));
  write("merges.txt", golden["merges"]["merges"]);
  EXPECT_NE(kind().find("merges"), std::string::npos);
  write("tokenizer.model", ReadFile(kGolden + "sentencepiece_unigram.model"));
  EXPECT_NE(kind().find("Unigram"), std::string::npos);
  write("tokenizer.json", ReadFile(kGolden + "small.tokenizer.json"));
  EXPECT_EQ(kind().find("Unigram"), std::string::npos);
  fs::remove_all(folder);
}

Side SideOf(const Json& item) {
  return item["left"].get<bool>() ? Side::kLeft : Side::kRight;
}

TEST(Lengths, TruncationEqualsTheLibrary) {
  const Json golden = Golden("vocabularies.json");
  const auto tokenizer = Tokenizer::FromWordPieces(
      golden["word_pieces"]["vocab"].get<std::string>(),
      golden["word_pieces"]["config"], "vocab.txt");
  size_t refused = 0;
  for (const Json& item : golden["truncation"]) {
    SCOPED_TRACE(DumpJson(item));
    Truncation truncation;
    truncation.max_tokens = item["max"].get<size_t>();
    truncation.side = SideOf(item);
    const std::string strategy = item["strategy"].get<std::string>();
    truncation.strategy =
        strategy == "only_first"    ? Truncation::Strategy::kOnlyFirst
        : strategy == "only_second" ? Truncation::Strategy::kOnlySecond
                                    : Truncation::Strategy::kLongestFirst;
    const EncodeOptions options = {.truncation = truncation};
    const auto encode = [&] {
      const auto first = item["first"].get<std::string>();
      return item["second"].is_null()
                 ? tokenizer->Encode(first, options)
                 : tokenizer->EncodePair(
                       first, item["second"].get<std::string>(), options);
    };
    if (item["ids"].is_null()) {
      std::string message;
      EXPECT_EQ(CodeOf([&] { encode(); }, &message),
                ErrorCode::kInvalidArgument);
      ++refused;
      continue;
    }
    const Encoding got = encode();
    EXPECT_EQ(Json(got.ids), item["ids"]);
    EXPECT_EQ(got.ids.size(), got.offsets.size());
  }
  EXPECT_GT(refused, 0u);
}

TEST(Lengths, PaddingEqualsTheLibrary) {
  const Json golden = Golden("vocabularies.json");
  const auto tokenizer = Tokenizer::FromWordPieces(
      golden["word_pieces"]["vocab"].get<std::string>(),
      golden["word_pieces"]["config"], "vocab.txt");
  for (const Json& item : golden["padding"]) {
    Padding padding;
    padding.length = item["length"].get<size_t>();
    padding.multiple_of = item["multiple"].get<size_t>();
    padding.side = SideOf(item);
    padding.id = 3;
    padding.type_id = 1;
    std::vector<Encoding> batch;
    for (const Json& text : item["texts"]) {
      batch.push_back(tokenizer->Encode(text.get<std::string>()));
    }
    Pad(padding, batch);
    for (size_t i = 0; i < batch.size(); ++i) {
      EXPECT_EQ(Json(batch[i].ids), item["ids"][i]);
      EXPECT_EQ(Json(batch[i].attention_mask), item["mask"][i]);
      EXPECT_EQ(Json(batch[i].type_ids), item["types"][i]);
      EXPECT_EQ(batch[i].offsets.size(), batch[i].ids.size());
    }
  }
}

TEST(Lengths, AFileTellsWhatItWasTrainedWith) {
  Json json = ParseJson(ReadFile(kGolden + "small.tokenizer.json"), "small");
  json["truncation"] = {{"direction", "Left"},
                        {"max_length", 128u},
                        {"strategy", "OnlySecond"},
                        {"stride", 0u}};
  json["padding"] = {{"strategy", {{"Fixed", 32u}}},
                     {"direction", "Right"},
                     {"pad_to_multiple_of", nullptr},
                     {"pad_id", 5u},
                     {"pad_type_id", 0u},
                     {"pad_token", "<pad>"}};
  const auto tokenizer = Tokenizer::FromJson(json, nullptr, "small");
  ASSERT_TRUE(tokenizer->truncation());
  EXPECT_EQ(tokenizer->truncation()->max_tokens, 128u);
  EXPECT_EQ(tokenizer->truncation()->side, Side::kLeft);
  ASSERT_TRUE(tokenizer->padding());
  EXPECT_EQ(tokenizer->padding()->length, 32u);
  EXPECT_EQ(tokenizer->padding()->id, 5);
  json["truncation"]["strategy"] = "Never";
  std::string message;
  EXPECT_EQ(
      CodeOf([&] { Tokenizer::FromJson(json, nullptr, "small"); }, &message),
      ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace malmoi::text
