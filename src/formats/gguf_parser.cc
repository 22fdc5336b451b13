#include "formats/gguf_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/format.h"

namespace malmoi::formats {

namespace {

constexpr uint64_t kMaxKeys = 65'536;
constexpr uint64_t kMaxNameBytes = 65'535;
constexpr uint64_t kMaxDims = 4;

struct GgmlType {
  uint32_t id;
  std::string_view name;
  DType dtype;
  bool known;
};
constexpr DType kNone = DType::kF32;
constexpr GgmlType kGgmlTypes[] = {
    {0, "F32", DType::kF32, true},        {1, "F16", DType::kF16, true},
    {2, "Q4_0", DType::kQ4_0, true},      {3, "Q4_1", DType::kQ4_1, true},
    {6, "Q5_0", DType::kQ5_0, true},      {7, "Q5_1", DType::kQ5_1, true},
    {8, "Q8_0", DType::kQ8_0, true},      {9, "Q8_1", kNone, false},
    {10, "Q2_K", DType::kQ2_K, true},     {11, "Q3_K", DType::kQ3_K, true},
    {12, "Q4_K", DType::kQ4_K, true},     {13, "Q5_K", DType::kQ5_K, true},
    {14, "Q6_K", DType::kQ6_K, true},     {15, "Q8_K", kNone, false},
    {16, "IQ2_XXS", kNone, false},        {17, "IQ2_XS", kNone, false},
    {18, "IQ3_XXS", kNone, false},        {19, "IQ1_S", kNone, false},
    {20, "IQ4_NL", DType::kIQ4_NL, true}, {21, "IQ3_S", kNone, false},
    {22, "IQ2_S", kNone, false},          {23, "IQ4_XS", DType::kIQ4_XS, true},
    {24, "I8", DType::kI8, true},         {25, "I16", DType::kI16, true},
    {26, "I32", DType::kI32, true},       {27, "I64", DType::kI64, true},
    {28, "F64", DType::kF64, true},       {29, "IQ1_M", kNone, false},
    {30, "BF16", DType::kBF16, true},     {34, "TQ1_0", kNone, false},
    {35, "TQ2_0", kNone, false},          {39, "MXFP4", DType::kMXFP4, true},
};

constexpr std::array<size_t, kTypeCount> kTypeBytes = {1, 1, 2, 2, 4, 4, 4,
                                                       1, 0, 0, 8, 8, 8};
constexpr std::array<std::string_view, kTypeCount> kTypeNames = {
    "uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
    "bool",  "string", "array",  "uint64", "int64",  "float64"};

}  // namespace

size_t GgufTypeBytes(uint32_t type) { return kTypeBytes[type]; }
std::string_view GgufTypeName(uint32_t type) { return kTypeNames[type]; }

uint32_t GgmlTypeId(DType dtype) {
  for (const GgmlType& type : kGgmlTypes) {
    if (type.known && type.dtype == dtype) return type.id;
  }
  MALMOI_CHECK(!"a type of GGUF");
  return 0;
}

void GgufParser::Corrupt(std::string what, std::string expected,
                         std::string got) const {
  throw Error(ErrorCode::kCorrupt, {.where = where_ + Format(" (byte {})", at_),
                                    .what = std::move(what),
                                    .expected = std::move(expected),
                                    .got = std::move(got),
                                    .hint = "downloading it again"});
}

void GgufParser::Need(uint64_t count) {
  if (count > bytes_.size() - at_) {
    Corrupt("truncated GGUF file", Format("{} more bytes", count),
            Format("{}", bytes_.size() - at_));
  }
}

template <typename T>
T GgufParser::Read() {
  Need(sizeof(T));
  T value;
  std::memcpy(&value, bytes_.data() + at_, sizeof(T));
  at_ += sizeof(T);
  return value;
}

std::string_view GgufParser::ReadString() {
  const uint64_t length = Read<uint64_t>();
  Need(length);
  const char* text = reinterpret_cast<const char*>(bytes_.data() + at_);
  at_ += length;
  return {text, static_cast<size_t>(length)};
}

void GgufParser::ReadValue(GgufFile::Value& value) {
  value.type = Read<uint32_t>();
  value.count = 1;
  if (value.type == kArray) {
    value.array = true;
    value.type = Read<uint32_t>();
    value.count = Read<uint64_t>();
  }
  if (value.type >= kTypeCount || value.type == kArray) {
    Corrupt("unknown type of a metadata value", "0 to 12",
            std::to_string(value.type));
  }
  const size_t start = at_;
  if (value.type == kString) {
    // Each string takes 8 bytes at least: bounds the loop.
    Need(CheckedMul(value.count, 8).value_or(UINT64_MAX));
    for (uint64_t i = 0; i < value.count; ++i) ReadString();
  } else {
    const uint64_t length =
        CheckedMul(value.count, kTypeBytes[value.type]).value_or(UINT64_MAX);
    Need(length);
    at_ += length;
  }
  value.bytes = bytes_.subspan(start, at_ - start);
}

GgufParser::Entry GgufParser::ReadTensor() {
  Entry entry;
  entry.name = std::string(ReadString());
  if (entry.name.empty() || entry.name.size() > kMaxNameBytes) {
    Corrupt("senseless tensor name", "1 to 65535 bytes",
            std::to_string(entry.name.size()));
  }
  const uint32_t dims = Read<uint32_t>();
  if (dims > kMaxDims) {
    Corrupt(Format("tensor {} has too many dimensions", entry.name),
            "at most 4", std::to_string(dims));
  }
  uint64_t elements = 1;
  uint64_t columns = 1;
  for (uint32_t d = 0; d < dims; ++d) {
    const uint64_t size = Read<uint64_t>();
    const auto product = CheckedMul(elements, size);
    if (size == 0 || size > INT64_MAX || !product || *product > INT64_MAX) {
      Corrupt(Format("tensor {} has an absurd dimension", entry.name),
              "a product below 2^63", std::to_string(size));
    }
    elements = *product;
    if (d == 0) columns = size;
    entry.tensor.shape.insert(entry.tensor.shape.begin(),
                              static_cast<int64_t>(size));
  }
  const uint32_t id = Read<uint32_t>();
  const auto* type =
      std::find_if(std::begin(kGgmlTypes), std::end(kGgmlTypes),
                   [&](const GgmlType& t) { return t.id == id; });
  if (type == std::end(kGgmlTypes) || !type->known) {
    throw Error(
        ErrorCode::kUnsupported,
        {.where = where_,
         .what = Format("tensor {} has an unsupported type", entry.name),
         .expected = "F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4, MXFP4",
         .got = type == std::end(kGgmlTypes) ? Format("type {}", id)
                                             : std::string(type->name),
         .hint = "another quantization of the model"});
  }
  entry.tensor.dtype = type->dtype;
  const DTypeInfo& info = Info(type->dtype);
  if (columns % static_cast<uint64_t>(info.block_elements) != 0) {
    Corrupt(Format("rows of tensor {} are no whole blocks", entry.name),
            Format("a multiple of {}", info.block_elements),
            std::to_string(columns));
  }
  const auto bytes = ByteSize(type->dtype, elements);
  if (!bytes) {
    Corrupt(Format("tensor {} has an absurd size", entry.name), "",
            ShapeString(entry.tensor.shape));
  }
  entry.bytes = *bytes;
  entry.offset = Read<uint64_t>();
  return entry;
}

void GgufParser::ParseHeader(GgufFile& file) {
  Need(4);
  if (std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    Corrupt("not a GGUF file", "the letters GGUF",
            Format("{:02x} {:02x} {:02x} {:02x}", static_cast<int>(bytes_[0]),
                   static_cast<int>(bytes_[1]), static_cast<int>(bytes_[2]),
                   static_cast<int>(bytes_[3])));
  }
  at_ = 4;
  file.version_ = Read<uint32_t>();
  if (file.version_ != 2 && file.version_ != 3) {
    const bool swapped = (file.version_ & 0xffff) == 0;
    throw Error(
        ErrorCode::kUnsupported,
        {.where = where_,
         .what =
             swapped ? "big-endian GGUF file" : "unsupported version of GGUF",
         .expected = "2 or 3",
         .got = std::to_string(swapped ? __builtin_bswap32(file.version_)
                                       : file.version_)});
  }
  tensor_count_ = Read<uint64_t>();
  value_count_ = Read<uint64_t>();
  // A tensor's entry takes 24 bytes at least, a value's 13.
  if (tensor_count_ > bytes_.size() / 24 || value_count_ > kMaxKeys ||
      value_count_ > bytes_.size() / 13) {
    Corrupt("absurd counts in the header", "counts that fit the file",
            Format("{} tensors, {} values", tensor_count_, value_count_));
  }
}

void GgufParser::ParseInto(GgufFile& file, bool first) {
  ParseHeader(file);
  std::map<std::string, GgufFile::Value, std::less<>> values;
  for (uint64_t i = 0; i < value_count_; ++i) {
    const std::string_view key = ReadString();
    if (key.empty() || key.size() > kMaxNameBytes) {
      Corrupt("senseless metadata key", "1 to 65535 bytes",
              std::to_string(key.size()));
    }
    GgufFile::Value value;
    ReadValue(value);
    if (!values.emplace(key, value).second) {
      Corrupt("a metadata key appears twice", "", std::string(key));
    }
  }
  uint64_t alignment = 32;
  if (const auto it = values.find("general.alignment"); it != values.end()) {
    uint32_t stored = 0;
    if (it->second.type == kU32 && !it->second.array) {
      std::memcpy(&stored, it->second.bytes.data(), 4);
    }
    if (stored == 0 || (stored & (stored - 1)) != 0 || stored > 65'536) {
      Corrupt("senseless alignment", "a power of two", std::to_string(stored));
    }
    alignment = stored;
  }
  std::vector<Entry> entries;
  for (uint64_t i = 0; i < tensor_count_; ++i) {
    entries.push_back(ReadTensor());
  }
  const uint64_t data_start = (at_ + alignment - 1) / alignment * alignment;
  for (Entry& entry : entries) {
    const auto start = CheckedAdd(data_start, entry.offset);
    const auto end = start ? CheckedAdd(*start, entry.bytes) : std::nullopt;
    if (entry.offset % alignment != 0) {
      Corrupt(Format("tensor {} is not aligned", entry.name),
              Format("a multiple of {}", alignment),
              std::to_string(entry.offset));
    }
    if (!end || *end > bytes_.size()) {
      Corrupt(Format("tensor {} lies beyond the end of the file", entry.name),
              Format("an end of at most {}", bytes_.size()),
              end ? std::to_string(*end) : "an overflow");
    }
    entry.tensor.data = bytes_.subspan(*start, entry.bytes);
    entry.tensor.owner = owner_;
    if (!file.tensors_.emplace(entry.name, entry.tensor).second) {
      Corrupt("a tensor appears twice", "", entry.name);
    }
  }
  if (first) file.values_ = std::move(values);
  file.owners_.push_back(owner_);
}

}  // namespace malmoi::formats
