#include "formats/gguf.h"

#include <cstring>
#include <regex>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "formats/gguf_parser.h"

namespace malmoi::formats {

namespace {

// Reads element `index` of fixed-size values as a number.
template <typename T>
T At(std::span<const std::byte> bytes, uint64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

std::optional<int64_t> IntAt(uint32_t type, std::span<const std::byte> bytes,
                             uint64_t index) {
  switch (type) {
    case kU8:
      return At<uint8_t>(bytes, index);
    case kI8:
      return At<int8_t>(bytes, index);
    case kU16:
      return At<uint16_t>(bytes, index);
    case kI16:
      return At<int16_t>(bytes, index);
    case kU32:
      return At<uint32_t>(bytes, index);
    case kI32:
      return At<int32_t>(bytes, index);
    case kI64:
      return At<int64_t>(bytes, index);
    case kU64: {
      const uint64_t value = At<uint64_t>(bytes, index);
      if (value > INT64_MAX) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> FloatAt(uint32_t type, std::span<const std::byte> bytes,
                              uint64_t index) {
  if (type == kF32) return At<float>(bytes, index);
  if (type == kF64) return At<double>(bytes, index);
  const auto integer = IntAt(type, bytes, index);
  if (!integer) return std::nullopt;
  return static_cast<double>(*integer);
}

// The strings of validated bytes, one after another.
template <typename F>
void ForStrings(std::span<const std::byte> bytes, uint64_t count, F&& use) {
  size_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t length;
    std::memcpy(&length, bytes.data() + at, 8);
    at += 8;
    use(std::string_view(reinterpret_cast<const char*>(bytes.data() + at),
                         length));
    at += length;
  }
}

Json ElementJson(uint32_t type, std::span<const std::byte> bytes,
                 uint64_t index) {
  if (type == kBool) return At<uint8_t>(bytes, index) != 0;
  if (type == kU64) return At<uint64_t>(bytes, index);
  if (const auto integer = IntAt(type, bytes, index)) return *integer;
  if (const auto number = FloatAt(type, bytes, index)) return *number;
  return nullptr;
}

}  // namespace

std::shared_ptr<const GgufFile> GgufFile::Open(
    const std::filesystem::path& path) {
  const auto map = [](const std::filesystem::path& part) {
    return MappedFile::Open(part);
  };
  static const std::regex kSplit(R"((.*)-(\d{5})-of-(\d{5})\.gguf)");
  const std::string name = path.filename().string();
  std::smatch match;
  if (!std::regex_match(name, match, kSplit)) {
    auto mapped = map(path);
    auto file = std::make_shared<GgufFile>();
    file->where_ = path.string();
    GgufParser(mapped->bytes(), mapped, path.string()).ParseInto(*file, true);
    for (auto& [_, tensor] : file->tensors_) tensor.mapped = true;
    return file;
  }
  const int parts = std::stoi(match[3]);
  if (parts < 1) {
    throw Error(ErrorCode::kCorrupt, {.where = path.string(),
                                      .what = "senseless number of parts",
                                      .got = std::to_string(parts)});
  }
  auto file = std::make_shared<GgufFile>();
  file->where_ = path.string();
  for (int i = 1; i <= parts; ++i) {
    const std::string part =
        Format("{}-{:05}-of-{:05}.gguf", match[1].str(), i, parts);
    auto mapped = map(path.parent_path() / part);
    GgufParser(mapped->bytes(), mapped, mapped->path().string())
        .ParseInto(*file, i == 1);
  }
  const auto total = file->GetInt("split.tensors.count");
  if (total && *total != static_cast<int64_t>(file->tensors_.size())) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path.string(),
                 .what = "the parts do not hold all tensors",
                 .expected = std::to_string(*total),
                 .got = std::to_string(file->tensors_.size())});
  }
  for (auto& [_, tensor] : file->tensors_) tensor.mapped = true;
  return file;
}

std::shared_ptr<const GgufFile> GgufFile::Parse(
    std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
    std::string where) {
  auto file = std::make_shared<GgufFile>();
  file->where_ = where;
  GgufParser(bytes, std::move(owner), std::move(where)).ParseInto(*file, true);
  return file;
}

const GgufFile::Value* GgufFile::Find(std::string_view key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

std::vector<std::string> GgufFile::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : values_) keys.push_back(key);
  return keys;
}

