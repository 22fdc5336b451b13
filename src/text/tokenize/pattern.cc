#include "text/tokenize/pattern.h"

#include "text/tokenize/stage_json.h"

namespace malmoi::text {

Pattern Pattern::FromJson(const Json& json, std::string_view where) {
  const auto pattern = json.find("pattern");
  if (pattern != json.end() && pattern->is_object()) {
    if (pattern->contains("Regex") && (*pattern)["Regex"].is_string()) {
      return Pattern(Regex((*pattern)["Regex"].get<std::string>(), where));
    }
    if (pattern->contains("String") && (*pattern)["String"].is_string()) {
      return Pattern((*pattern)["String"].get<std::string>());
    }
  }
  ThrowCorrupt(where, "a stage without a pattern");
}

}  // namespace malmoi::text
