// Oniguruma's regular expressions in PCRE2's syntax. The differences that
// matter: the Unicode version of \p{..}; \s, \w and \h; PCRE2 reads
// \p{Script} as Script_Extensions; `{,n}`; sets within sets.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/tokenize/regex.h"
#include "text/tokenize/stage_json.h"
#include "text/unicode/properties.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNoSpaces =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
constexpr std::string_view kHexDigits = "0-9A-Fa-f";
// Han characters newer than Unicode 14.
constexpr std::string_view kNewerHan =
    R"(\x{2ebf0}-\x{2ee5d}\x{31350}-\x{323af})";

constexpr std::array<std::string_view, 36> kCategories = {
    "C",  "Cc", "Cf", "Cn", "Co", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",
    "Mc", "Me", "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf",
    "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where)
      : pattern_(pattern), where_(where) {}

  std::string Run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') {
        Escape();
      } else if (in_class_) {
        InClass(c);
      } else if (c == '[') {
        BeginClass();
      } else if (pattern_.substr(at_).starts_with("{,") &&
                 at_ + 2 < pattern_.size() && IsDigit(pattern_[at_ + 2])) {
        out_ += "{0,";
        at_ += 2;
      } else {
        out_ += c;
        ++at_;
      }
    }
    return out_;
  }

 private:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }

  [[noreturn]] void Refuse(std::string_view what) {
    ThrowUnsupported(where_, "unsupported pattern of a tokenizer",
                     Format("{} in {}", what, pattern_));
  }

  void BeginClass() {
    in_class_ = true;
    out_ += '[';
    ++at_;
    if (at_ < pattern_.size() && pattern_[at_] == '^') {
      out_ += '^';
      ++at_;
    }
    if (at_ < pattern_.size() && pattern_[at_] == ']') {
      Refuse("a set that begins with ]");
    }
  }

  void InClass(char c) {
    if (c == '[') Refuse("a set within a set");
    if (pattern_.substr(at_).starts_with("&&")) Refuse("&&");
    if (c == ']') in_class_ = false;
    out_ += c;
    ++at_;
  }

  // A class of characters: items of a set, or a set by itself.
  void Items(std::string_view items, bool negated, std::string_view name) {
    if (in_class_ && negated) Refuse(name);
    if (in_class_) {
      out_ += items;
    } else {
      out_ += negated ? "[^" : "[";
      out_ += items;
      out_ += ']';
    }
  }

  void Escape() {
    if (at_ + 1 >= pattern_.size()) Refuse("a backslash at the end");
    const char c = pattern_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 's':
        return Items(kSpaces, false, "\\s");
      case 'S':
        return Items(kNoSpaces, false, "\\S");
      case 'd':
      case 'D':
        return Items("\\p{Nd}" + NewerClassItems("Nd"), c == 'D', "\\D");
      case 'w':
      case 'W':
        return Items(Words(), c == 'W', "\\W");
      case 'h':
      case 'H':
        return Items(kHexDigits, c == 'H', "\\H");
      case 'p':
      case 'P':
        return Property(c == 'P');
      default:
        break;
    }
    // What means the same in both; other letters could mean anything.
    static constexpr std::string_view kSame = "tnrfaexzZAGRKk";
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && (in_class_ ? std::string_view("tnrfaex") : kSame).find(c) ==
                      std::string_view::npos) {
      if (c != 'u') Refuse(Format("\\{}", c));
      return FourDigits();
    }
    out_ += '\\';
    out_ += c;
  }

  // \uXXXX
  void FourDigits() {
    const std::string_view digits = pattern_.substr(at_, 4);
    if (digits.size() != 4 ||
        digits.find_first_not_of("0123456789abcdefABCDEF") !=
            std::string_view::npos) {
      Refuse("\\u");
    }
    out_ += Format("\\x{{{}}}", digits);
    at_ += 4;
  }

  static std::string Words() {
    return "\\p{L}\\p{M}\\p{Nd}\\p{Pc}" + NewerClassItems("L") +
           NewerClassItems("M") + NewerClassItems("Nd") +
           NewerClassItems("Pc") + OtherWordClassItems();
  }

  void Property(bool negated) {
    std::string name;
    if (at_ < pattern_.size() && pattern_[at_] == '{') {
      const size_t end = pattern_.find('}', at_);
      if (end == std::string_view::npos) Refuse("\\p without }");
      name = pattern_.substr(at_ + 1, end - at_ - 1);
      at_ = end + 1;
    } else {
      Refuse("\\p without {");
    }
    const std::string shown = Format("\\p{{{}}}", name);
    if (name.starts_with('^')) {
      negated = !negated;
      name.erase(0, 1);
    }
    const bool category = std::find(kCategories.begin(), kCategories.end(),
                                    name) != kCategories.end();
    if (name == "C" || name == "Cn") Refuse(shown);  // these have shrunk
    std::string items =
        category ? Format("\\p{{{}}}", name) : Format("\\p{{sc:{}}}", name);
    if (category) items += NewerClassItems(name);
    if (name == "Han") items += kNewerHan;
    Items(items, negated, shown);
  }

  std::string_view pattern_;
  std::string_view where_;
  std::string out_;
  size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string TranslateOniguruma(std::string_view pattern,
                               std::string_view where) {
  constexpr size_t kMaxBytes = 64 << 10;
  if (pattern.size() > kMaxBytes) {
    throw Error(ErrorCode::kLimit,
                {.where = std::string(where),
                 .what = "a pattern is too long",
                 .expected = Format("{} bytes at most", kMaxBytes),
                 .got = std::to_string(pattern.size())});
  }
  return Translator(pattern, where).Run();
}

}  // namespace malmoi::text
