#include "represent/sparse/documents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

constexpr size_t kBatchBytes = size_t{4} << 20;
constexpr size_t kForgetBytes = size_t{64} << 20;

[[noreturn]] void BadRecord(ErrorCode code, const std::string& where,
                            int64_t number, std::string what,
                            std::string expected = "", std::string got = "",
                            std::string hint = "") {
  throw Error(code, {.where = Format("{}, document {}", where, number + 1),
                     .what = std::move(what),
                     .expected = std::move(expected),
                     .got = std::move(got),
                     .hint = std::move(hint)});
}

void CheckUtf8(const std::string& where, int64_t number,
               std::string_view text) {
  if (const auto at = text::FindInvalidUtf8(text)) {
    BadRecord(ErrorCode::kInvalidArgument, where, number, "invalid UTF-8",
              "UTF-8", Format("a bad sequence at byte {}", *at),
              "iconv -f ENCODING -t UTF-8");
  }
}

std::string_view WithoutReturn(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A file as it is mapped, or pieces of a stream that begin with what was left
// of the piece before.
class Bytes {
 public:
  Bytes(const std::string& path, const std::string& where) : where_(where) {
    if (path != "-") {
      struct stat info;
      if (stat(path.c_str(), &info) != 0) {
        ThrowErrno(path, "cannot open file", errno);
      }
      if (S_ISREG(info.st_mode)) {
        mapped_ = MappedFile::Open(path);
        total_ = mapped_->bytes().size();
        return;
      }
      file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (file_ < 0) ThrowErrno(path, "cannot open file", errno);
    } else {
      file_ = STDIN_FILENO;
    }
  }
  ~Bytes() {
    if (file_ > STDIN_FILENO) close(file_);
  }

  // More than `kept` bytes from where Skip() left; all of a file's rest. False
  // where there is no more.
  bool Fill(size_t kept) {
    if (mapped_ != nullptr) return view().size() > kept;
    if (ended_) return false;
    auto next = std::make_shared<std::string>(view());
    const size_t before = next->size();
    const size_t wanted = std::max(before * 2, before + kBatchBytes);
    next->resize(wanted);
    size_t have = before;
    while (have < wanted) {
      const ssize_t count = read(file_, next->data() + have, wanted - have);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) ThrowErrno(where_, "cannot read file", errno);
      if (count == 0) {
        ended_ = true;
        break;
      }
      have += static_cast<size_t>(count);
    }
    next->resize(have);
    piece_ = std::move(next);
    at_ = 0;
    return have > kept;
  }
  std::string_view view() const {
    if (mapped_ != nullptr) {
      return std::string_view(
                 reinterpret_cast<const char*>(mapped_->bytes().data()),
                 mapped_->bytes().size())
          .substr(at_);
    }
    return piece_ == nullptr ? std::string_view()
                             : std::string_view(*piece_).substr(at_);
  }
  // Whether the view reaches to the end.
  bool whole() const { return mapped_ != nullptr || ended_; }
  void Skip(size_t bytes) {
    at_ += bytes;
    done_ += bytes;
  }
  // What was skipped before need not stay in memory.
  void Forget() {
    if (mapped_ == nullptr || at_ - forgotten_ < kForgetBytes) return;
    DropPages(mapped_->bytes().subspan(forgotten_, at_ - forgotten_));
    forgotten_ = at_;
  }
  std::shared_ptr<const void> memory() const {
    return mapped_ != nullptr ? std::shared_ptr<const void>(mapped_)
                              : std::shared_ptr<const void>(piece_);
  }
  uint64_t done() const { return done_; }
  uint64_t total() const { return total_; }

 private:
  const std::string& where_;
  std::shared_ptr<const MappedFile> mapped_;
  std::shared_ptr<std::string> piece_;
  int file_ = -1;
  size_t at_ = 0, forgotten_ = 0;
  bool ended_ = false;
  uint64_t done_ = 0, total_ = 0;
};

// One past the end of the record at the begin of `text`, its newline included;
// npos
// where it does not end.
size_t EndOfLine(std::string_view text) {
  const size_t end = text.find('\n');
  return end == std::string_view::npos ? end : end + 1;
}

