#include "text/segment/korean.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "text/segment/fold.h"
#include "text/segment/korean_suffixes.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

constexpr char32_t kFirstSyllable = 0xac00, kLastSyllable = 0xd7a3;
constexpr size_t kMostSyllables = 24;  // longer runs are no words

bool IsSyllable(char32_t c) {
  return c >= kFirstSyllable && c <= kLastSyllable;
}
// Numbers of the letters that end (0: none) and carry a syllable.
uint32_t Final(char32_t c) { return (c - kFirstSyllable) % 28; }
uint32_t Vowel(char32_t c) { return (c - kFirstSyllable) / 28 % 21; }
char32_t WithFinal(char32_t c, uint32_t final) { return c - Final(c) + final; }
char32_t WithVowel(char32_t c, uint32_t vowel) {
  return c + (vowel - Vowel(c)) * 28;
}

enum : uint32_t {
  kFinalNieun = 4,
  kFinalRieul = 8,
  kFinalMieum = 16,
  kFinalBieup = 17,
  kFinalSsang = 20
};
enum : uint32_t {
  kVowelA = 0,
  kVowelAe = 1,
  kVowelYeo = 6,
  kVowelO = 8,
  kVowelWa = 9,
  kVowelWae = 10,
  kVowelOe = 11,
  kVowelU = 13,
  kVowelWo = 14,
  kVowelI = 20
};

const std::unordered_set<std::string_view>& Wholes() {
  static const std::unordered_set<std::string_view> all(
      std::begin(kKoreanWholes), std::end(kKoreanWholes));
  return all;
}

using SuffixMap = std::unordered_map<std::string_view, const KoreanSuffix*>;

const SuffixMap& Suffixes() {
  static const SuffixMap all = [] {
    SuffixMap map;
    for (const KoreanSuffix& each : kKoreanSuffixes) map[each.text] = &each;
    return map;
  }();
  return all;
}

// The syllables of a word and where each begins.
struct Word {
  std::array<char32_t, kMostSyllables> syllables;
  size_t count = 0;
  bool verb = false;  // an ending was taken off

  char32_t& back() { return syllables[count - 1]; }
};

// A vowel that an ending of 어 or 아 has merged with: 와 → 오, 해 → 하.
void Unmerge(char32_t& c) {
  if (Final(c) != 0) return;
  if (c == U'해') {
    c = U'하';
    return;
  }
  switch (Vowel(c)) {
    case kVowelWa:
      c = WithVowel(c, kVowelO);
      break;
    case kVowelWo:
      c = WithVowel(c, kVowelU);
      break;
    case kVowelYeo:
      c = WithVowel(c, kVowelI);
      break;
    case kVowelWae:
      c = WithVowel(c, kVowelOe);
      break;
    default:
      break;
  }
}

// Whether the syllable that would end the word allows the suffix; takes its
// final letter off where that belongs to the suffix.
bool Accepts(uint8_t where, char32_t& last, bool& merged) {
  const uint32_t final = Final(last);
  merged = false;
  if (((where & kTakesNieun) != 0 && final == kFinalNieun) ||
      ((where & kTakesRieul) != 0 && final == kFinalRieul) ||
      ((where & kTakesBieup) != 0 && final == kFinalBieup)) {
    last = WithFinal(last, 0);
    return true;
  }
  if ((where & kTakesSsang) != 0 && final == kFinalSsang && last != U'있') {
    last = WithFinal(last, 0);
    merged = true;
    return true;
  }
  return (where & kAfterAny) != 0 ||
         ((where & kAfterClosed) != 0 && final != 0) ||
         ((where & kAfterOpen) != 0 && final == 0) ||
         ((where & kAfterRieul) != 0 && final == kFinalRieul);
}

// Takes the longest suffix off; false where there is none.
bool StripOnce(Word& word, std::string_view bytes,
               const std::array<size_t, kMostSyllables + 1>& starts) {
  const auto& suffixes = Suffixes();
  const size_t most = std::min<size_t>(word.count - 1, kLongestKoreanSuffix);
  for (size_t length = most; length > 0; --length) {
    const size_t left = word.count - length;
    const auto it = suffixes.find(
        bytes.substr(starts[left], starts[word.count] - starts[left]));
    if (it == suffixes.end()) continue;
    const KoreanSuffix& suffix = *it->second;
    char32_t last = word.syllables[left - 1];
    bool merged;
    if (!Accepts(suffix.where, last, merged)) continue;
    // Of one syllable are too many words themselves.
    if (left == 1 && (suffix.kind & kFromTwo) != 0 &&
        last == word.syllables[0]) {
      continue;
    }
    word.count = left;
    word.back() = last;
    if (merged || (suffix.kind & kMerges) != 0) Unmerge(word.back());
    word.verb |= (suffix.kind & kEnding) != 0;
    return true;
  }
  return false;
}

