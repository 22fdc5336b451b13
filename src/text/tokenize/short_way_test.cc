// The short way against the long one, which tests elsewhere hold to the
// tokenizers library: rules against their regular expressions, ids and ranges
// of whole texts, and that time grows with the length and not faster.
#include "text/tokenize/short_way.h"

#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "base/format.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/char_classes.h"
#include "text/tokenize/cutter.h"
#include "text/tokenize/known_patterns.h"
#include "text/tokenize/word_cache.h"
#include "text/unicode/properties.h"

namespace malmoi::text {
namespace {

// Characters at which rules part, joined at random.
std::vector<std::string> RandomTexts(size_t count, uint32_t seed) {
  static const std::vector<std::string> kAtoms = {"a",
                                                  "b",
                                                  "Z",
                                                  "I",
                                                  "hello",
                                                  "HELLO",
                                                  "hEllo",
                                                  " ",
                                                  " ",
                                                  " ",
                                                  "  ",
                                                  "\t",
                                                  "\n",
                                                  "\r\n",
                                                  "\n\n",
                                                  "'",
                                                  "'s",
                                                  "'S",
                                                  "'re",
                                                  "'LL",
                                                  "'ve",
                                                  "'\u017f",
                                                  "\u017f",
                                                  "'t",
                                                  "'m",
                                                  "'d",
                                                  "'r",
                                                  "'V",
                                                  "0",
                                                  "7",
                                                  "42",
                                                  "12345",
                                                  "\u0663",
                                                  "\u00bd",
                                                  "\u2167",
                                                  ".",
                                                  "!?",
                                                  "/",
                                                  "//",
                                                  "\\",
                                                  "_",
                                                  "-",
                                                  "\u00e9",
                                                  "E\u0301",
                                                  "e\u0301",
                                                  "\u0301",
                                                  "\u4e2d\u6587",
                                                  "\ud55c\uad6d",
                                                  "\u01c5",
                                                  "\u02b0",
                                                  "\u0939\u0940",
                                                  "\U0001f600",
                                                  "\u200d",
                                                  "\u00a0",
                                                  "\u3000",
                                                  "\u2028",
                                                  "\u0085",
                                                  "\x01",
                                                  "\x7f",
                                                  "\ufffd",
                                                  "\U0001e030",
                                                  "\U00011de5",
                                                  "\u0378",
                                                  "\u2581",
                                                  "\u1100\u1161\u11a8",
                                                  "the",
                                                  " quick",
                                                  "   ",
                                                  "`",
                                                  "$",
                                                  "@",
                                                  "["};
  std::mt19937 random(seed);
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    std::string text;
    for (size_t n = random() % 24; n-- > 0;) {
      text += kAtoms[random() % kAtoms.size()];
    }
    texts.push_back(text);
  }
  return texts;
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts = RandomTexts(20'000, 7);
  const Json golden = ParseJson(
      ReadFile(MALMOI_SOURCE_DIR "/tests/golden/tokenizer/small.json"),
      "small.json");
  std::string all;
  for (const Json& set : golden) {
    for (const Json& item : set["cases"]) {
      texts.push_back(item["text"].get<std::string>());
      all += texts.back();
    }
  }
  texts.push_back(all);
  return texts;
}

using Cuts = std::vector<size_t>;

Cuts CutsOf(const Regex& regex, std::string_view text) {
  Cuts cuts;
  for (size_t at = 0; at < text.size(); at = cuts.back()) {
    const auto match = regex.Find(text, at);
    if (!match || match->first != at) return {};  // these patterns match all
    cuts.push_back(match->second);
  }
  return cuts;
}

template <CutRule kRule>
Cuts CutsOf(std::string_view text, const Regex* regex) {
  Cuts cuts;
  for (size_t at = 0; at < text.size(); at = cuts.back()) {
    cuts.push_back(PieceEnd<kRule>(text.data(), at, text.size(), regex));
    if (cuts.back() <= at) break;
  }
  return cuts;
}

template <CutRule kRule>
void ExpectRule(std::string_view pattern) {
  EXPECT_EQ(RuleOfPattern(pattern), kRule);
  const Regex regex(pattern, "test");
  for (const std::string& text : Texts()) {
    ASSERT_EQ(CutsOf<kRule>(text, &regex), CutsOf(regex, text))
        << pattern << "\n"
        << text;
  }
  // Every character: alone, between letters, after a space and a digit.
  std::string around;
  for (char32_t c = 0; c < 0x110000; c += c < 0x3400 || c > 0x1f000 ? 1 : 3) {
    if (c >= 0xd800 && c < 0xe000) continue;
    around.clear();
    for (const char* before : {"a", " ", "7", "\n", "A'", ".", " "}) {
      around += before;
      AppendUtf8(around, c);
    }
    around += "b";
    ASSERT_EQ(CutsOf<kRule>(around, &regex), CutsOf(regex, around))
        << pattern << " U+" << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(Cutter, WordsAreThoseOfThePattern) {
  ExpectRule<CutRule::kWords>(kGpt2Pattern);
}
TEST(Cutter, PrefixedWordsAreThoseOfThePattern) {
  ExpectRule<CutRule::kPrefixed3>(kLlama3Pattern);
  ExpectRule<CutRule::kPrefixed1>(kQwen2Pattern);
}
TEST(Cutter, CasedWordsAreThoseOfThePattern) {
  ExpectRule<CutRule::kCased>(kO200kPattern);
  ExpectRule<CutRule::kCasedNoSuffix>(kTekkenPattern);
}

// The stage Digits first, then the pattern in each of its pieces.
TEST(Cutter, NumbersApartAreThoseOfTwoStages) {
  const Regex regex(kGpt2Pattern, "test");
  for (const std::string& text : Texts()) {
    Cuts want;
    size_t begin = 0;
    const auto flush = [&](size_t end) {
      for (size_t cut :
           CutsOf(regex, std::string_view(text).substr(begin, end - begin))) {
        want.push_back(begin + cut);
      }
      begin = end;
    };
    for (size_t at = 0; at < text.size();) {
      const auto point = DecodeAt(text, at);
      const size_t next = at + static_cast<size_t>(point->bytes);
      if (IsTokenNumber(point->value)) {
        flush(at);
        flush(next);
      }
      at = next;
    }
    flush(text.size());
    ASSERT_EQ(CutsOf<CutRule::kWordsDigits>(text, nullptr), want) << text;
  }
}

TEST(CharClasses, InertTextsAreTheirNfc) {
  size_t inert = 0;
  for (const std::string& text : RandomTexts(20'000, 3)) {
    if (!IsInert(text)) continue;
    ++inert;
    ASSERT_EQ(Normalize(text, NormalForm::kNfc), text);
  }
  EXPECT_GT(inert, 500u);
  EXPECT_FALSE(IsInert("e\u0301"));
  EXPECT_TRUE(IsInert("\ud55c\uae00 caf\u00e9 \u4e2d"));
}

TEST(WordCache, FindsWhatWasInsertedUntilItIsReplaced) {
  WordCache cache;
  std::mt19937 random(1);
  std::vector<std::string> words;
  for (size_t i = 0; i < 300'000; ++i) {
    std::string word(1 + random() % 40, 'x');
    for (char& c : word) c = static_cast<char>('a' + random() % 26);
    word += std::to_string(i);
    words.push_back(word);
    const auto end = static_cast<uint32_t>(word.size());
    const auto id = static_cast<int32_t>(i);
    std::vector<ModelToken> tokens = {{id, 0, 1}, {id + 1, 1, end}};
    if (i % 5 == 0) tokens.insert(tokens.begin() + 1, 6, {id + 7, 1, 1});
    cache.Insert(word, tokens);
    // One of the last is there, and has its own tokens.
    const std::string& seen = words[i - random() % std::min<size_t>(i + 1, 9)];
    const auto* entry = cache.Find(WordCache::KeyOf(seen), seen);
    if (entry == nullptr) continue;
    const auto first = static_cast<int32_t>(
        std::stol(seen.substr(seen.find_first_of("0123456789"))));
    if (entry->count == WordCache::kMore) {
      ASSERT_EQ(cache.MoreOf(*entry).front().id, first);
      ASSERT_EQ(cache.MoreOf(*entry).back().end, seen.size());
    } else {
      ASSERT_EQ(entry->ids[0], first);
      ASSERT_EQ(entry->ends[1], seen.size());
    }
  }
  const std::string& last = words.back();
  EXPECT_NE(cache.Find(WordCache::KeyOf(last), last), nullptr);
  EXPECT_EQ(cache.Find(WordCache::KeyOf("never"), "never"), nullptr);
}

// The seconds of this thread, which others do not lengthen.
double ThreadSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

double SecondsOf(const Tokenizer& tokenizer, const std::string& text) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double start = ThreadSeconds();
    tokenizer.Encode(text);
    best = std::min(best, ThreadSeconds() - start);
  }
  return best;
}

std::string Repeated(std::string_view unit, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

// A vocabulary in SentencePiece's manner, with words that go over no space.
Json SpacedModel() {
  const std::string space = "\u2581";
  Json vocab = {{"<unk>", 0}};
  const auto add = [&](const std::string& token) {
    if (!vocab.contains(token)) vocab[token] = vocab.size();
  };
  for (int b = 0; b < 256; ++b) add(Format("<0x{:02X}>", b));
  add(space);
  for (char c = '!'; c <= '~'; ++c) add(std::string(1, c));
  for (const char* c : {"\n", "\u00e9", "\ud55c", "\uad6d"}) add(c);
  Json merges = Json::array();
  const auto merge = [&](const std::string& left, const std::string& right) {
    merges.push_back({left, right});
    add(left + right);
  };
  merge(space, space);
  merge(space + space, space + space);
  merge(space, "t");
  merge("h", "e");
  merge(space + "t", "he");
  merge("l", "l");
  merge("he", "ll");
  merge("hell", "o");
  merge(space, "hello");
  merge(space, "a");
  merge("\n", "\n");
  merge("'", "s");
  merge("\ud55c", "\uad6d");
  merge(space, "\ud55c\uad6d");
  merge(".", ".");
  return {{"type", "BPE"},        {"vocab", vocab},        {"merges", merges},
          {"unk_token", "<unk>"}, {"byte_fallback", true}, {"fuse_unk", true}};
}

Json WordPieceModel() {
  Json vocab = {{"[UNK]", 0}};
  const auto add = [&](const std::string& token) {
    if (!vocab.contains(token)) vocab[token] = vocab.size();
  };
  for (char c = '!'; c <= '~'; ++c) {
    if (c == 'z' || c == '@') continue;
    add(std::string(1, c));
    add("##" + std::string(1, c));
  }
  for (const char* c :
       {"the", "hello", "HELLO", "hell", "##llo", "quick", "##34", "\u00e9",
        "##\u00e9", "\u4e2d", "##\u0301", "##\ud55c", "\ud55c"}) {
    add(c);
  }
  return {{"type", "WordPiece"},
          {"vocab", vocab},
          {"unk_token", "[UNK]"},
          {"continuing_subword_prefix", "##"},
          {"max_input_chars_per_word", 20u}};
}

std::vector<Json> Pipelines() {
  std::vector<Json> all;
  const Json golden = ParseJson(
      ReadFile(MALMOI_SOURCE_DIR "/tests/golden/tokenizer/small.json"),
      "small.json");
  for (const Json& set : golden) all.push_back(set["tokenizer"]);
  const Json bytes = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
  for (std::string_view pattern :
       {kLlama3Pattern, kQwen2Pattern, kO200kPattern, kTekkenPattern}) {
    Json json = golden[1]["tokenizer"];
    const Json split = {{"type", "Split"},
                        {"pattern", {{"Regex", pattern}}},
                        {"behavior", "Isolated"}};
    json["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", {split, bytes}}};
    json["normalizer"] = {{"type", "NFC"}};
    all.push_back(json);
    json["model"]["ignore_merges"] = true;
    all.push_back(json);
  }
  const Json replace = {{"type", "Replace"},
                        {"pattern", {{"String", " "}}},
                        {"content", "\u2581"}};
  const Json prepend = {{"type", "Prepend"}, {"prepend", "\u2581"}};
  const Json spaced = {{"model", SpacedModel()}};
  all.push_back(spaced);
  all.back()["normalizer"] = replace;
  all.push_back(spaced);
  all.back()["normalizer"] = {{"type", "Sequence"},
                              {"normalizers", {prepend, replace}}};
  all.push_back(all.back());
  all.back()["pre_tokenizer"] = {{"type", "Split"},
                                 {"pattern", {{"String", " "}}},
                                 {"behavior", "MergedWithPrevious"}};
  for (const char* scheme : {"always", "first", "never"}) {
    for (bool split : {false, true}) {
      all.push_back(spaced);
      all.back()["pre_tokenizer"] = {{"type", "Metaspace"},
                                     {"replacement", "\u2581"},
                                     {"prepend_scheme", scheme},
                                     {"split", split}};
      all.back()["added_tokens"] = Json::array({{{"id", 0},
                                                 {"content", "the"},
                                                 {"special", true},
                                                 {"normalized", false}}});
    }
  }
  for (const char* normalizer :
       {R"({"type": "BertNormalizer"})",
        R"({"type": "BertNormalizer", "lowercase": false})",
        R"({"type": "BertNormalizer", "lowercase": false,
            "strip_accents": true, "handle_chinese_chars": false})",
        R"({"type": "BertNormalizer", "clean_text": false})"}) {
    all.push_back({{"model", WordPieceModel()},
                   {"normalizer", ParseJson(normalizer, "test")},
                   {"pre_tokenizer", {{"type", "BertPreTokenizer"}}}});
  }
  return all;
}

// The same tokenizer with one stage more, which never has anything to do, so
// that it goes the long way.
Json TheLongWay(Json json) {
  Json stages = Json::array();
  if (json.contains("normalizer") && !json["normalizer"].is_null()) {
    stages.push_back(json["normalizer"]);
  }
  stages.push_back({{"type", "Replace"},
                    {"pattern", {{"String", "\x02\x03\x02\x03"}}},
                    {"content", ""}});
  json["normalizer"] = {{"type", "Sequence"}, {"normalizers", stages}};
  return json;
}

TEST(ShortWay, GivesWhatTheStagesGive) {
  const std::vector<std::string> texts = Texts();
  for (const Json& json : Pipelines()) {
    const auto tokenizer = Tokenizer::FromJson(json, nullptr, "test");
    const auto slow = Tokenizer::FromJson(TheLongWay(json), nullptr, "test");
    for (const std::string& text : texts) {
      const Encoding want = slow->Encode(text);
      const Encoding got = tokenizer->Encode(text);
      ASSERT_EQ(got.ids, want.ids) << text << "\n" << tokenizer->Describe();
      ASSERT_EQ(got.offsets, want.offsets) << text << tokenizer->Describe();
      ASSERT_EQ(got.left_out_bytes, want.left_out_bytes) << text;
    }
  }
}

std::vector<std::shared_ptr<const Tokenizer>> SmallTokenizers() {
  std::vector<std::shared_ptr<const Tokenizer>> all;
  for (const Json& json : Pipelines()) {
    all.push_back(Tokenizer::FromJson(json, nullptr, "test"));
  }
  return all;
}

// Four times the text takes about four times as long; sixteen would be the
// square. The bound is loose, as timings are.
TEST(ShortWay, TimeGrowsWithTheLength) {
  const std::vector<std::string> units = {
      "a",
      " ",
      "\n",
      "ab",
      "aB",
      "\U0001f600",
      "\ud55c\uad6d\uc5b4",
      "e\u0301\u0316",       // marks out of order
      "\u0301\u0316\u0300",  // one cluster of marks
      "'",
      "1",
  };
  for (const auto& tokenizer : SmallTokenizers()) {
    for (const std::string& unit : units) {
      const double small = SecondsOf(*tokenizer, Repeated(unit, 50'000));
      const double large = SecondsOf(*tokenizer, Repeated(unit, 200'000));
      EXPECT_LT(large, 10 * small + 0.01)
          << unit << "; " << tokenizer->Describe();
    }
  }
}

TEST(ShortWay, ThreadsAndOptionsGiveTheSameIds) {
  const std::vector<std::string> texts = RandomTexts(300, 11);
  for (const auto& tokenizer : SmallTokenizers()) {
    std::vector<Encoding> want;
    for (const std::string& text : texts) {
      want.push_back(tokenizer->Encode(text));
    }
    std::vector<std::thread> threads;
    std::vector<int> wrong(4);
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&, t] {
        for (size_t i = 0; i < texts.size(); ++i) {
          const Encoding bare = tokenizer->Encode(texts[i], {.offsets = false});
          const Encoding full = tokenizer->Encode(texts[i]);
          wrong[t] += bare.ids != want[i].ids || !bare.offsets.empty() ||
                      full.ids != want[i].ids ||
                      full.offsets != want[i].offsets;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(4)) << tokenizer->Describe();
  }
}

}  // namespace
}  // namespace malmoi::text
