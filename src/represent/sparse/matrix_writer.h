// Sparse matrices row by row into files: .npz as scipy.sparse.load_npz reads
// it, MatrixMarket, JSON lines. Rows need not fit into memory.
#ifndef MALMOI_REPRESENT_SPARSE_MATRIX_WRITER_H_
#define MALMOI_REPRESENT_SPARSE_MATRIX_WRITER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "represent/sparse/vocabulary.h"

namespace malmoi::represent {

// Some rows: columns ascending within each.
struct SparseRows {
  std::vector<uint32_t> sizes;  // values of each row
  RawVector<uint32_t> columns;
  RawVector<double> values;
  void Clear() {
    sizes.clear();
    columns.clear();
    values.clear();
  }
};

class MatrixWriter {
 public:
  virtual ~MatrixWriter() = default;
  // How much will come, where that is known.
  virtual void Expect(int64_t /*rows*/, uint64_t /*values*/) {}
  virtual void Write(const SparseRows& rows) = 0;
  // Completes the file, which does not exist before. Throws kDiskFull, kIo ...
  virtual void Finish() = 0;
};

struct MatrixWriterOptions {
  int64_t columns = 0;
  bool integers = false;  // all values are whole: int64, else float64
  bool compress = false;  // .npz: deflate
  const Vocabulary* terms = nullptr;  // JSON lines: names instead of numbers
};

// The kind by the name: .npz, .mtx, .jsonl. Throws kInvalidArgument for
// another.
std::unique_ptr<MatrixWriter> MakeMatrixWriter(
    const std::filesystem::path& path, const MatrixWriterOptions& options);

// A row as JSON: {"indices": [...], "values": [...]}, or {"terms": {...}}.
std::string RowJson(const uint32_t* columns, const double* values, size_t size,
                    const MatrixWriterOptions& options);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_MATRIX_WRITER_H_
