#include "models/config.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::models {

Config::Config(const Checkpoint& checkpoint)
    : checkpoint_(checkpoint), prefix_(checkpoint.Architecture() + ".") {}

const Json* Config::Find(std::string_view hf) const {
  while (true) {
    const size_t bar = hf.find('|');
    const Json* found = FindOne(hf.substr(0, bar));
    if (found != nullptr || bar == std::string_view::npos) return found;
    hf.remove_prefix(bar + 1);
  }
}

const Json* Config::FindOne(std::string_view hf) const {
  if (!checkpoint_.folder || hf.empty()) return nullptr;
  const Json* at = &checkpoint_.folder->config;
  while (true) {
    const size_t dot = hf.find('.');
    const std::string key(hf.substr(0, dot));
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
    if (dot == std::string_view::npos) break;
    hf.remove_prefix(dot + 1);
  }
  return at->is_null() ? nullptr : at;
}

void Config::Missing(std::string_view gguf, std::string_view hf) const {
  throw Error(ErrorCode::kCorrupt,
              {.where = checkpoint_.path.string(),
               .what = "a required setting is missing",
               .expected = checkpoint_.gguf ? prefix_ + std::string(gguf)
                                            : std::string(hf)});
}

void Config::Refuse(std::string_view what, std::string_view got) const {
  throw Error(ErrorCode::kUnsupported, {.where = checkpoint_.path.string(),
                                        .what = Format("unsupported {}", what),
                                        .got = std::string(got)});
}

namespace {

// A number, or as many of them as there are layers where all are the same.
std::optional<int64_t> OneNumber(const formats::GgufFile& file,
                                 const std::string& key) {
  if (const auto value = file.GetInt(key)) return value;
  const auto all = file.GetInts(key);
  if (!all || all->empty()) return std::nullopt;
  const bool same = std::all_of(all->begin(), all->end(), [&](int64_t each) {
    return each == all->front();
  });
  return same ? std::optional(all->front()) : std::nullopt;
}

}  // namespace

int64_t Config::Count(std::string_view gguf, std::string_view hf,
                      std::optional<int64_t> fallback) const {
  std::optional<int64_t> value;
  if (checkpoint_.gguf) {
    if (!gguf.empty()) {
      value = OneNumber(*checkpoint_.gguf, GgufKey(gguf));
    }
  } else if (const Json* json = Find(hf)) {
    if (json->is_number_integer()) value = json->get<int64_t>();
  }
  if (!value) value = fallback;
  if (!value) Missing(gguf, hf);
  if (*value < 1 || *value > INT32_MAX) {
    throw Error(
        ErrorCode::kCorrupt,
        {.where = checkpoint_.path.string(),
         .what = Format("senseless value of {}", checkpoint_.gguf ? gguf : hf),
         .expected = "1 to 2147483647",
         .got = std::to_string(*value)});
  }
  return *value;
}

int64_t Config::CountOrZero(std::string_view gguf, std::string_view hf) const {
  if (checkpoint_.gguf) {
    const auto value = checkpoint_.gguf->GetInt(GgufKey(gguf));
    if (!value || *value == 0) return 0;
  } else {
    const Json* json = Find(hf);
    if (json == nullptr || *json == 0) return 0;
  }
  return Count(gguf, hf);
}

double Config::NumberOrZero(std::string_view gguf, std::string_view hf) const {
  if (checkpoint_.gguf) {
    const auto value = checkpoint_.gguf->GetFloat(GgufKey(gguf));
    if (!value || *value == 0) return 0;
  } else {
    const Json* json = Find(hf);
    if (json == nullptr || *json == 0) return 0;
  }
  return Number(gguf, hf);
}

bool Config::Unbounded(std::string_view hf) const {
  static const Json bounds = {0.0, {{"__float__", "Infinity"}}};
  const Json* json = Find(hf);
  return json == nullptr || *json == bounds;
}

std::vector<int64_t> Config::Flags(std::string_view hf) const {
  const Json* json = Find(hf);
  std::vector<int64_t> values;
  if (json == nullptr || !json->is_array()) return values;
  for (const Json& value : *json) {
    if (!value.is_number_integer()) {
      Refuse(Format("value in {}", hf), DumpJson(value));
    }
    values.push_back(value.get<int64_t>());
  }
  return values;
}

std::vector<double> Config::Numbers(std::string_view hf) const {
  const Json* json = Find(hf);
  if (json == nullptr || !json->is_array()) Missing("", hf);
  std::vector<double> values;
  for (const Json& value : *json) {
    if (!value.is_number() || !(value.get<double>() > 0)) {
      Refuse(Format("value in {}", hf), DumpJson(value));
    }
    values.push_back(value.get<double>());
  }
  return values;
}

int64_t Config::CountOrNone(std::string_view hf) const {
  const Json* json = Find(hf);
  if (json != nullptr && json->is_number_integer() &&
      json->get<int64_t>() < 0) {
    return 0;
  }
  return CountOrZero("", hf);
}

std::vector<std::string> Config::Texts(std::string_view hf) const {
  const Json* json = Find(hf);
  std::vector<std::string> values;
  if (json == nullptr || !json->is_array()) return values;
  for (const Json& value : *json) {
    if (!value.is_string()) Refuse(Format("value in {}", hf), DumpJson(value));
    values.push_back(value.get<std::string>());
  }
  return values;
}

double Config::Number(std::string_view gguf, std::string_view hf,
                      std::optional<double> fallback) const {
  std::optional<double> value;
  if (checkpoint_.gguf) {
    if (!gguf.empty()) {
      value = checkpoint_.gguf->GetFloat(prefix_ + std::string(gguf));
    }
  } else if (const Json* json = Find(hf)) {
    if (json->is_number()) value = json->get<double>();
  }
  if (!value) value = fallback;
  if (!value) Missing(gguf, hf);
  if (!std::isfinite(*value) || *value <= 0) {
    throw Error(
        ErrorCode::kCorrupt,
        {.where = checkpoint_.path.string(),
         .what = Format("senseless value of {}", checkpoint_.gguf ? gguf : hf),
         .expected = "a positive number",
         .got = Format("{}", *value)});
  }
  return *value;
}

std::string Config::Text(std::string_view gguf, std::string_view hf,
                         std::string_view fallback) const {
  std::optional<std::string> value;
  if (checkpoint_.gguf) {
    if (!gguf.empty()) {
      value = checkpoint_.gguf->GetString(prefix_ + std::string(gguf));
    }
  } else if (const Json* json = Find(hf)) {
    if (json->is_string()) value = json->get<std::string>();
  }
  return value ? *value : std::string(fallback);
}

bool Config::Flag(std::string_view hf) const {
  const Json* json = Find(hf);
  return json != nullptr && json->is_boolean() && json->get<bool>();
}

const Tensor* Config::FindTensor(std::string_view name) const {
  const auto& tensors = checkpoint_.tensors();
  const auto it = tensors.find(name);
  return it == tensors.end() ? nullptr : &it->second;
}

}  // namespace malmoi::models
