#include "formats/npy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "archive/zip.h"
#include "base/check.h"
#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"

namespace malmoi::formats {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;  // of the values, as NumPy writes
constexpr size_t kMaxHeader = size_t{1} << 20;
constexpr size_t kMaxAxes = 64;  // NumPy's own limit
// NumPy leaves room for a growing first axis, so that it may be rewritten.
constexpr size_t kGrowthDigits = 21;

struct TypeName {
  std::string_view descr;
  DType dtype;
};
constexpr TypeName kTypes[] = {{"<f4", DType::kF32}, {"<f2", DType::kF16},
                               {"<f8", DType::kF64}, {"|i1", DType::kI8},
                               {"<i2", DType::kI16}, {"<i4", DType::kI32},
                               {"<i8", DType::kI64}, {"|u1", DType::kU8},
                               {"<u4", DType::kU32}, {"|b1", DType::kBool}};

[[noreturn]] void Refuse(const std::string& where, std::string what,
                         std::string expected = "", std::string got = "",
                         std::string hint = "") {
  throw Error(ErrorCode::kUnsupported, {.where = where,
                                        .what = std::move(what),
                                        .expected = std::move(expected),
                                        .got = std::move(got),
                                        .hint = std::move(hint)});
}

struct Header {
  std::string descr;
  bool fortran = false;
  std::vector<uint64_t> shape;
};

// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }: the keys
// in any order, each once.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& where)
      : text_(text), where_(where) {}

  Header Read() {
    Header header;
    bool descr = false, order = false, shape = false;
    Expect('{');
    while (!Accept('}')) {
      const std::string key = String();
      Expect(':');
      if (key == "descr" && !descr) {
        header.descr = Descr();
        descr = true;
      } else if (key == "fortran_order" && !order) {
        header.fortran = Truth();
        order = true;
      } else if (key == "shape" && !shape) {
        header.shape = Axes();
        shape = true;
      } else {
        Fail("one each of descr, fortran_order, shape", key);
      }
      if (!Accept(',')) {
        Expect('}');
        break;
      }
    }
    Blanks();
    if (at_ != text_.size()) Fail("the end of the header", Rest());
    if (!descr || !order || !shape) {
      Fail("descr, fortran_order, shape", "a header without one of them");
    }
    return header;
  }

 private:
  [[noreturn]] void Fail(std::string expected, std::string got) {
    Corrupt(where_, "bad header of an .npy array", std::move(expected),
            std::move(got));
  }
  std::string Rest() const {
    std::string rest(text_.substr(at_, 20));
    for (char& c : rest) {
      if (c < ' ' || c > '~') c = '?';
    }
    return rest.empty() ? "the end" : rest;
  }
  void Blanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' ||
                                  text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool Accept(char c) {
    Blanks();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void Expect(char c) {
    if (!Accept(c)) Fail(std::string(1, c), Rest());
  }
  std::string String() {
    Blanks();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') Fail("a string", Rest());
    const size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos || end - at_ > 64 ||
        text_.substr(at_, end - at_).find('\\') != std::string_view::npos) {
      Fail("a short string", Rest());
    }
    const std::string value(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return value;
  }
  std::string Descr() {
    Blanks();
    if (at_ < text_.size() && (text_[at_] == '[' || text_[at_] == '(')) {
      Refuse(where_, "an array of records", "one type", Rest());
    }
    return String();
  }
  bool Truth() {
    Blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return word == "True";
      }
    }
    Fail("True or False", Rest());
  }
  std::vector<uint64_t> Axes() {
    std::vector<uint64_t> axes;
    Expect('(');
    while (!Accept(')')) {
      if (axes.size() == kMaxAxes) Fail("at most 64 axes", "more");
      axes.push_back(Number());
      if (!Accept(',')) {
        Expect(')');
        break;
      }
    }
    return axes;
  }
  uint64_t Number() {
    Blanks();
    const size_t begin = at_;
    std::optional<uint64_t> value = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      value = CheckedMul(*value, 10);
      if (value) value = CheckedAdd(*value, uint64_t(text_[at_] - '0'));
      if (!value || *value > INT64_MAX) Fail("a size below 2^63", "more");
      ++at_;
    }
    if (at_ == begin) Fail("a whole number", Rest());
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2's long
    return *value;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