void GgufFile::AppendPair(std::string_view key, std::string& out) const {
  const Value* value = Find(key);
  MALMOI_CHECK(value != nullptr);
  const auto put = [&](const void* bytes, size_t count) {
    out.append(static_cast<const char*>(bytes), count);
  };
  const uint64_t length = key.size();
  put(&length, 8);
  put(key.data(), key.size());
  if (value->array) {
    const uint32_t array = kArray;
    put(&array, 4);
  }
  put(&value->type, 4);
  if (value->array) put(&value->count, 8);
  put(value->bytes.data(), value->bytes.size());
}

std::string GgufFile::TypeName(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr) return "";
  return (value->array ? "array of " : "") +
         std::string(GgufTypeName(value->type));
}

std::optional<std::string> GgufFile::GetString(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->array || value->type != kString) {
    return std::nullopt;
  }
  std::string result;
  ForStrings(value->bytes, 1, [&](std::string_view text) { result = text; });
  return result;
}

std::optional<int64_t> GgufFile::GetInt(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->array) return std::nullopt;
  return IntAt(value->type, value->bytes, 0);
}

std::optional<double> GgufFile::GetFloat(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->array) return std::nullopt;
  return FloatAt(value->type, value->bytes, 0);
}

std::optional<bool> GgufFile::GetBool(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->array || value->type != kBool) {
    return std::nullopt;
  }
  return At<uint8_t>(value->bytes, 0) != 0;
}

std::optional<std::vector<std::string_view>> GgufFile::GetStringViews(
    std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || !value->array || value->type != kString) {
    return std::nullopt;
  }
  std::vector<std::string_view> result;
  result.reserve(value->count);
  ForStrings(value->bytes, value->count,
             [&](std::string_view text) { result.push_back(text); });
  return result;
}

std::optional<std::vector<std::string>> GgufFile::GetStrings(
    std::string_view key) const {
  const auto views = GetStringViews(key);
  if (!views) return std::nullopt;
  return std::vector<std::string>(views->begin(), views->end());
}

std::optional<std::vector<int64_t>> GgufFile::GetInts(
    std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || !value->array) return std::nullopt;
  std::vector<int64_t> result;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto element = IntAt(value->type, value->bytes, i);
    if (!element) return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

std::optional<std::vector<bool>> GgufFile::GetBools(
    std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || !value->array || value->type != kBool) {
    return std::nullopt;
  }
  std::vector<bool> result;
  for (uint64_t i = 0; i < value->count; ++i) {
    result.push_back(value->bytes[i] != std::byte{0});
  }
  return result;
}

std::optional<std::vector<double>> GgufFile::GetFloats(
    std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || !value->array) return std::nullopt;
  std::vector<double> result;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto element = FloatAt(value->type, value->bytes, i);
    if (!element) return std::nullopt;
    result.push_back(*element);
  }
  return result;
}

Json GgufFile::MetadataJson(size_t array_limit) const {
  Json json = Json::object();
  for (const auto& [key, value] : values_) {
    if (value.array && value.count > array_limit) {
      json[key] = {{"type", GgufTypeName(value.type)}, {"count", value.count}};
    } else if (value.type == kString) {
      Json strings = Json::array();
      ForStrings(value.bytes, value.count, [&](std::string_view text) {
        strings.push_back(std::string(text));
      });
      json[key] = value.array ? strings : strings[0];
    } else if (value.array) {
      json[key] = Json::array();
      for (uint64_t i = 0; i < value.count; ++i) {
        json[key].push_back(ElementJson(value.type, value.bytes, i));
      }
    } else {
      json[key] = ElementJson(value.type, value.bytes, 0);
    }
  }
  return json;
}

}  // namespace malmoi::formats
