#include "text/tokenize/cutter.h"

#include <utility>

#include "text/tokenize/byte_level.h"
#include "text/tokenize/known_patterns.h"

namespace malmoi::text {

std::optional<CutRule> RuleOfPattern(std::string_view pattern) {
  static constexpr std::pair<std::string_view, CutRule> kRules[] = {
      {kGpt2Pattern, CutRule::kWords},
      {kLlama3Pattern, CutRule::kPrefixed3},
      {kQwen2Pattern, CutRule::kPrefixed1},
      {kO200kPattern, CutRule::kCased},
      {kTekkenPattern, CutRule::kCasedNoSuffix}};
  for (const auto& [known, rule] : kRules) {
    if (known == pattern) return rule;
  }
  return std::nullopt;
}

}  // namespace malmoi::text
