// The "pattern" of a stage: a text or a regular expression.
#ifndef MALMOI_TEXT_TOKENIZE_PATTERN_H_
#define MALMOI_TEXT_TOKENIZE_PATTERN_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "text/tokenize/regex.h"

namespace malmoi::text {

class Pattern {
 public:
  // `json["pattern"]` is {"String": ...} or {"Regex": ...}. Throws kCorrupt,
  // kUnsupported.
  static Pattern FromJson(const Json& json, std::string_view where);
  explicit Pattern(std::string text) : text_(std::move(text)) {}
  explicit Pattern(Regex regex) : regex_(std::move(regex)) {}

  // Calls visit(begin, end) for the matches from left to right. An empty
  // match right after a match does not count.
  template <typename Visit>
  void ForEachMatch(std::string_view text, const Visit& visit) const {
    size_t from = 0;
    std::optional<size_t> last;  // where the last match ended
    while (from <= text.size()) {
      const auto match = Find(text, from);
      if (!match) return;
      if (match->first == match->second && last == match->second) {
        ++from;
        while (from < text.size() &&
               (static_cast<unsigned char>(text[from]) & 0xc0) == 0x80) {
          ++from;
        }
        continue;
      }
      from = match->second;
      last = match->second;
      visit(match->first, match->second);
    }
  }
  const Regex* regex() const { return regex_ ? &*regex_ : nullptr; }
  const std::string& text() const { return text_; }  // if it is no regex
  std::string Describe() const {
    return regex_ ? regex_->pattern() : "'" + text_ + "'";
  }

 private:
  std::optional<std::pair<size_t, size_t>> Find(std::string_view text,
                                                size_t from) const {
    if (regex_) return regex_->Find(text, from);
    if (text_.empty()) return std::nullopt;
    const size_t at = text.find(text_, from);
    if (at == std::string_view::npos) return std::nullopt;
    return std::pair(at, at + text_.size());
  }

  std::string text_;
  std::optional<Regex> regex_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_PATTERN_H_