size_t EndOfCsv(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '\n' && !quoted) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// The field of a record of CSV; nullopt where there are too few.
std::optional<std::string_view> CsvField(std::string_view record, size_t column,
                                         std::string& scratch) {
  size_t at = 0;
  for (size_t i = 0;; ++i) {
    size_t end;
    const bool quoted = at < record.size() && record[at] == '"';
    if (quoted) {
      if (i == column) scratch.clear();
      end = at + 1;
      while (end < record.size()) {
        const size_t quote = std::min(record.find('"', end), record.size());
        if (i == column) scratch.append(record, end, quote - end);
        end = std::min(quote + 1, record.size());
        if (end >= record.size() || record[end] != '"') break;
        if (i == column) scratch += '"';
        ++end;
      }
      const size_t comma = std::min(record.find(',', end), record.size());
      if (i == column) {
        scratch.append(record, end, comma - end);
        return scratch;
      }
      end = comma;
    } else {
      end = std::min(record.find(',', at), record.size());
      if (i == column) return record.substr(at, end - at);
    }
    if (end >= record.size()) return std::nullopt;
    at = end + 1;
  }
}

std::optional<std::string_view> TsvField(std::string_view record,
                                         size_t column) {
  for (size_t i = 0;; ++i) {
    const size_t tab = record.find('\t');
    if (i == column) return record.substr(0, tab);
    if (tab == std::string_view::npos) return std::nullopt;
    record.remove_prefix(tab + 1);
  }
}

std::optional<size_t> AsNumber(std::string_view text) {
  size_t value = 0;
  if (text.empty() || text.size() > 6) return std::nullopt;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<size_t>(c - '0');
  }
  return value;
}

