#include "represent/sparse/matrix_writer.h"

#include <iterator>
#include <optional>

#include "archive/zip.h"
#include "base/error.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/npy.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

void AppendValue(std::string& out, double value, bool integer) {
  if (integer) {
    out += std::to_string(static_cast<int64_t>(value));
  } else {
    out += Format("{}", value);
  }
}

class JsonLines : public MatrixWriter {
 public:
  JsonLines(const fs::path& path, const MatrixWriterOptions& options)
      : file_(path), options_(options) {}
  void Write(const SparseRows& rows) override {
    size_t at = 0;
    for (uint32_t size : rows.sizes) {
      file_.Write(RowJson(rows.columns.data() + at, rows.values.data() + at,
                          size, options_));
      file_.Write("\n");
      at += size;
    }
  }
  void Finish() override { file_.Finish(false); }

 private:
  FileWriter file_;
  MatrixWriterOptions options_;
};

// The head is written again at the end, with the sizes.
class MatrixMarket : public MatrixWriter {
 public:
  MatrixMarket(const fs::path& path, const MatrixWriterOptions& options)
      : file_(path), options_(options) {
    file_.Write(Head());
  }
  void Write(const SparseRows& rows) override {
    size_t at = 0;
    std::string out;
    for (uint32_t size : rows.sizes) {
      ++rows_;
      out.clear();
      for (uint32_t i = 0; i < size; ++i, ++at) {
        out += std::to_string(rows_);
        out += ' ';
        out += std::to_string(rows.columns[at] + uint64_t{1});
        out += ' ';
        AppendValue(out, rows.values[at], options_.integers);
        out += '\n';
      }
      values_ += size;
      file_.Write(out);
    }
  }
  void Finish() override {
    file_.WriteAt(0, Head());
    file_.Finish(false);
  }

 private:
  std::string Head() const {
    return Format(
        "%%MatrixMarket matrix coordinate {} general\n{:>19} {:>10} {:>19}\n",
        options_.integers ? "integer" : "real", rows_, options_.columns,
        values_);
  }
  FileWriter file_;
  MatrixWriterOptions options_;
  int64_t rows_ = 0, values_ = 0;
};

// One array of an .npz while it grows: in memory, past a bound in a file.
class Column {
 public:
  Column(fs::path path, DType dtype)
      : path_(std::move(path)),
        dtype_(dtype),
        bytes_(formats::NpyHeader(dtype, {0})),
        head_(bytes_.size()) {}
  ~Column() {
    std::error_code ignored;
    if (file_ != nullptr) fs::remove(path_, ignored);
  }
  template <typename T>
  void Write(std::span<const T> all) {
    if (all.empty()) return;
    count_ += static_cast<int64_t>(all.size());
    if (file_ == nullptr && bytes_.size() + all.size_bytes() > kMostInMemory) {
      file_ = std::make_unique<formats::NpyWriter>(path_, dtype_, Shape());
      const auto kept = std::as_bytes(std::span(bytes_)).subspan(head_);
      if (!kept.empty()) file_->Write(kept);
      bytes_ = std::string();
    }
    if (file_ != nullptr) return file_->Write(all);
    bytes_.append(reinterpret_cast<const char*>(all.data()), all.size_bytes());
  }
  formats::NpzItem Finish(std::string name) {
    if (file_ != nullptr) {
      file_->Finish(false);
      return {std::move(name), "", path_};
    }
    bytes_.replace(0, head_, formats::NpyHeader(dtype_, {count_}));
    return {std::move(name), std::move(bytes_)};
  }

 private:
  static constexpr size_t kMostInMemory = size_t{256} << 20;
  fs::path path_;
  DType dtype_;
  std::string bytes_;
  size_t head_;
  int64_t count_ = 0;
  std::unique_ptr<formats::NpyWriter> file_;
};

// The arrays of a matrix in memory or files until all is known.
class GrowingNpz : public MatrixWriter {
 public:
  GrowingNpz(const fs::path& path, const MatrixWriterOptions& options)
      : path_(path),
        options_(options),
        data_(path.string() + ".data.part",
              options.integers ? DType::kI64 : DType::kF64),
        columns_(path.string() + ".indices.part", DType::kI32),
        ends_(path.string() + ".indptr.part", DType::kI64) {
    const int64_t zero[] = {0};
    ends_.Write(std::span<const int64_t>(zero));
  }
  void Write(const SparseRows& rows) override {
    std::vector<int64_t> ends;
    ends.reserve(rows.sizes.size());
    for (uint32_t size : rows.sizes) ends.push_back(values_ += size);
    ends_.Write(std::span<const int64_t>(ends));
    rows_ += static_cast<int64_t>(rows.sizes.size());
    columns_.Write(std::span<const uint32_t>(rows.columns));
    if (!options_.integers) {
      return data_.Write(std::span<const double>(rows.values));
    }
    integers_.assign(rows.values.begin(), rows.values.end());
    data_.Write(std::span<const int64_t>(integers_));
  }
  void Finish() override {
    const int64_t shape[] = {rows_, options_.columns};
    const formats::NpzItem items[] = {
        columns_.Finish("indices"),
        ends_.Finish("indptr"),
        {"format", formats::NpyText("csr")},
        {"shape",
         formats::NpyBytes(DType::kI64, {2}, std::span<const int64_t>(shape))},
        data_.Finish("data")};
    formats::WriteNpz(path_, items, options_.compress);
  }

