// NumPy's arrays: .npy (a header that is a Python literal, then the values) and
// .npz (a zip archive of them). Object arrays are pickles, whose reading runs
// code; they are refused. Format: numpy.lib.format, versions 1.0 to 3.0.
#ifndef MALMOI_FORMATS_NPY_H_
#define MALMOI_FORMATS_NPY_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/partial_file.h"
#include "formats/gguf.h"
#include "tensor/tensor.h"

namespace malmoi::formats {

// Reads f16, f32, f64, i8, i16, i32, i64, u8, u32, bool; byte strings ('|S3')
// come as u8 with one more axis, of their length. Values are little-endian and
// in C order; an array of one axis or none has both orders. A file on disk is
// mapped. Throws kNotFound, kPermission, kCorrupt, kUnsupported (another type,
// big-endian, Fortran order, a pickle: by name).
Tensor ReadNpy(const std::filesystem::path& path);
// `owner` keeps `bytes` alive; `where` names them in errors. Values that do not
// lie at a multiple of their size are copied.
Tensor ParseNpy(std::span<const std::byte> bytes,
                std::shared_ptr<const void> owner, const std::string& where);

// The arrays of an .npz by their names, without ".npy". Together they take at
// most `max_bytes` once unpacked. Throws as ReadNpy(), and kLimit.
inline constexpr uint64_t kMaxNpzBytes = uint64_t{1} << 36;
TensorMap ReadNpz(const std::filesystem::path& path,
                  uint64_t max_bytes = kMaxNpzBytes);
TensorMap ParseNpz(std::span<const std::byte> bytes, const std::string& where,
                   uint64_t max_bytes = kMaxNpzBytes);

// What ParseNpy() reads, as numpy.save writes it. Of the types above; bf16 and
// blocks have no name in NumPy (a failed check). `data` is row-major.
std::string NpyBytes(DType dtype, const Shape& shape,
                     std::span<const std::byte> data);
template <typename T>
std::string NpyBytes(DType dtype, const Shape& shape,
                     std::span<const T> values) {
  return NpyBytes(dtype, shape, std::as_bytes(values));
}
// The header alone, as long for every size of the first axis, for those who put
// the values behind it before they know how many there are.
std::string NpyHeader(DType dtype, const Shape& shape);
// A byte string without axes, as np.bytes_("csr").
std::string NpyText(std::string_view text);

// Writes .npy rows as they come, however many: [rows, ...row_shape]. The file
// lies beside `path` until Finish() renames it.
class NpyWriter {
 public:
  // Throws kNotFound (the folder), kPermission, kDiskFull, kIo, and so do the
  // others.
  NpyWriter(const std::filesystem::path& path, DType dtype, Shape row_shape);
  // Removes what was written unless it was finished.
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  // Whole rows.
  void Write(std::span<const std::byte> rows);
  template <typename T>
  void Write(std::span<const T> rows) {
    Write(std::as_bytes(rows));
  }
  int64_t rows() const { return rows_; }
  // `sync`: wait until it is on the disk, as for what is kept.
  void Finish(bool sync = true);

 private:
  PartialFile file_;
  DType dtype_;
  Shape row_shape_;
  size_t row_bytes_;
  size_t header_bytes_;
  int64_t rows_ = 0;
};

// One array of an .npz: its name without ".npy", and NpyBytes() or NpyText().
struct NpzItem {
  std::string name;
  std::string npy;
  std::filesystem::path file;  // where it is not empty, an .npy file instead
};
// As numpy.savez_compressed, or savez. Writes beside `path`, then renames.
void WriteNpz(const std::filesystem::path& path, std::span<const NpzItem> items,
              bool compress = true);

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_NPY_H_
