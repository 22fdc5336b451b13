#include "formats/safetensors.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"

namespace malmoi::formats {

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

[[noreturn]] void Corrupt(const std::string& where, std::string what,
                          std::string expected, std::string got) {
  throw Error(ErrorCode::kCorrupt, {.where = where,
                                    .what = std::move(what),
                                    .expected = std::move(expected),
                                    .got = std::move(got),
                                    .hint = "downloading it again"});
}

DType DTypeOf(const std::string& name, const std::string& tensor,
              const std::string& where) {
  struct Pair {
    std::string_view name;
    DType dtype;
  };
  static constexpr Pair kPairs[] = {
      {"F32", DType::kF32},       {"F16", DType::kF16},
      {"BF16", DType::kBF16},     {"F64", DType::kF64},
      {"I8", DType::kI8},         {"I16", DType::kI16},
      {"I32", DType::kI32},       {"I64", DType::kI64},
      {"U8", DType::kU8},         {"BOOL", DType::kBool},
      {"F8_E4M3", DType::kF8E4M3}};
  for (const Pair& pair : kPairs) {
    if (pair.name == name) return pair.dtype;
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = where,
               .what = Format("tensor {} has an unsupported type", tensor),
               .expected = "F32, F16, BF16, F64, F8_E4M3, I8 to I64, U8, BOOL",
               .got = name});
}

uint64_t Unsigned(const Json& value, const std::string& tensor,
                  const std::string& where) {
  if (!value.is_number_integer() ||
      (!value.is_number_unsigned() && value.get<int64_t>() < 0)) {
    Corrupt(where, Format("tensor {} has a senseless number", tensor),
            "a whole number", DumpJson(value).substr(0, 40));
  }
  return value.get<uint64_t>();
}

struct Extent {
  uint64_t begin, end;
  std::string name;
};

Tensor ReadEntry(const std::string& name, const Json& entry,
                 std::span<const std::byte> data, const std::string& where,
                 Extent& extent) {
  if (!entry.is_object() || !entry.contains("dtype") ||
      !entry["dtype"].is_string() || !entry.contains("shape") ||
      !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    Corrupt(where, Format("tensor {} is not described", name),
            "dtype, shape and data_offsets", "");
  }
  Tensor tensor;
  tensor.dtype = DTypeOf(entry["dtype"].get<std::string>(), name, where);
  uint64_t elements = 1;
  for (const Json& dim : entry["shape"]) {
    const uint64_t size = Unsigned(dim, name, where);
    const auto product = CheckedMul(elements, size);
    if (!product || size > INT64_MAX || *product > INT64_MAX) {
      Corrupt(where, Format("tensor {} has an absurd dimension", name),
              "a product below 2^63", std::to_string(size));
    }
    elements = *product;
    tensor.shape.push_back(static_cast<int64_t>(size));
  }
  extent = {Unsigned(entry["data_offsets"][0], name, where),
            Unsigned(entry["data_offsets"][1], name, where), name};
  const auto bytes = ByteSize(tensor.dtype, elements);
  if (extent.begin > extent.end || extent.end > data.size()) {
    Corrupt(where, Format("tensor {} lies beyond the end of the file", name),
            Format("an end of at most {}", data.size()),
            std::to_string(extent.end));
  }
  if (!bytes || *bytes != extent.end - extent.begin) {
    Corrupt(where, Format("tensor {} has another size than its shape", name),
            bytes ? std::to_string(*bytes) : "",
            std::to_string(extent.end - extent.begin));
  }
  tensor.data = data.subspan(extent.begin, *bytes);
  return tensor;
}

}  // namespace

SafetensorsFile SafetensorsFile::Open(const std::filesystem::path& path) {
  auto mapped = MappedFile::Open(path);
  SafetensorsFile file = Parse(mapped->bytes(), mapped, path.string());
  for (auto& [_, tensor] : file.tensors) tensor.mapped = true;
  return file;
}

SafetensorsFile SafetensorsFile::Parse(std::span<const std::byte> bytes,
                                       std::shared_ptr<const void> owner,
                                       std::string where) {
  if (bytes.size() < 8) {
    Corrupt(where, "truncated safetensors file", "at least 8 bytes",
            std::to_string(bytes.size()));
  }
  uint64_t header_bytes;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - 8) {
    Corrupt(where, "safetensors header does not fit the file",
            Format("at most {} bytes",
                   std::min<uint64_t>(kMaxHeaderBytes, bytes.size() - 8)),
            std::to_string(header_bytes));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8,
                              header_bytes);
  const Json header = ParseJson(text, where);
  if (!header.is_object()) {
    Corrupt(where, "safetensors header is no object", "", "");
  }
  const auto data = bytes.subspan(8 + header_bytes);
  SafetensorsFile file;
  std::vector<Extent> extents;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      file.metadata = entry;
      continue;
    }
    Extent extent;
    Tensor tensor = ReadEntry(name, entry, data, where, extent);
    tensor.owner = owner;
    extents.push_back(extent);
    file.tensors.emplace(name, std::move(tensor));
  }
  std::sort(extents.begin(), extents.end(),
            [](const Extent& a, const Extent& b) {
              return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
            });
  uint64_t at = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != at) {
      Corrupt(where, Format("tensor {} leaves a hole or overlaps", extent.name),
              Format("offset {}", at), std::to_string(extent.begin));
    }
    at = extent.end;
  }
  if (at != data.size()) {
    Corrupt(where, "bytes after the last tensor", std::to_string(at),
            std::to_string(data.size()));
  }
  return file;
}

TensorMap LoadSafetensorsFolder(const std::filesystem::path& folder) {
  const auto index_path = folder / "model.safetensors.index.json";
  if (!std::filesystem::exists(index_path)) {
    return SafetensorsFile::Open(folder / "model.safetensors").tensors;
  }
  const std::string where = index_path.string();
  const Json index = ParseJson(ReadFile(index_path), where);
  if (!index.is_object() || !index.contains("weight_map") ||
      !index["weight_map"].is_object()) {
    Corrupt(where, "index without a weight map", "weight_map", "");
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!shard.is_string() ||
        shard.get<std::string>().find('/') != std::string::npos) {
      Corrupt(where, "senseless name of a shard", "a file name",
              DumpJson(shard).substr(0, 60));
    }
    shards.insert(shard.get<std::string>());
  }
  TensorMap all;
  for (const std::string& shard : shards) {
    for (auto& [name, tensor] : SafetensorsFile::Open(folder / shard).tensors) {
      all.emplace(name, tensor);
    }
  }
  for (const auto& [tensor, shard] : index["weight_map"].items()) {
    if (!all.contains(tensor)) {
      Corrupt(where, "a tensor of the index is in no shard", tensor, "");
    }
  }
  return all;
}

}  // namespace malmoi::formats