class FileReader : public DocumentReader {
 public:
  FileReader(const std::string& path, const DocumentsOptions& options)
      : where_(path == "-" ? "standard input" : path),
        bytes_(path, where_),
        options_(options) {
    const std::string extension = std::filesystem::path(path).extension();
    format_ = options.format.value_or(
        extension == ".csv"                               ? TextFormat::kCsv
        : extension == ".tsv"                             ? TextFormat::kTsv
        : extension == ".jsonl" || extension == ".ndjson" ? TextFormat::kJsonl
                                                          : TextFormat::kLines);
    if (format_ == TextFormat::kCsv || format_ == TextFormat::kTsv) {
      FindColumn();
    } else if (format_ == TextFormat::kLines && !options.column.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = where_,
                   .what = "lines of text have no columns",
                   .expected = "CSV, TSV or JSON lines",
                   .hint = "--format"});
    }
    if (options_.column.empty()) options_.column = "text";
  }

  bool Next(DocumentBatch& batch) override {
    bytes_.Forget();
    batch.records.clear();
    batch.first = next_;
    size_t used = 0;
    while (used < kBatchBytes) {
      std::string_view rest = bytes_.view().substr(used);
      size_t end = RecordEnd(rest);
      if (end == std::string_view::npos) {
        if (!batch.records.empty() && !bytes_.whole()) break;
        if (bytes_.whole()) {
          if (rest.empty()) break;
          end = rest.size();
        } else {
          CheckLength(rest.size());
          bytes_.Fill(rest.size());
          continue;
        }
      }
      CheckLength(end);
      used += end;
      std::string_view record = rest.substr(0, end);
      if (record.ends_with('\n')) record.remove_suffix(1);
      record = WithoutReturn(record);
      // Where each record is a line by itself an empty one is none.
      if (record.empty() && format_ != TextFormat::kLines) continue;
      batch.records.push_back(record);
    }
    batch.memory = bytes_.memory();
    bytes_.Skip(used);
    next_ += static_cast<int64_t>(batch.records.size());
    return used > 0;
  }

  std::string_view Text(std::string_view record, int64_t number,
                        std::string& scratch) const override {
    std::optional<std::string_view> text = record;
    if (format_ == TextFormat::kCsv) {
      text = CsvField(record, column_, scratch);
    } else if (format_ == TextFormat::kTsv) {
      text = TsvField(record, column_);
    } else if (format_ == TextFormat::kJsonl) {
      text = JsonField(record, number, scratch);
    }
    if (!text) {
      BadRecord(ErrorCode::kCorrupt, where_, number, "a record is too short",
                Format("a column {}", column_ + 1));
    }
    CheckUtf8(where_, number, *text);
    return *text;
  }

  uint64_t done_bytes() const override { return bytes_.done(); }
  uint64_t total_bytes() const override { return bytes_.total(); }
  const std::string& where() const override { return where_; }

 private:
  size_t RecordEnd(std::string_view rest) const {
    return format_ == TextFormat::kCsv ? EndOfCsv(rest) : EndOfLine(rest);
  }

  void CheckLength(size_t bytes) const {
    if (bytes <= kMaxDocumentBytes) return;
    BadRecord(ErrorCode::kLimit, where_, next_, "a document is too long",
              Format("at most {} bytes", kMaxDocumentBytes), "more",
              "lines that are shorter");
  }

  std::string_view JsonField(std::string_view record, int64_t number,
                             std::string& scratch) const {
    const Json value =
        ParseJson(record, Format("{}, document {}", where_, number + 1),
                  {.max_bytes = kMaxDocumentBytes});
    const Json* field = &value;
    if (value.is_object()) {
      if (!value.contains(options_.column)) {
        BadRecord(ErrorCode::kInvalidArgument, where_, number, "no such column",
                  options_.column, "", "--column");
      }
      field = &value[options_.column];
    }
    if (!field->is_string()) {
      BadRecord(ErrorCode::kInvalidArgument, where_, number, "not a text",
                "a string");
    }
    scratch = field->get<std::string>();
    return scratch;
  }

  // Reads the header and finds the column by name, number or default.
  void FindColumn() {
    std::vector<std::string> names;
    if (options_.header) names = ReadHeader();
    if (const auto number = AsNumber(options_.column)) {
      if (*number == 0) NoColumn(names);
      column_ = *number - 1;
      if (options_.header && column_ >= names.size()) NoColumn(names);
      return;
    }
    if (!options_.header) NoColumn(names);
    const std::string wanted =
        options_.column.empty() ? "text" : options_.column;
    const auto it = std::find(names.begin(), names.end(), wanted);
    if (it != names.end()) {
      column_ = static_cast<size_t>(it - names.begin());
    } else if (!options_.column.empty() || names.size() != 1) {
      NoColumn(names);
    }
  }

  std::vector<std::string> ReadHeader() {
    size_t end;
    while ((end = RecordEnd(bytes_.view())) == std::string_view::npos &&
           !bytes_.whole()) {
      CheckLength(bytes_.view().size());
      bytes_.Fill(bytes_.view().size());
    }
    std::string_view record = bytes_.view().substr(0, end);
    const size_t used = record.size();
    if (record.ends_with('\n')) record.remove_suffix(1);
    record = WithoutReturn(record);
    if (record.starts_with("\xef\xbb\xbf")) record.remove_prefix(3);
    std::vector<std::string> names;
    std::string scratch;
    for (size_t i = 0;; ++i) {
      const auto name = format_ == TextFormat::kCsv
                            ? CsvField(record, i, scratch)
                            : TsvField(record, i);
      if (!name) break;
      names.emplace_back(*name);
    }
    bytes_.Skip(used);
    return names;
  }

  [[noreturn]] void NoColumn(const std::vector<std::string>& names) const {
    std::string all;
    for (const std::string& name : names) {
      all += (all.empty() ? "" : ", ") + name;
    }
    throw Error(ErrorCode::kInvalidArgument,
                {.where = where_,
                 .what = "no such column",
                 .expected = all.empty() ? "a number from 1" : "one of " + all,
                 .got = options_.column,
                 .hint = "--column"});
  }

  std::string where_;
  Bytes bytes_;
  DocumentsOptions options_;
  TextFormat format_;
  size_t column_ = 0;
  int64_t next_ = 0;
};

class TextsReader : public DocumentReader {
 public:
  explicit TextsReader(std::vector<std::string> texts)
      : texts_(std::move(texts)) {}
  bool Next(DocumentBatch& batch) override {
    if (done_) return false;
    batch = {};
    for (const std::string& text : texts_) batch.records.push_back(text);
    done_ = true;
    return true;
  }
  std::string_view Text(std::string_view record, int64_t number,
                        std::string&) const override {
    CheckUtf8(where_, number, record);
    return record;
  }
  uint64_t done_bytes() const override { return 0; }
  uint64_t total_bytes() const override { return 0; }
  const std::string& where() const override { return where_; }

 private:
  std::vector<std::string> texts_;
  std::string where_ = "texts";
  bool done_ = false;
};

}  // namespace

std::unique_ptr<DocumentReader> DocumentReader::Open(
    const std::string& path, const DocumentsOptions& options) {
  return std::make_unique<FileReader>(path, options);
}

std::unique_ptr<DocumentReader> DocumentReader::FromTexts(
    std::vector<std::string> texts) {
  return std::make_unique<TextsReader>(std::move(texts));
}

}  // namespace malmoi::represent
