// What the factories of stages share: reading their JSON, the table of kinds.
#ifndef MALMOI_TEXT_TOKENIZE_STAGE_JSON_H_
#define MALMOI_TEXT_TOKENIZE_STAGE_JSON_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"

namespace malmoi::text {

[[noreturn]] inline void ThrowCorrupt(std::string_view where, std::string what,
                                      std::string got = "") {
  throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

[[noreturn]] inline void ThrowUnsupported(std::string_view where,
                                          std::string what,
                                          std::string got = "",
                                          std::string expected = "") {
  throw Error(ErrorCode::kUnsupported, {.where = std::string(where),
                                        .what = std::move(what),
                                        .expected = std::move(expected),
                                        .got = std::move(got)});
}

// An absent or null key gives the fallback; a value of another kind throws
// kCorrupt.
inline bool Flag(const Json& json, const char* key, bool fallback,
                 std::string_view where) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return fallback;
  if (!it->is_boolean()) {
    ThrowCorrupt(where, "true or false expected", Format("{} of a stage", key));
  }
  return it->get<bool>();
}

inline std::string Text(const Json& json, const char* key,
                        std::string_view fallback, std::string_view where) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return std::string(fallback);
  if (!it->is_string()) {
    ThrowCorrupt(where, "a text expected", Format("{} of a stage", key));
  }
  return it->get<std::string>();
}

inline size_t Count(const Json& json, const char* key, size_t fallback,
                    std::string_view where) {
  const auto it = json.find(key);
  if (it == json.end() || it->is_null()) return fallback;
  if (!it->is_number_unsigned()) {
    ThrowCorrupt(where, "a count expected", Format("{} of a stage", key));
  }
  return it->get<size_t>();
}

template <typename Stage>
struct Kind {
  std::string_view type;
  std::unique_ptr<Stage> (*make)(const Json& json, std::string_view where);
};

// For classes with a constructor (json, where).
template <typename Stage, typename Class>
std::unique_ptr<Stage> MakeFrom(const Json& json, std::string_view where) {
  return std::make_unique<Class>(json, where);
}

template <typename Stage, size_t kCount>
std::unique_ptr<Stage> MakeKind(const Kind<Stage> (&kinds)[kCount],
                                std::string_view stage, const Json& json,
                                std::string_view where) {
  if (json.is_null()) return nullptr;
  if (!json.is_object() || !json.contains("type") ||
      !json["type"].is_string()) {
    ThrowCorrupt(where, "a tokenizer stage without a type",
                 DumpJson(json).substr(0, 60));
  }
  const std::string type = json["type"].get<std::string>();
  std::string known;
  for (const Kind<Stage>& kind : kinds) {
    if (kind.type == type) return kind.make(json, where);
    known += (known.empty() ? "" : ", ") + std::string(kind.type);
  }
  ThrowUnsupported(where, Format("unsupported kind of {}", stage), type, known);
}

// The stages of a "Sequence".
template <typename Stage>
std::vector<std::unique_ptr<Stage>> MakeList(
    const Json& json, const char* key,
    std::unique_ptr<Stage> (*make)(const Json&, std::string_view),
    std::string_view where) {
  if (!json.contains(key) || !json[key].is_array()) {
    ThrowCorrupt(where, "a sequence of stages without its list", key);
  }
  std::vector<std::unique_ptr<Stage>> list;
  for (const Json& part : json[key]) {
    if (part.is_null()) ThrowCorrupt(where, "an empty stage in a sequence");
    list.push_back(make(part, where));
  }
  return list;
}

template <typename Stage>
std::string DescribeList(const std::vector<std::unique_ptr<Stage>>& list) {
  std::string all;
  for (const auto& part : list) {
    all += (all.empty() ? "" : ", ") + part->Describe();
  }
  return all;
}

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_STAGE_JSON_H_
