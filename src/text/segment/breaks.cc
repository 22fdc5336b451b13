#include "text/segment/breaks.h"

#include <memory>

#include "text/segment/break_tables.h"
#include "text/segment/fold.h"

namespace malmoi::text {

namespace {

// In the order of tools/make_break_tables.py.
enum WordClass : uint8_t {
  kOther,
  kCr,
  kLf,
  kNewline,
  kExtend,
  kZwj,
  kFormat,
  kKatakana,
  kHebrewLetter,
  kALetter,
  kSingleQuote,
  kDoubleQuote,
  kMidNumLet,
  kMidLetter,
  kMidNum,
  kNumeric,
  kExtendNumLet,
  kSegmentSpace,
  kRegionalIndicator,
  kPictographic,
  kLetterPictographic,
};
enum SentenceClass : uint8_t {
  kSOther,
  kSCr,
  kSLf,
  kSExtend,
  kSSep,
  kSFormat,
  kSSp,
  kSLower,
  kSUpper,
  kSOLetter,
  kSNumeric,
  kSATerm,
  kSContinue,
  kSTerm,
  kSClose,
};

// A table of all characters, 1.1 MB, unpacked when it is first needed.
class ClassTable {
 public:
  explicit ClassTable(std::string_view runs)
      : classes_(std::make_unique<uint8_t[]>(0x110000)) {
    size_t to = 0;
    for (size_t at = 0; at < runs.size();) {
      const auto value = static_cast<uint8_t>(runs[at++] - 'A');
      size_t count = 0;
      while (at < runs.size() && runs[at] <= '9') {
        count = count * 10 + static_cast<size_t>(runs[at++] - '0');
      }
      if (count == 0) count = 1;
      while (count-- > 0 && to < 0x110000) classes_[to++] = value;
    }
  }
  uint8_t operator[](char32_t c) const { return classes_[c]; }

 private:
  std::unique_ptr<uint8_t[]> classes_;
};

const ClassTable& WordClasses() {
  static const ClassTable table(kWordBreaks);
  return table;
}
const ClassTable& SentenceClasses() {
  static const ClassTable table(kSentenceBreaks);
  return table;
}

struct Character {
  size_t begin;
  uint8_t kind;
  bool pictographic;
};

bool IsIgnored(uint8_t kind) {
  return kind == kExtend || kind == kFormat || kind == kZwj;
}
bool IsEnd(uint8_t kind) {
  return kind == kCr || kind == kLf || kind == kNewline;
}
bool IsLetter(uint8_t kind) {
  return kind == kALetter || kind == kHebrewLetter;
}
bool IsMidLetter(uint8_t kind) {
  return kind == kMidLetter || kind == kMidNumLet || kind == kSingleQuote;
}
bool IsMidNumber(uint8_t kind) {
  return kind == kMidNum || kind == kMidNumLet || kind == kSingleQuote;
}
bool JoinsUnderscore(uint8_t kind) {
  return IsLetter(kind) || kind == kNumeric || kind == kKatakana;
}

// WB5 to WB13b: `before` and `after` meet; `past` stands before, `next` after
// them. kOther where there is none.
bool WordGoesOn(uint8_t past, uint8_t before, uint8_t after, uint8_t next) {
  if (IsLetter(before)) {
    if (IsLetter(after) || after == kNumeric) return true;
    if (IsMidLetter(after) && IsLetter(next)) return true;
    if (before == kHebrewLetter &&
        (after == kSingleQuote ||
         (after == kDoubleQuote && next == kHebrewLetter))) {
      return true;
    }
  }
  if (IsLetter(past) && IsMidLetter(before) && IsLetter(after)) return true;
  if (past == kHebrewLetter && before == kDoubleQuote &&
      after == kHebrewLetter) {
    return true;
  }
  if (before == kNumeric) {
    if (after == kNumeric || IsLetter(after)) return true;
    if (IsMidNumber(after) && next == kNumeric) return true;
  }
  if (past == kNumeric && IsMidNumber(before) && after == kNumeric) return true;
  if (before == kKatakana && after == kKatakana) return true;
  if (after == kExtendNumLet) {
    return JoinsUnderscore(before) || before == kExtendNumLet;
  }
  return before == kExtendNumLet && JoinsUnderscore(after);
}

std::vector<Character> WordCharacters(std::string_view text) {
  const ClassTable& classes = WordClasses();
  std::vector<Character> all;
  all.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    uint8_t kind = classes[NextValid(text, at)];
    const bool pictographic =
        kind == kPictographic || kind == kLetterPictographic;
    if (kind == kPictographic) kind = kOther;
    if (kind == kLetterPictographic) kind = kALetter;
    all.push_back({begin, kind, pictographic});
  }
  return all;
}

}  // namespace

