#include "base/json.h"

#include "base/error.h"

namespace malmoi {

namespace {

// Nesting of a text before it is parsed, so that recursion stays bounded.
int MaxDepth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

Json ParseJson(std::string_view text, std::string_view where,
               const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where),
         .what = "JSON document is too large",
         .expected = std::to_string(limits.max_bytes) + " bytes at most",
         .got = std::to_string(text.size())});
  }
  if (const int depth = MaxDepth(text); depth > limits.max_depth) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where),
         .what = "JSON document is nested too deeply",
         .expected = std::to_string(limits.max_depth) + " levels at most",
         .got = std::to_string(depth)});
  }
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                      .what = "not valid JSON",
                                      .got = e.what()});
  }
}

std::string DumpJson(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace malmoi
