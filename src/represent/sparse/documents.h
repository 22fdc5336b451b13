// The texts of a corpus, in batches that need not fit into memory together: a
// line each, or a field of each record of CSV (RFC 4180), TSV or JSON lines.
// Records are found here, in order; their texts are taken out by whoever uses
// them, on any thread.
#ifndef MALMOI_REPRESENT_SPARSE_DOCUMENTS_H_
#define MALMOI_REPRESENT_SPARSE_DOCUMENTS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::represent {

enum class TextFormat { kLines, kCsv, kTsv, kJsonl };

struct DocumentsOptions {
  std::optional<TextFormat> format;  // by default from the file's name
  // A column's name or, counted from 1, number; of JSON lines a key. Default:
  // "text", or the only column.
  std::string column;
  bool header = true;  // of CSV and TSV
};

// The longest document.
inline constexpr uint64_t kMaxDocumentBytes = uint64_t{1} << 30;

struct DocumentBatch {
  std::vector<std::string_view> records;
  int64_t first = 0;                   // the first one's number, from 0
  std::shared_ptr<const void> memory;  // keeps the records
};

class DocumentReader {
 public:
  virtual ~DocumentReader() = default;

  // Opens a file or, as "-", standard input. Throws kNotFound, kPermission,
  // kIo; kInvalidArgument where the column is not there; kCorrupt for an empty
  // file.
  static std::unique_ptr<DocumentReader> Open(const std::string& path,
                                              const DocumentsOptions& options);
  // Texts that lie in memory (which must outlive the reader), for tests.
  static std::unique_ptr<DocumentReader> FromTexts(
      std::vector<std::string> texts);

  // Records of some megabytes; false at the end. Throws kLimit for a record
  // that is too long.
  virtual bool Next(DocumentBatch& batch) = 0;
  // The text of a record, in `scratch` where it is not one piece. `number`
  // names it in errors. Throws kCorrupt for what is no record, kInvalidArgument
  // for invalid UTF-8. Any thread.
  virtual std::string_view Text(std::string_view record, int64_t number,
                                std::string& scratch) const = 0;
  // How much was read, and of how much (0: unknown).
  virtual uint64_t done_bytes() const = 0;
  virtual uint64_t total_bytes() const = 0;
  virtual const std::string& where() const = 0;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_DOCUMENTS_H_