std::vector<size_t> WordBoundaries(std::string_view text) {
  if (text.empty()) return {};
  const std::vector<Character> all = WordCharacters(text);
  std::vector<size_t> bounds = {0};
  // The last two that WB4 does not skip, and how many indicators stand there.
  uint8_t past = kOther, before = all[0].kind;
  int indicators = before == kRegionalIndicator ? 1 : 0;
  for (size_t i = 1; i < all.size(); ++i) {
    const uint8_t last = all[i - 1].kind, after = all[i].kind;
    bool breaks;
    if (last == kCr && after == kLf) {
      breaks = false;
    } else if (IsEnd(last) || IsEnd(after)) {
      breaks = true;
    } else if ((last == kZwj && all[i].pictographic) ||
               (last == kSegmentSpace && after == kSegmentSpace)) {
      breaks = false;
    } else if (IsIgnored(after)) {
      continue;  // part of what stands before
    } else {
      uint8_t next = kOther;
      for (size_t j = i + 1; j < all.size(); ++j) {
        if (IsIgnored(all[j].kind)) continue;
        next = all[j].kind;
        break;
      }
      const bool pair = before == kRegionalIndicator &&
                        after == kRegionalIndicator && indicators % 2 == 1;
      breaks = !pair && !WordGoesOn(past, before, after, next);
    }
    if (breaks) bounds.push_back(all[i].begin);
    indicators = after == kRegionalIndicator ? indicators + 1 : 0;
    past = before;
    before = after;
  }
  bounds.push_back(text.size());
  return bounds;
}

void AppendUnicodeWords(std::string_view text,
                        std::vector<std::string_view>& words) {
  const uint8_t* basic = BasicPlaneFlags();
  const std::vector<size_t> bounds = WordBoundaries(text);
  for (size_t i = 1; i < bounds.size(); ++i) {
    const std::string_view piece =
        text.substr(bounds[i - 1], bounds[i] - bounds[i - 1]);
    for (size_t at = 0; at < piece.size();) {
      const char32_t c = NextValid(piece, at);
      if (c != '_' && (CharFlags(basic, c) & kWordChar) != 0) {
        words.push_back(piece);
        break;
      }
    }
  }
}

namespace {

bool IsParagraphEnd(uint8_t kind) {
  return kind == kSSep || kind == kSCr || kind == kSLf;
}
bool IsTerm(uint8_t kind) { return kind == kSTerm || kind == kSATerm; }
bool IsSkipped(uint8_t kind) { return kind == kSExtend || kind == kSFormat; }

// How far a sentence's end has been seen: a terminator, closing marks, spaces.
enum class Ending { kNone, kTerm, kClose, kSpace };

// SB8: a lower-case letter comes before anything that begins a sentence.
bool LowerFollows(const std::vector<Character>& all, size_t i) {
  for (; i < all.size(); ++i) {
    const uint8_t kind = all[i].kind;
    if (kind == kSLower) return true;
    if (kind == kSOLetter || kind == kSUpper || IsParagraphEnd(kind) ||
        IsTerm(kind)) {
      return false;
    }
  }
  return false;
}

}  // namespace

std::vector<size_t> SentenceBoundaries(std::string_view text) {
  if (text.empty()) return {};
  const ClassTable& classes = SentenceClasses();
  std::vector<Character> all;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    all.push_back({begin, classes[NextValid(text, at)], false});
  }
  std::vector<size_t> bounds = {0};
  Ending ending = Ending::kNone;
  bool full_stop = false;                    // the terminator is an ATerm
  uint8_t past = kSOther, before = kSOther;  // without what SB5 skips
  for (size_t i = 0; i < all.size(); ++i) {
    const uint8_t kind = all[i].kind;
    const uint8_t last = i == 0 ? uint8_t{kSOther} : all[i - 1].kind;
    if (i > 0 && IsParagraphEnd(last) && !(last == kSCr && kind == kSLf)) {
      bounds.push_back(all[i].begin);  // SB4
      ending = Ending::kNone;
      before = kSOther;
    } else if (i > 0 && IsSkipped(kind)) {
      continue;  // SB5
    } else if (ending != Ending::kNone) {
      bool goes_on = IsParagraphEnd(kind);
      if (full_stop && ending == Ending::kTerm) {
        goes_on |= kind == kSNumeric;  // SB6
        goes_on |= kind == kSUpper && (past == kSUpper || past == kSLower);
      }
      if (full_stop) goes_on |= LowerFollows(all, i);          // SB8
      goes_on |= kind == kSContinue || IsTerm(kind);           // SB8a
      goes_on |= kind == kSClose && ending != Ending::kSpace;  // SB9
      goes_on |= kind == kSSp;                                 // SB9, SB10
      if (!goes_on) bounds.push_back(all[i].begin);            // SB11
    }
    if (IsTerm(kind)) {
      ending = Ending::kTerm;
      full_stop = kind == kSATerm;
    } else if (ending != Ending::kNone && kind == kSClose &&
               ending != Ending::kSpace) {
      ending = Ending::kClose;
    } else if (ending != Ending::kNone && kind == kSSp) {
      ending = Ending::kSpace;
    } else if (!(ending != Ending::kNone && IsParagraphEnd(kind))) {
      ending = Ending::kNone;
    }
    past = before;
    before = kind;
  }
  bounds.push_back(text.size());
  return bounds;
}

}  // namespace malmoi::text