 private:
  fs::path path_;
  MatrixWriterOptions options_;
  Column data_, columns_, ends_;
  std::vector<int64_t> integers_;
  int64_t rows_ = 0, values_ = 0;
};

// The same file where all sizes are known before: what is written goes to its
// place while it is in the cache, and no matrix lies in memory.
class PlacedNpz : public MatrixWriter {
 public:
  PlacedNpz(const fs::path& path, const MatrixWriterOptions& options,
            int64_t rows, uint64_t values)
      : options_(options) {
    const auto count = static_cast<int64_t>(values);
    const int64_t shape[] = {rows, options.columns}, zero = 0;
    const std::string heads[] = {
        formats::NpyHeader(DType::kI32, {count}),
        formats::NpyHeader(DType::kI64, {rows + 1}), formats::NpyText("csr"),
        formats::NpyBytes(DType::kI64, {2}, std::span<const int64_t>(shape)),
        formats::NpyHeader(options.integers ? DType::kI64 : DType::kF64,
                           {count})};
    store_.emplace(
        path, std::vector<archive::ZipStore::Item>{
                  {"indices.npy", heads[kColumns].size() + values * 4},
                  {"indptr.npy",
                   heads[kEnds].size() + (static_cast<uint64_t>(rows) + 1) * 8},
                  {"format.npy", heads[2].size()},
                  {"shape.npy", heads[3].size()},
                  {"data.npy", heads[kData].size() + values * 8}});
    for (size_t i = 0; i < std::size(heads); ++i) store_->Write(i, heads[i]);
    WriteArray(kEnds, &zero, 1);
  }
  void Write(const SparseRows& rows) override {
    std::vector<int64_t> numbers;
    numbers.reserve(rows.sizes.size());
    for (uint32_t size : rows.sizes) numbers.push_back(values_ += size);
    WriteArray(kEnds, numbers.data(), numbers.size());
    WriteArray(kColumns, rows.columns.data(), rows.columns.size());
    if (!options_.integers) {
      return WriteArray(kData, rows.values.data(), rows.values.size());
    }
    integers_.assign(rows.values.begin(), rows.values.end());
    WriteArray(kData, integers_.data(), integers_.size());
  }
  void Finish() override { store_->Finish(); }

 private:
  enum : size_t { kColumns = 0, kEnds = 1, kData = 4 };
  template <typename T>
  void WriteArray(size_t entry, const T* values, size_t count) {
    store_->Write(entry,
                  {reinterpret_cast<const char*>(values), count * sizeof(T)});
  }

  MatrixWriterOptions options_;
  std::optional<archive::ZipStore> store_;
  std::vector<int64_t> integers_;
  int64_t values_ = 0;
};

// One of the two, when it is known which.
class Npz : public MatrixWriter {
 public:
  Npz(const fs::path& path, const MatrixWriterOptions& options)
      : path_(path), options_(options) {}
  void Expect(int64_t rows, uint64_t values) override {
    if (options_.compress) return;
    writer_ = std::make_unique<PlacedNpz>(path_, options_, rows, values);
  }
  void Write(const SparseRows& rows) override { Writer().Write(rows); }
  void Finish() override { Writer().Finish(); }

 private:
  MatrixWriter& Writer() {
    if (writer_ == nullptr) {
      writer_ = std::make_unique<GrowingNpz>(path_, options_);
    }
    return *writer_;
  }
  fs::path path_;
  MatrixWriterOptions options_;
  std::unique_ptr<MatrixWriter> writer_;
};

}  // namespace

std::string RowJson(const uint32_t* columns, const double* values, size_t size,
                    const MatrixWriterOptions& options) {
  std::string out, numbers;
  if (options.terms != nullptr) {
    out = "{\"terms\":{";
    for (size_t i = 0; i < size; ++i) {
      if (i > 0) out += ',';
      out += DumpJson(std::string(options.terms->term(columns[i]))) + ":";
      AppendValue(out, values[i], options.integers);
    }
    return out + "}}";
  }
  out = "{\"indices\":[";
  for (size_t i = 0; i < size; ++i) {
    if (i > 0) {
      out += ',';
      numbers += ',';
    }
    out += std::to_string(columns[i]);
    AppendValue(numbers, values[i], options.integers);
  }
  return out + "],\"values\":[" + numbers + "]}";
}

std::unique_ptr<MatrixWriter> MakeMatrixWriter(
    const fs::path& path, const MatrixWriterOptions& options) {
  const std::string extension = path.extension();
  if (extension == ".npz") return std::make_unique<Npz>(path, options);
  if (extension == ".mtx") {
    return std::make_unique<MatrixMarket>(path, options);
  }
  if (extension == ".jsonl") {
    return std::make_unique<JsonLines>(path, options);
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = path.string(),
               .what = "no such kind of matrix",
               .expected = "a name in .npz, .mtx or .jsonl"});
}

}  // namespace malmoi::represent