// The type of `descr`; `length` of a byte string is its last axis.
DType TypeOf(const std::string& descr, std::optional<uint64_t>& length,
             const std::string& where) {
  for (const TypeName& type : kTypes) {
    if (type.descr == descr) return type.dtype;
    // A single byte has no order; "=" is that of the writer's machine.
    if (type.descr.substr(1) ==
            std::string_view(descr).substr(std::min<size_t>(1, descr.size())) &&
        type.descr[0] == '|' && (descr[0] == '<' || descr[0] == '>')) {
      return type.dtype;
    }
  }
  const char kind = descr.size() > 1 ? descr[1] : '\0';
  if (kind == 'O' || descr == "O") {
    Refuse(where, "an array of Python objects, which is a pickle", "numbers",
           descr, "saving it with another dtype");
  }
  if (descr.starts_with("|S") && descr.size() > 2 && descr.size() < 9 &&
      std::all_of(descr.begin() + 2, descr.end(),
                  [](char c) { return c >= '0' && c <= '9'; })) {
    length = std::stoull(descr.substr(2));
    return DType::kU8;
  }
  if (!descr.empty() && descr[0] == '>') {
    Refuse(where, "a big-endian array", "little-endian values", descr,
           "array.astype(array.dtype.newbyteorder('<'))");
  }
  Refuse(where, "an array of an unsupported type",
         "f2, f4, f8, i1, i2, i4, i8, u1, u4, b1 or S", descr);
}

std::string_view DescrOf(DType dtype) {
  for (const TypeName& type : kTypes) {
    if (type.dtype == dtype) return type.descr;
  }
  CheckFailed(__FILE__, __LINE__, "a type that NumPy has");
}

// Magic, length and padded dictionary. With `grows`, room for any first axis.
std::string HeaderBytes(std::string_view descr, const Shape& shape,
                        bool grows) {
  std::string text =
      Format("{{'descr': '{}', 'fortran_order': False, 'shape': (", descr);
  for (size_t i = 0; i < shape.size(); ++i) {
    text += Format("{}{}", i == 0 ? "" : " ", shape[i]);
    if (i + 1 < shape.size() || shape.size() == 1) text += ",";
  }
  text += "), }";
  if (grows) {
    text.append(kGrowthDigits - std::to_string(shape[0]).size(), ' ');
  }
  const size_t head = kMagic.size() + 4;
  const size_t total =
      (head + text.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  MALMOI_CHECK(total - head <= UINT16_MAX);
  text.append(total - head - text.size() - 1, ' ');
  text += '\n';
  std::string bytes(kMagic);
  bytes += '\x01';
  bytes += '\0';
  bytes += static_cast<char>(text.size() & 0xff);
  bytes += static_cast<char>(text.size() >> 8);
  return bytes + text;
}

uint64_t BytesOf(DType dtype, const Shape& shape) {
  uint64_t elements = 1;
  for (int64_t size : shape) elements *= static_cast<uint64_t>(size);
  return *ByteSize(dtype, elements);
}

// The dictionary of the header; `bytes` is moved to the values.
std::string_view TakeHeader(std::span<const std::byte>& bytes,
                            const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              bytes.size());
  if (!text.starts_with(kMagic)) Corrupt(where, "not an .npy array");
  if (text.size() < 10) Corrupt(where, "truncated .npy array");
  const int major = static_cast<uint8_t>(text[6]);
  const int minor = static_cast<uint8_t>(text[7]);
  if (major < 1 || major > 3 || minor != 0) {
    Refuse(where, "unsupported version of .npy", "1.0 to 3.0",
           Format("{}.{}", major, minor));
  }
  const size_t begin = major == 1 ? 10 : 12;
  uint64_t length = 0;
  for (size_t i = begin; i > 8; --i) {
    if (i > text.size()) Corrupt(where, "truncated .npy array");
    length = length << 8 | static_cast<uint8_t>(text[i - 1]);
  }
  if (length > text.size() - begin) Corrupt(where, "truncated .npy array");
  if (length > kMaxHeader) {
    Corrupt(where, "bad header of an .npy array",
            Format("at most {} bytes", kMaxHeader), std::to_string(length));
  }
  bytes = bytes.subspan(begin + length);
  return text.substr(begin, length);
}

TensorMap Unpack(const archive::ZipReader& zip, const std::string& where,
                 uint64_t max_bytes) {
  TensorMap arrays;
  for (const std::string& entry : zip.names()) {
    if (!entry.ends_with(".npy")) {
      Refuse(where, "an entry that is no array", "names in .npy", entry);
    }
    const std::string name = entry.substr(0, entry.size() - 4);
    if (arrays.contains(name))
      Corrupt(where, "two arrays of one name", "", name);
    auto content = std::make_shared<std::string>();
    zip.Read(entry, UINT64_MAX, [&](std::string_view piece) {
      if (piece.size() > max_bytes) {
        throw Error(ErrorCode::kLimit,
                    {.where = where,
                     .what = "the archive unpacks to more than the limit",
                     .got = entry});
      }
      max_bytes -= piece.size();
      content->append(piece);
    });
    arrays.emplace(name, ParseNpy(std::as_bytes(std::span(*content)), content,
                                  where + "/" + entry));
  }
  return arrays;
}

}  // namespace

