// SentencePiece vocabularies in GGUF files against SentencePiece itself
// (tools/make_golden_spm.py), and what is ours around it.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "formats/testing/gguf_writer.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {
namespace {

using formats::GgufFile;
using formats::GgufWriter;
using Ids = std::vector<int32_t>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

const std::string kGolden = MALMOI_SOURCE_DIR "/tests/golden/tokenizer/";

TokenizerPtr Open(const std::string& name) {
  return Tokenizer::FromGguf(GgufFile::Open(kGolden + name));
}

// A vocabulary written by hand.
struct Token {
  std::string text;
  float score;
  int32_t type;
};
struct Vocabulary {
  std::vector<Token> tokens;
  GgufWriter writer;

  explicit Vocabulary(std::vector<Token> list) : tokens(std::move(list)) {
    writer.String("tokenizer.ggml.model", "llama");
  }
  TokenizerPtr Load(size_t scores_left_out = 0) {
    std::vector<std::string> texts;
    std::vector<float> scores;
    std::vector<int32_t> types;
    for (const Token& token : tokens) {
      texts.push_back(token.text);
      scores.push_back(token.score);
      types.push_back(token.type);
    }
    scores.resize(scores.size() - scores_left_out);
    writer.Strings("tokenizer.ggml.tokens", texts);
    writer.I32s("tokenizer.ggml.token_type", types);
    if (!scores.empty()) writer.F32s("tokenizer.ggml.scores", scores);
    const auto bytes = std::make_shared<std::string>(writer.Finish());
    return Tokenizer::FromGguf(GgufFile::Parse(
        {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()},
        bytes, "test.gguf"));
  }
};
const std::vector<Token> kThree = {
    {"<unk>", 0, 2}, {"<s>", 0, 3}, {"</s>", 0, 3}};
Vocabulary With(const std::vector<Token>& more) {
  std::vector<Token> all = kThree;
  all.insert(all.end(), more.begin(), more.end());
  return Vocabulary(std::move(all));
}

std::vector<std::string> Split(const Tokenizer& tokenizer,
                               std::string_view text) {
  std::vector<std::string> out;
  for (int32_t id : tokenizer.Encode(text, {.add_special_tokens = false}).ids) {
    out.push_back(tokenizer.TokenText(id));
  }
  return out;
}
using Texts = std::vector<std::string>;

bool ContinuesAt(const std::string& text, size_t at) {
  return at < text.size() &&
         (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

TEST(Spm, EqualsSentencePieceOnEveryString) {
  const Json golden = ParseJson(ReadFile(kGolden + "spm.json"), "spm.json");
  size_t strings = 0;
  size_t ranges = 0;
  for (const Json& group : golden) {
    const auto tokenizer = Open(group["file"].get<std::string>());
    for (const Json& item : group["cases"]) {
      const auto text = item["text"].get<std::string>();
      const Encoding got = tokenizer->Encode(
          text, {.add_special_tokens = false, .refuse_unencodable = true});
      ASSERT_EQ(Json(got.ids), item["ids"]) << text;
      const std::string want = item.value("decoded", text);
      EXPECT_EQ(tokenizer->Decode(got.ids), want);
      StreamDecoder stream(tokenizer, false);
      std::string streamed;
      for (int32_t id : got.ids) streamed += stream.Push(id);
      EXPECT_EQ(streamed + stream.Finish(), want);
      ++strings;
      if (!item.contains("offsets")) continue;
      for (size_t i = 0; i < got.ids.size(); ++i) {
        auto [begin, end] = got.offsets[i];
        while (ContinuesAt(text, begin)) --begin;
        while (ContinuesAt(text, end)) ++end;
        const auto golden_begin = item["offsets"][i][0].get<size_t>();
        const auto golden_end = item["offsets"][i][1].get<size_t>();
        if (golden_begin == golden_end) continue;  // it says nothing
        EXPECT_EQ(begin, golden_begin) << text;
        EXPECT_EQ(end, golden_end) << text;
        ++ranges;
      }
      EXPECT_EQ(Json(tokenizer
                         ->Encode(text, {.add_special_tokens = false,
                                         .parse_special = false})
                         .ids),
                item["plain"])
          << text;
    }
  }
  EXPECT_GE(strings, 600u);
  EXPECT_GE(ranges, 1000u);
}

TEST(Spm, WhatTheFileDoesNotSay) {
  const auto prefix = Open("spm_prefix.gguf");
  EXPECT_EQ(prefix->bos_id(), 1);
  EXPECT_EQ(prefix->eos_id(), 2);
  EXPECT_EQ(prefix->unk_id(), 0);
  EXPECT_TRUE(prefix->adds_bos());
  EXPECT_EQ(prefix->Encode("").ids, Ids{1});
  const Ids ids = prefix->Encode("the").ids;
  EXPECT_EQ(ids.front(), 1);
  EXPECT_NE(ids.back(), 2);
  EXPECT_TRUE(prefix->TokenText(ids[1]).starts_with("\u2581"));
  EXPECT_EQ(prefix->Decode(ids, true), "the");

  const auto plain = Open("spm_plain.gguf");
  EXPECT_EQ(plain->Encode("").ids, (Ids{1, 2}));
  EXPECT_FALSE(
      plain->TokenText(plain->Encode("the").ids[1]).starts_with("\u2581"));
}

TEST(Spm, TheSpaceInFrontComesAfterEveryAddedToken) {
  const auto tokenizer = Open("spm_prefix.gguf");
  const int32_t user = *tokenizer->TokenId("<|user|>");
  const int32_t space = *tokenizer->TokenId("\u2581");
  const int32_t a = *tokenizer->TokenId("\u2581a");
  const Ids want = {user, a, user, space, a};
  EXPECT_EQ(
      tokenizer->Encode("<|user|>a<|user|> a", {.add_special_tokens = false})
          .ids,
      want);
}

TEST(Spm, TokensThatEndATurn) {
  const auto has = [](const Tokenizer& tokenizer, const char* spelling) {
    const auto ends = tokenizer.end_of_generation_ids();
    return std::find(ends.begin(), ends.end(), tokenizer.TokenId(spelling)) !=
           ends.end();
  };
  EXPECT_TRUE(has(*Open("spm_prefix.gguf"), "<|end|>"));
  EXPECT_TRUE(has(*Open("spm_prefix.gguf"), "</s>"));
  EXPECT_FALSE(has(*Open("spm_prefix.gguf"), "<|user|>"));
  EXPECT_TRUE(has(*Open("spm_plain.gguf"), "<end_of_turn>"));
  // Some files call them user-defined. A tag of HTML is no end.
  Vocabulary vocabulary({{"<unk>", 0, 2},
                         {"<bos>", 0, 3},
                         {"<eos>", 0, 3},
                         {"<|eot_id|>", 0, 4},
                         {"</s>", 0, 4}});
  const auto tokenizer = vocabulary.Load();
  EXPECT_EQ(tokenizer->end_of_generation_ids(), (Ids{2, 3}));
  EXPECT_TRUE(tokenizer->IsSpecial(3));
  EXPECT_FALSE(tokenizer->IsSpecial(4));
}

TEST(Spm, HighestScoreThenLeftmost) {
  auto vocabulary = With({{"a", -9, 1},
                          {"b", -9, 1},
                          {"c", -9, 1},
                          {"ab", -2, 1},
                          {"ba", -1, 1},
                          {"aa", -1, 1},
                          {"ac", -0.0f, 1},
                          {"cb", 0.0f, 1}});
  vocabulary.writer.Bool("tokenizer.ggml.add_space_prefix", false);
  const auto tokenizer = vocabulary.Load();
  EXPECT_EQ(Split(*tokenizer, "abab"), (Texts{"a", "ba", "b"}));
  EXPECT_EQ(Split(*tokenizer, "aaa"), (Texts{"aa", "a"}));
  EXPECT_EQ(Split(*tokenizer, "acb"), (Texts{"ac", "b"}));  // -0 is 0
  // The same by the heap.
  Texts pairs(60, "aa");
  pairs.push_back("a");
  EXPECT_EQ(Split(*tokenizer, std::string(121, 'a')), pairs);
  pairs = {"a"};
  std::string text = "a";
  for (int i = 0; i < 60; ++i) {
    text += "ba";
    pairs.push_back("ba");
  }
  EXPECT_EQ(Split(*tokenizer, text), pairs);
}

// A text must not become a control token by merging; in llama.cpp it does.
TEST(Spm, NoTextSpellsAControlToken) {
  auto vocabulary = With({{"<", -1, 1},
                          {"s", -2, 1},
                          {">", -3, 1},
                          {"s>", -4, 1},
                          {"<s", -5, 1},
                          {"/s>", -6, 1},
                          {"/", -7, 1},
                          {"<0x41>", 0, 6},
                          {"<0x4", -8, 1},
                          {"1>", -9, 1},
                          {"0x4", -10, 1},
                          {"x4", -11, 1},
                          {"0", -12, 1},
                          {"x", -13, 1},
                          {"4", -14, 1},
                          {"1", -15, 1}});
  vocabulary.writer.Bool("tokenizer.ggml.add_space_prefix", false);
  const auto tokenizer = vocabulary.Load();
  const auto ids = [&](std::string_view text) {
    return tokenizer
        ->Encode(text, {.add_special_tokens = false, .parse_special = false})
        .ids;
  };
  const auto id = [&](const char* spelling) {
    return *tokenizer->TokenId(spelling);
  };
  EXPECT_EQ(ids("<s>"), (Ids{id("<"), id("s>")}));
  EXPECT_EQ(ids("</s>"), (Ids{id("<"), id("/s>")}));
  EXPECT_EQ(ids("<0x41>"), (Ids{id("<0x4"), id("1>")}));
  // The same by the heap.
  std::string text;
  Ids want;
  for (int i = 0; i < 30; ++i) {
    text += "<s>";
    want.insert(want.end(), {id("<"), id("s>")});
  }
  EXPECT_EQ(ids(text), want);
  EXPECT_EQ(ids("A"), (Ids{id("<0x41>")}));
  EXPECT_EQ(tokenizer->Encode("<s>", {.add_special_tokens = false}).ids,
            (Ids{1}));
}

TEST(Spm, CharactersThatAreNoTokenBecomeOneTogether) {
  auto vocabulary = With({{"ab", -1, 1},
                          {"é뷁", -1, 1},
                          {"<0x61>", 0, 6},
                          {"<0x62>", 0, 6},
                          {"<0xC3>", 0, 6},
                          {"<0xA9>", 0, 6}});
  vocabulary.writer.Bool("tokenizer.ggml.add_space_prefix", false);
  const auto tokenizer = vocabulary.Load();
  EXPECT_EQ(Split(*tokenizer, "ab"), (Texts{"ab"}));
  EXPECT_EQ(Split(*tokenizer, "é뷁"), (Texts{"é뷁"}));
  EXPECT_EQ(Split(*tokenizer, "éa"), (Texts{"<0xC3>", "<0xA9>", "<0x61>"}));
  EXPECT_EQ(Split(*tokenizer, "ba"), (Texts{"<0x62>", "<0x61>"}));
  // Neighbours without bytes are one unknown token.
  EXPECT_EQ(Split(*tokenizer, "xyab"), (Texts{"<unk>", "ab"}));
}

// Words are merged one by one where no token reaches from one to the next.
TEST(Spm, TokensMayReachIntoTheNextWord) {
  auto vocabulary = With({{">", -9, 1},
                          {"\u2581", -9, 1},
                          {"x", -9, 1},
                          {"\u2581x", -3, 1},
                          {">\u2581", -2, 1},
                          {">\u2581x", -1, 1}});
  const auto tokenizer = vocabulary.Load();
  EXPECT_EQ(Split(*tokenizer, "> x x"),
            (Texts{"\u2581", ">\u2581x", "\u2581x"}));
}

TEST(Spm, ALongTextIsNotQuadratic) {
  // One piece; a quadratic merge of 2^20 symbols would take hours.
  for (const char* name : {"spm_prefix.gguf", "spm_plain.gguf"}) {
    const auto tokenizer = Open(name);
    std::string text;
    while (text.size() < (1 << 20)) text += "말모이는우리말the";
    const Encoding encoding =
        tokenizer->Encode(text, {.add_special_tokens = false});
    EXPECT_EQ(tokenizer->Decode(encoding.ids), text);
  }
}

TEST(Spm, BytesStreamAsWholeCharacters) {
  const auto tokenizer = Open("spm_prefix.gguf");
  const std::string text = "x 🍕뷁!";
  StreamDecoder stream(tokenizer);
  std::vector<std::string> pushed;
  size_t bytes = 0;
  for (int32_t id : tokenizer->Encode(text).ids) {
    bytes += tokenizer->TokenText(id).starts_with("<0x");
    const std::string out = stream.Push(id);
    if (!out.empty()) pushed.push_back(out);
  }
  EXPECT_EQ(bytes, 7u);
  EXPECT_EQ(stream.Finish(), "");
  EXPECT_EQ(pushed, (Texts{"x", " ", "🍕", "뷁", "!"}));
}

TEST(Spm, AStreamThatContinuesATextKeepsItsSpace) {
  const auto tokenizer = Open("spm_prefix.gguf");
  const int32_t the = *tokenizer->TokenId("\u2581the");
  EXPECT_EQ(StreamDecoder(tokenizer).Push(the), "the");
  EXPECT_EQ(StreamDecoder(tokenizer, true, true).Push(the), " the");
}

TEST(Spm, SomeModelsTokensTakeTheSpaceAfterThem) {
  const std::vector<Token> more = {{"<|end|>", 0, 3},
                                   {"<|endoftext|>", 0, 3},
                                   {"a", -1, 1},
                                   {"\u2581", -1, 1}};
  auto other = With(more);
  EXPECT_EQ(Split(*other.Load(), "<|end|> a"),
            (Texts{"<|end|>", "\u2581", "\u2581", "a"}));
  auto phi = With(more);
  phi.writer.String("general.name", "Phi-3 Mini");
  const auto tokenizer = phi.Load();
  EXPECT_EQ(Split(*tokenizer, "<|end|>\n a"),
            (Texts{"<|end|>", "\u2581", "a"}));
  EXPECT_EQ(Split(*tokenizer, "<|endoftext|> a"),
            (Texts{"<|endoftext|>", "\u2581", "\u2581", "a"}));
}

TEST(Spm, DamageIsTold) {
  const auto what = [](size_t scores_left_out) {
    try {
      With({{"a", 0, 1}}).Load(scores_left_out);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      return error.parts().what;
    }
    return std::string();
  };
  EXPECT_EQ(what(0), "");
  EXPECT_EQ(what(1), "as many scores as tokens needed");
  EXPECT_EQ(what(4), "a tokenizer without scores");
}

}  // namespace
}  // namespace malmoi::text