// What is a form of 하다 or 되다 by itself.
bool EndAsVerb(Word& word) {
  switch (word.back()) {
    case U'할':
    case U'한':
    case U'함':
    case U'합':
    case U'했':
    case U'해':
      word.back() = U'하';
      break;
    case U'된':
    case U'될':
    case U'됨':
    case U'됩':
    case U'됐':
    case U'돼':
      word.back() = U'되';
      break;
    default:
      return false;
  }
  return true;
}

void Strip(Word& word, std::string_view bytes,
           const std::array<size_t, kMostSyllables + 1>& starts) {
  // Endings and particles stack (친구들한테는), but not without end. Once a
  // syllable has changed its bytes no longer say what it is.
  for (int i = 0; i < 3 && word.count > 1; ++i) {
    if (Wholes().contains(bytes.substr(0, starts[word.count]))) return;
    if (!StripOnce(word, bytes, starts)) break;
    size_t at = starts[word.count - 1];
    if (NextValid(bytes, at) != word.back()) break;
  }
  const bool pure = EndAsVerb(word);
  // The tense and the honorific of a verb: 먹었 → 먹, 가시 → 가.
  if (word.verb && word.count > 1) {
    if (word.back() == U'었' || word.back() == U'았' || word.back() == U'겠' ||
        word.back() == U'였') {
      --word.count;
    }
  }
  const bool own = word.count == 2 &&
                   (word.syllables[0] == U'마' || word.syllables[0] == U'모');
  if (word.verb && !own && word.count > 1 && word.back() == U'시') {
    --word.count;
    if (word.count > 1 && word.back() == U'으') --word.count;
  }
  if (word.verb && Final(word.back()) == kFinalSsang && word.back() != U'있') {
    word.back() = WithFinal(word.back(), 0);
    Unmerge(word.back());
  }
  // Verbs that only help: 연락해보 → 연락하.
  if (word.verb && word.count > 1 &&
      (word.back() == U'보' || word.back() == U'주') &&
      word.syllables[word.count - 2] == U'해') {
    --word.count;
    word.back() = U'하';
  }
  // 공부하 → 공부, but 하 stays by itself.
  if ((pure || word.verb) && word.count > 2 &&
      (word.back() == U'하' || word.back() == U'되')) {
    --word.count;
  } else if (!word.verb && word.count > 2 && word.back() == U'들') {
    --word.count;
  }
}

}  // namespace

std::string_view StripKorean(std::string_view word, std::string& made) {
  Word parts;
  std::array<size_t, kMostSyllables + 1> starts;
  size_t at = 0;
  while (at < word.size()) {
    if (parts.count == kMostSyllables) return word;
    starts[parts.count] = at;
    const char32_t c = NextValid(word, at);
    if (!IsSyllable(c)) return word;
    parts.syllables[parts.count++] = c;
  }
  starts[parts.count] = word.size();
  if (parts.count == 0) return word;
  Strip(parts, word, starts);
  const std::string_view rest = word.substr(0, starts[parts.count]);
  at = starts[parts.count - 1];
  if (NextValid(word, at) == parts.back()) return rest;
  // The last syllable has changed, not its length in bytes.
  const size_t begin = made.size();
  made.append(word, 0, starts[parts.count - 1]);
  AppendUtf8(made, parts.back());
  return std::string_view(made).substr(begin);
}

void AppendKoreanStems(std::string_view run, std::string& made,
                       std::vector<std::string_view>& words) {
  for (size_t at = 0; at < run.size();) {
    const size_t begin = at;
    size_t count = 1;
    const bool korean = IsSyllable(NextValid(run, at));
    while (at < run.size()) {
      size_t next = at;
      if (IsSyllable(NextValid(run, next)) != korean) break;
      at = next;
      ++count;
    }
    const std::string_view part = run.substr(begin, at - begin);
    if (korean) {
      words.push_back(StripKorean(part, made));
    } else if (count > 1 || (part[0] >= '0' && part[0] <= '9')) {
      words.push_back(part);
    }
  }
}

}  // namespace malmoi::text
