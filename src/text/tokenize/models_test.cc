// WordPiece, WordLevel and Unigram, and the stages that come with them, against
// the tokenizers library (tools/make_golden_tokenizer_models.py).
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "text/tokenize/charsmap.h"
#include "text/tokenize/piece_trie.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {
namespace {

Json Golden() {
  return ParseJson(
      ReadFile(MALMOI_SOURCE_DIR "/tests/golden/tokenizer/models.json"),
      "models.json");
}

Json Changed(Json json, const Json& changes) {
  for (const auto& [key, value] : changes.items()) {
    if (key == "model") {
      json[key].update(value);
    } else {
      json[key] = value;
    }
  }
  return json;
}

TEST(TokenModels, EqualTheLibrary) {
  const Json golden = Golden();
  size_t cases = 0;
  for (const Json& group : golden["groups"]) {
    SCOPED_TRACE(group["name"].get<std::string>());
    const Json json = Changed(golden["bases"][group["base"].get<std::string>()],
                              group["changes"]);
    const auto tokenizer = Tokenizer::FromJson(json, nullptr, "models.json");
    for (const Json& item : group["cases"]) {
      const std::string text = item["text"].get<std::string>();
      SCOPED_TRACE(text);
      const Encoding got = tokenizer->Encode(text);
      ASSERT_EQ(Json(got.ids), item["ids"]);
      const std::string decoded = item["decoded"].get<std::string>();
      EXPECT_EQ(tokenizer->Decode(got.ids), decoded);
      for (size_t i = 0; i < got.ids.size(); ++i) {
        const auto [begin, end] = got.offsets[i];
        const Json& want = item["offsets"][i];
        if (want[0] == want[1]) {  // ours are where the token was added
          EXPECT_EQ(begin, end) << i;
        } else {
          EXPECT_EQ(Json(got.offsets[i]), want) << i;
        }
      }
      StreamDecoder stream(tokenizer, false);
      std::string streamed;
      for (int32_t id : got.ids) streamed += stream.Push(id);
      EXPECT_EQ(streamed + stream.Finish(), decoded);
      ++cases;
    }
  }
  EXPECT_GE(cases, 300u);
}

// Cuts whose scores differ in the last bit only, by the order of the sum.
TEST(TokenModels, ScoresAreReadAsByTheLibrary) {
  const Json json = {
      {"model",
       {{"type", "Unigram"},
        {"unk_id", 0u},
        {"vocab",
         Json::array({Json::array({"<unk>", 0.0}), Json::array({"o", -20.0}),
                      Json::array({"oo", -10.654454231262207}),
                      Json::array({"oooo", -13.300446510314941}),
                      Json::array({"_", -2.1889710426330566})})}}}};
  const auto tokenizer = Tokenizer::FromJson(json, nullptr, "unigram");
  const std::vector<int32_t> ids =
      tokenizer->Encode("_" + std::string(126, 'o')).ids;
  std::vector<int32_t> want(33, 3);
  want[0] = 4;
  want[4] = 2;  // of `tokenizers` 0.23.3
  EXPECT_EQ(ids, want);
}

TEST(TokenModels, PairsEqualTheLibrary) {
  const Json golden = Golden();
  size_t pairs = 0;
  for (const Json& group : golden["groups"]) {
    SCOPED_TRACE(group["name"].get<std::string>());
    const Json json = Changed(golden["bases"][group["base"].get<std::string>()],
                              group["changes"]);
    const auto tokenizer = Tokenizer::FromJson(json, nullptr, "models.json");
    for (const Json& item : group["pairs"]) {
      const Encoding got = tokenizer->EncodePair(
          item["first"].get<std::string>(), item["second"].get<std::string>(),
          {.add_special_tokens = item["special"].get<bool>()});
      EXPECT_EQ(Json(got.ids), item["ids"]);
      EXPECT_EQ(Json(got.type_ids), item["types"]);
      EXPECT_EQ(Json(got.text_of), item["texts"]);
      ASSERT_EQ(got.offsets.size(), got.ids.size());
      ++pairs;
    }
  }
  EXPECT_GE(pairs, 40u);
}

TEST(TokenModels, AnOldFileHasNoTypeOfModel) {
  const Json golden = Golden();
  for (const char* base : {"word_piece", "word_level", "unigram"}) {
    Json json = golden["bases"][base];
    const auto tokenizer = Tokenizer::FromJson(json, nullptr, "with");
    json["model"].erase("type");
    EXPECT_EQ(Tokenizer::FromJson(json, nullptr, "without")->Describe(),
              tokenizer->Describe());
  }
}

TEST(TokenModels, BrokenFilesAreErrors) {
  const Json golden = Golden();
  const auto expect_corrupt = [&](const char* base, const Json& changes) {
    try {
      Tokenizer::FromJson(Changed(golden["bases"][base], changes), nullptr,
                          "broken");
      FAIL() << base << changes;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << base << changes;
    }
  };
  const auto model = [](Json changes) { return Json{{"model", changes}}; };
  for (const char* base : {"word_piece", "word_level"}) {
    expect_corrupt(base, model({{"unk_token", "<none>"}}));
    expect_corrupt(base, model({{"vocab", nullptr}}));
    expect_corrupt(base, model({{"vocab", Json::object()}}));
    expect_corrupt(base, model({{"vocab", {{"[UNK]", -1}}}}));
    expect_corrupt(base, model({{"vocab", {{"[UNK]", 1 << 30}}}}));
  }
  expect_corrupt("word_piece", model({{"max_input_chars_per_word", -1}}));
  expect_corrupt("unigram", model({{"unk_id", 1 << 20}}));
  expect_corrupt("unigram", model({{"unk_id", -1}}));
  expect_corrupt("unigram", model({{"vocab", nullptr}}));
  expect_corrupt("unigram", model({{"vocab", {"a"}}}));
  expect_corrupt("unigram", model({{"vocab", Json::array()}}));
  for (const char* map : {"", "?", "AAAA", "////////", "CAAAAAAA"}) {
    expect_corrupt(
        "unigram",
        {{"normalizer",
          {{"type", "Precompiled"}, {"precompiled_charsmap", map}}}});
  }
}

TEST(TokenModels, LongWordsTakeLinearTime) {
  const Json golden = Golden();
  const std::string text(1 << 20, 'a');
  for (const Json& group : golden["groups"]) {
    Json json = Changed(golden["bases"][group["base"].get<std::string>()],
                        group["changes"]);
    if (json["model"].contains("max_input_chars_per_word")) {
      json["model"]["max_input_chars_per_word"] = 1u << 21;
    }
    const auto start = std::chrono::steady_clock::now();
    Tokenizer::FromJson(json, nullptr, "long")->Encode(text);
    // Quadratic, it would be hours.
    EXPECT_LT(std::chrono::steady_clock::now() - start,
              std::chrono::seconds(20));
  }
}

TEST(PieceTrie, FindsKeysAndPrefixes) {
  const PieceTrie trie({{"ab", 1}, {"a", 0}, {"", 9}, {"abc", 2}, {"ab", 3}});
  EXPECT_EQ(trie.Find("a"), 0);
  EXPECT_EQ(trie.Find("ab"), 3);
  EXPECT_EQ(trie.Find("abc"), 2);
  EXPECT_EQ(trie.Find(""), -1);
  EXPECT_EQ(trie.Find("b"), -1);
  EXPECT_EQ(trie.Find("abcd"), -1);
  std::string found;
  trie.ForEachPrefix("abd", [&](size_t bytes, int32_t value) {
    found += std::to_string(bytes) + ":" + std::to_string(value) + " ";
  });
  EXPECT_EQ(found, "1:0 2:3 ");
}

TEST(PieceTrie, HoldsEveryByteString) {
  std::vector<std::string> keys;
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; b += 3) {
      keys.push_back({static_cast<char>(a), static_cast<char>(b)});
    }
  }
  std::vector<PieceTrie::Entry> entries;
  for (const std::string& key : keys) {
    entries.push_back({key, static_cast<int32_t>(entries.size())});
  }
  const PieceTrie trie(entries);
  for (size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(trie.Find(keys[i]), static_cast<int32_t>(i));
  }
  EXPECT_EQ(trie.Find(std::string_view("\0\1", 2)), -1);
}

TEST(Charsmap, ATrieThatLeadsOutsideIsAnError) {
  // One unit whose children would be far away.
  const std::string data = {4, 0, 0, 0, 0, '\xff', '\xff', 0, 'x', 0};
  const Charsmap map(data, "broken");
  EXPECT_THROW(map.Find("a"), Error);
}

TEST(Charsmap, Base64) {
  EXPECT_EQ(DecodeBase64("TWFs"), "Mal");
  EXPECT_EQ(DecodeBase64("TWE="), "Ma");
  EXPECT_EQ(DecodeBase64("TQ=="), "M");
  EXPECT_EQ(DecodeBase64("TWF"), std::nullopt);
  EXPECT_EQ(DecodeBase64("TW!s"), std::nullopt);
}

}  // namespace
}  // namespace malmoi::text
