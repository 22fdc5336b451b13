// Regular expressions of tokenizer.json on PCRE2: UTF-8, Unicode classes,
// JIT, match limits. The files are written for Oniguruma; where the two differ
// the pattern is translated, and what cannot be is refused. Safe for use from
// several threads.
#ifndef MALMOI_TEXT_TOKENIZE_REGEX_H_
#define MALMOI_TEXT_TOKENIZE_REGEX_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace malmoi::text {

class Regex {
 public:
  // Throws kUnsupported for a pattern that cannot be translated or that
  // PCRE2 does not accept.
  Regex(std::string_view pattern, std::string_view where);
  ~Regex();
  Regex(Regex&&) noexcept;

  // Byte range of the first match at or after `from` in valid UTF-8. Throws
  // kLimit when matching takes too many steps.
  std::optional<std::pair<size_t, size_t>> Find(std::string_view text,
                                                size_t from) const;
  const std::string& pattern() const { return pattern_; }

 private:
  struct Code;
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

// The pattern in PCRE2's syntax, with classes of Unicode 16 (the version of
// Oniguruma in the tokenizers library). Throws kUnsupported.
std::string TranslateOniguruma(std::string_view pattern,
                               std::string_view where);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_REGEX_H_
