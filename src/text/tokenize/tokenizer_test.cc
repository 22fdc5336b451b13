// Token ids against the tokenizers library
// (tools/make_golden_tokenizer_small.py).
#include "text/tokenize/tokenizer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace malmoi::text {
namespace {

Json Golden() {
  return ParseJson(
      ReadFile(MALMOI_SOURCE_DIR "/tests/golden/tokenizer/small.json"),
      "small.json");
}

TEST(Tokenizer, EqualsTheLibraryOnEveryStringOfTheSmallVocabularies) {
  const Json golden = Golden();
  size_t strings = 0;
  for (const Json& set : golden) {
    const auto tokenizer =
        Tokenizer::FromJson(set["tokenizer"], nullptr, "small.json");
    for (const Json& item : set["cases"]) {
      const std::string text = item["text"].get<std::string>();
      const Encoding got = tokenizer->Encode(text);
      EXPECT_EQ(Json(got.ids), item["ids"]) << text;
      if (!item["exact"].get<bool>()) continue;  // a stage changed the text
      EXPECT_EQ(tokenizer->Decode(got.ids), text);
      for (size_t i = 0; i < got.ids.size(); ++i) {
        const auto [begin, end] = got.offsets[i];
        EXPECT_EQ(text.substr(begin, end - begin),
                  tokenizer->TokenBytes(got.ids[i]));
      }
      ++strings;
    }
  }
  EXPECT_GE(strings, 200u);
}

TEST(Tokenizer, SpecialTokensOfUsersAreText) {
  const Json golden = Golden();
  const auto tokenizer =
      Tokenizer::FromJson(golden[0]["tokenizer"], nullptr, "small.json");
  const int32_t end = *tokenizer->TokenId("<|im_end|>");
  EXPECT_EQ(tokenizer->Encode("a<|im_end|>").ids.back(), end);
  EXPECT_TRUE(tokenizer->IsSpecial(end));
  const auto plain =
      tokenizer->Encode("a<|im_end|>", {.parse_special = false}).ids;
  for (int32_t id : plain) EXPECT_NE(id, end);
  EXPECT_EQ(tokenizer->Decode(plain), "a<|im_end|>");
  const std::vector<int32_t> with = {end};
  EXPECT_EQ(tokenizer->Decode(with), "<|im_end|>");
  EXPECT_EQ(tokenizer->Decode(with, true), "");
}

TEST(Tokenizer, StreamsWholeCharactersOnly) {
  const Json golden = Golden();
  const auto tokenizer =
      Tokenizer::FromJson(golden[0]["tokenizer"], nullptr, "small.json");
  const std::string text = "말모이 🍕👨‍👩‍👧 done";
  StreamDecoder decoder(tokenizer);
  std::string all;
  for (int32_t id : tokenizer->Encode(text).ids) {
    const std::string piece = decoder.Push(id);
    all += piece;
    EXPECT_EQ(text.substr(0, all.size()), all);
  }
  EXPECT_EQ(all + decoder.Finish(), text);
  // The first byte of a character, and no more.
  StreamDecoder cut(tokenizer);
  const int32_t first = tokenizer->Encode("🍕").ids[0];
  const std::string start = cut.Push(first);
  EXPECT_EQ(start + cut.Finish(), "\xef\xbf\xbd");
}

TEST(Tokenizer, InvalidUtf8NamesTheByte) {
  const Json golden = Golden();
  const auto tokenizer =
      Tokenizer::FromJson(golden[0]["tokenizer"], nullptr, "small.json");
  try {
    tokenizer->Encode("abc\xff!");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parts().got, "byte 0xff at offset 3");
  }
}

TEST(Tokenizer, ALongWordIsNotQuadratic) {
  const Json golden = Golden();
  const auto tokenizer =
      Tokenizer::FromJson(golden[0]["tokenizer"], nullptr, "small.json");
  // A quadratic merge of 2^20 symbols would take hours.
  const std::string text(1 << 20, 'a');
  const Encoding encoding = tokenizer->Encode(text);
  EXPECT_EQ(tokenizer->Decode(encoding.ids), text);
}

TEST(Tokenizer, UnknownKindsAreNamed) {
  Json json = Golden()[0]["tokenizer"];
  json["pre_tokenizer"] = {{"type", "Telepathy"}};
  try {
    Tokenizer::FromJson(json, nullptr, "tokenizer.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(error.parts().got, "Telepathy");
  }
}

}  // namespace
}  // namespace malmoi::text
