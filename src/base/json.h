// JSON for the whole project: nlohmann/json with depth and size limits, and
// with parse failures turned into malmoi::Error. Include this, not nlohmann.
#ifndef MALMOI_BASE_JSON_H_
#define MALMOI_BASE_JSON_H_

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace malmoi {

// Keeps the order of keys, which chat templates and output shapes rely on.
using Json = nlohmann::ordered_json;

struct JsonLimits {
  size_t max_bytes = size_t{256} << 20;
  int max_depth = 64;
};

// Parses one JSON document. `where` names the source in errors. Throws
// kCorrupt for invalid JSON and kLimit for one that is too large or too deep.
Json ParseJson(std::string_view text, std::string_view where,
               const JsonLimits& limits = {});

// Of a file. Throws as ReadFile() and ParseJson().
Json ReadJson(const std::filesystem::path& path);
// Null where there is no such file.
Json ReadJsonIfThere(const std::filesystem::path& path);

// Serializes on one line; invalid UTF-8 is replaced by U+FFFD.
std::string DumpJson(const Json& value, int indent = -1);

}  // namespace malmoi

#endif  // MALMOI_BASE_JSON_H_