Tensor ParseNpy(std::span<const std::byte> bytes,
                std::shared_ptr<const void> owner, const std::string& where) {
  const Header header = HeaderReader(TakeHeader(bytes, where), where).Read();
  Tensor tensor;
  std::optional<uint64_t> length;
  tensor.dtype = TypeOf(header.descr, length, where);
  std::vector<uint64_t> shape = header.shape;
  if (header.fortran && shape.size() > 1) {
    Refuse(where, "an array in Fortran order", "C order", "",
           "np.ascontiguousarray");
  }
  if (length) shape.push_back(*length);
  uint64_t elements = 1;
  for (uint64_t size : shape) {
    const auto product = CheckedMul(elements, size);
    if (!product || *product > INT64_MAX) {
      Corrupt(where, "absurd shape of an .npy array");
    }
    elements = *product;
    tensor.shape.push_back(static_cast<int64_t>(size));
  }
  const auto size = ByteSize(tensor.dtype, elements);
  if (!size || *size > bytes.size()) {
    Corrupt(where, "truncated .npy array",
            size ? Format("{} bytes of values", *size) : "",
            std::to_string(bytes.size()));
  }
  if (*size < bytes.size()) {
    Corrupt(where, "bytes after the array", Format("{} bytes of values", *size),
            std::to_string(bytes.size()));
  }
  tensor.data = bytes;
  tensor.owner = std::move(owner);
  const auto item = static_cast<size_t>(Info(tensor.dtype).block_bytes);
  if (reinterpret_cast<uintptr_t>(bytes.data()) % item != 0) {
    auto copy =
        std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
    tensor.data = *copy;
    tensor.owner = std::move(copy);
  }
  return tensor;
}

Tensor ReadNpy(const fs::path& path) {
  auto mapped = MappedFile::Open(path);
  Tensor tensor = ParseNpy(mapped->bytes(), mapped, path.string());
  tensor.mapped = tensor.owner == mapped;
  return tensor;
}

TensorMap ReadNpz(const fs::path& path, uint64_t max_bytes) {
  return Unpack(archive::ZipReader::Open(path), path.string(), max_bytes);
}

TensorMap ParseNpz(std::span<const std::byte> bytes, const std::string& where,
                   uint64_t max_bytes) {
  return Unpack(archive::ZipReader::Parse(bytes, where), where, max_bytes);
}

std::string NpyBytes(DType dtype, const Shape& shape,
                     std::span<const std::byte> data) {
  MALMOI_CHECK(BytesOf(dtype, shape) == data.size());
  std::string bytes = HeaderBytes(DescrOf(dtype), shape, false);
  bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
  return bytes;
}

std::string NpyHeader(DType dtype, const Shape& shape) {
  return HeaderBytes(DescrOf(dtype), shape, true);
}

std::string NpyText(std::string_view text) {
  return HeaderBytes(Format("|S{}", text.size()), {}, false) +
         std::string(text);
}

NpyWriter::NpyWriter(const fs::path& path, DType dtype, Shape row_shape)
    : file_(path),
      dtype_(dtype),
      row_shape_(std::move(row_shape)),
      row_bytes_(BytesOf(dtype, row_shape_)) {
  Shape shape = row_shape_;
  shape.insert(shape.begin(), 0);
  const std::string header = HeaderBytes(DescrOf(dtype_), shape, true);
  header_bytes_ = header.size();
  file_.Write(header);
}

void NpyWriter::Write(std::span<const std::byte> rows) {
  MALMOI_CHECK(row_bytes_ != 0 && rows.size() % row_bytes_ == 0);
  file_.Write({reinterpret_cast<const char*>(rows.data()), rows.size()});
  rows_ += static_cast<int64_t>(rows.size() / row_bytes_);
}

void NpyWriter::Finish(bool sync) {
  Shape shape = row_shape_;
  shape.insert(shape.begin(), rows_);
  const std::string header = HeaderBytes(DescrOf(dtype_), shape, true);
  MALMOI_CHECK(header.size() == header_bytes_);
  file_.WriteAt(0, header);
  file_.Finish(sync);
}

void WriteNpz(const fs::path& path, std::span<const NpzItem> items,
              bool compress) {
  MALMOI_CHECK(!items.empty());
  std::vector<archive::ZipItem> entries;
  for (const NpzItem& item : items) {
    entries.push_back({item.name + ".npy", item.npy, item.file});
  }
  archive::WriteZip(path, entries, compress);
}

}  // namespace malmoi::formats
