#include "represent/static/vector_files.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "formats/npy.h"
#include "represent/static/fasttext.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

std::string Shown(std::string_view word) {
  return text::ReplaceInvalidUtf8(word.substr(0, 60));
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// A whole field as a finite or other number; nullopt for anything else. As
// NumPy does it: in double, then rounded.
std::optional<float> Number(std::string_view field) {
  if (!field.empty() && field[0] == '+') field.remove_prefix(1);
  double value = 0;
  const auto [end, error] =
      std::from_chars(field.data(), field.data() + field.size(), value);
  if (end != field.data() + field.size() || field.empty()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    // Too small or too large: the exponent tells.
    const size_t e = field.find_first_of("eE");
    return e != std::string_view::npos && field.substr(e + 1).starts_with('-')
               ? 0.0f
               : INFINITY;
  }
  if (error != std::errc()) return std::nullopt;
  return static_cast<float>(value);
}

std::optional<int64_t> Count(std::string_view field) {
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) {
    return std::nullopt;
  }
  return value;
}

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  size_t at = 0;
  while (at < line.size()) {
    while (at < line.size() && IsBlank(line[at])) ++at;
    const size_t begin = at;
    while (at < line.size() && !IsBlank(line[at])) ++at;
    if (at > begin) fields.push_back(line.substr(begin, at - begin));
  }
  return fields;
}

struct Header {
  int64_t words, dimensions;
};

std::optional<Header> ParseHeader(std::string_view line) {
  const auto fields = Fields(line);
  if (fields.size() != 2) return std::nullopt;
  const auto words = Count(fields[0]), dimensions = Count(fields[1]);
  if (!words || !dimensions) return std::nullopt;
  return Header{*words, *dimensions};
}

std::string_view Text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

// The rows as they are read, with the rules that all formats share.
class Collector {
 public:
  Collector(const std::string& where, const ReadVectorsOptions& options)
      : where_(where), options_(options) {}

  bool full() const { return words_.size() >= options_.max_words; }
  void Reserve(int64_t words, int64_t dimensions) {
    words = std::min(words, options_.max_words);
    words_.Reserve(words);
    values_.reserve(static_cast<size_t>(words * dimensions));
  }
  // Where the next row goes, or is discarded. `place` names it in errors.
  float* Row(std::string_view word, int64_t dimensions,
             const std::string& place) {
    if (word.empty()) Corrupt(place, "a vector without a word");
    const int64_t before = words_.size();
    words_.Add(word);
    if (words_.size() == before) {
      if (!options_.first_of_duplicates) {
        Corrupt(place, "a word comes twice", "", Shown(word), "--keep-first");
      }
      spare_.resize(static_cast<size_t>(dimensions));
      return spare_.data();
    }
    values_.resize(values_.size() + static_cast<size_t>(dimensions));
    return values_.data() + values_.size() - dimensions;
  }
  void Check(std::string_view word, const float* row, int64_t dimensions,
             const std::string& place) const {
    for (int64_t k = 0; k < dimensions; ++k) {
      if (std::isfinite(row[k])) continue;
      Corrupt(place, "a value that is not a finite number", "",
              Format("{} of {}", row[k], Shown(word)));
    }
  }
  WordVectors Finish(int64_t dimensions) {
    if (words_.size() == 0) Corrupt(where_, "no vectors");
    return WordVectors::Own(std::move(words_), dimensions, std::move(values_));
  }

 private:
  const std::string& where_;
  const ReadVectorsOptions& options_;
  WordTable words_;
  std::vector<float> values_, spare_;
};

// A line of text: the last `dimensions` fields are numbers, the word is what
// stands before them (GloVe's has blanks in some words).
void ParseTextLine(std::string_view line, int64_t dimensions,
                   const std::string& place, Collector& out) {
  const auto fields = Fields(line);
  const auto count = static_cast<int64_t>(fields.size());
  if (count < dimensions + 1) {
    Corrupt(place, "another number of values than before",
            Format("a word and {} values", dimensions),
            Format("{} fields", count));
  }
  const size_t first = static_cast<size_t>(count - dimensions);
  if (first > 1 && Number(fields[1]) && Number(fields[first - 1])) {
    Corrupt(place, "another number of values than before",
            Format("a word and {} values", dimensions),
            Format("{} fields", count));
  }
  const char* begin = fields[0].data();
  const std::string_view last = fields[first - 1];
  const std::string_view word(
      begin, static_cast<size_t>(last.data() + last.size() - begin));
  float* row = out.Row(word, dimensions, place);
  for (int64_t k = 0; k < dimensions; ++k) {
    const std::string_view field = fields[first + static_cast<size_t>(k)];
    const auto value = Number(field);
    if (!value) {
      Corrupt(place, "a value that is not a number", "", Shown(field));
    }
    row[k] = *value;
  }
  out.Check(word, row, dimensions, place);
}

void CheckHeader(const Header& header, size_t bytes, size_t least_of_value,
                 const std::string& where) {
  const auto values =
      header.words < 0 || header.dimensions < 1
          ? std::nullopt
          : CheckedMul(static_cast<uint64_t>(header.words),
                       static_cast<uint64_t>(header.dimensions));
  const auto needed =
      values ? CheckedMul(*values, least_of_value) : std::nullopt;
  if (!needed || *needed > bytes) {
    Corrupt(
        where, "a header that the file is too short for",
        "the numbers of words and of dimensions",
        Format("{} {} in {} bytes", header.words, header.dimensions, bytes));
  }
}

WordVectors ParseText(std::string_view rest, bool with_header,
                      const std::string& where,
                      const ReadVectorsOptions& options) {
  Collector out(where, options);
  int64_t dimensions = 0, number = 0, words = 0;
  std::optional<Header> header;
  if (with_header) {
    header = ParseHeader(TakeLine(rest));
    CheckHeader(*header, rest.size(), 2, where);  // a blank and a digit
    dimensions = header->dimensions;
    ++number;
    out.Reserve(header->words, dimensions);
  }
  while (!rest.empty() && !out.full()) {
    const std::string_view line = TakeLine(rest);
    ++number;
    const std::string place = Format("{}:{}", where, number);
    if (Fields(line).empty()) {
      if (Fields(rest).empty() &&
          rest.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        break;
      }
      Corrupt(place, "an empty line");
    }
    if (header && words == header->words) {
      Corrupt(place, "more vectors than the header says",
              std::to_string(header->words), "more");
    }
    if (dimensions == 0) {
      dimensions = static_cast<int64_t>(Fields(line).size()) - 1;
      if (dimensions < 1) Corrupt(place, "not a word and its vector");
    }
    ParseTextLine(line, dimensions, place, out);
    ++words;
  }
  if (header && words < header->words && !out.full()) {
    Corrupt(where, "fewer vectors than the header says",
            std::to_string(header->words), std::to_string(words));
  }
  return out.Finish(dimensions);
}

WordVectors ParseBinary(std::string_view rest, const std::string& where,
                        const ReadVectorsOptions& options) {
  const auto header = ParseHeader(TakeLine(rest));
  CheckHeader(*header, rest.size(), 4, where);
  const int64_t dimensions = header->dimensions;
  const size_t bytes = static_cast<size_t>(dimensions) * 4;
  Collector out(where, options);
  out.Reserve(header->words, dimensions);
  for (int64_t i = 0; i < header->words && !out.full(); ++i) {
    while (!rest.empty() && rest[0] == '\n') rest.remove_prefix(1);
    const std::string place = Format("{}: word {}", where, i + 1);
    const size_t end = rest.find(' ');
    if (end == std::string_view::npos || rest.size() - end - 1 < bytes) {
      Corrupt(where, "the file ends before its last vector",
              Format("{} words", header->words), Format("{} words", i));
    }
    const std::string_view word = rest.substr(0, end);
    float* row = out.Row(word, dimensions, place);
    std::memcpy(row, rest.data() + end + 1, bytes);
    out.Check(word, row, dimensions, place);
    rest.remove_prefix(end + 1 + bytes);
  }
  if (!out.full() && rest.find_first_not_of('\n') != std::string_view::npos) {
    Corrupt(where, "more vectors than the header says",
            std::to_string(header->words), "more");
  }
  return out.Finish(dimensions);
}

WordVectors ReadNpyVectors(const fs::path& path,
                           const ReadVectorsOptions& options) {
  const std::string where = path.string();
  const Tensor tensor = formats::ReadNpy(path);
  if (tensor.shape.size() != 2 || tensor.dtype != DType::kF32 ||
      tensor.columns() < 1) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "not a matrix of word vectors",
                 .expected = "float32 [words, dimensions]",
                 .got = Format("{} {}", Info(tensor.dtype).name,
                               ShapeString(tensor.shape))});
  }
  fs::path list = options.vocabulary;
  if (list.empty()) list = fs::path(path).replace_extension(".vocab");
  const std::string text = ReadFile(list);
  WordTable words;
  std::string_view rest = text;
  int64_t number = 0;
  while (!rest.empty()) {
    std::string_view word = TakeLine(rest);
    if (word.ends_with('\r')) word.remove_suffix(1);
    const std::string place = Format("{}:{}", list.string(), ++number);
    if (word.empty()) Corrupt(place, "an empty line");
    words.Add(word);
    if (words.size() < number) {
      Corrupt(place, "a word comes twice", "", Shown(word));
    }
  }
  if (number != tensor.shape[0]) {
    Corrupt(where, "another number of rows than words",
            Format("{} of {}", number, list.string()),
            std::to_string(tensor.shape[0]));
  }
  if (number == 0) Corrupt(where, "no vectors");
  const std::span values(reinterpret_cast<const float*>(tensor.data.data()),
                         static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    const auto row = static_cast<int64_t>(i) / tensor.columns();
    Corrupt(Format("{}: word {}", where, row + 1),
            "a value that is not a finite number", "",
            Format("{} of {}", values[i], Shown(words.word(row))));
  }
  return WordVectors(std::move(words), tensor.columns(), values, tensor.owner);
}

void RequireWritable(std::string_view word) {
  if (word.empty() || word.find_first_of(" \t\n\r") != std::string_view::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = Shown(word),
                 .what = "a word that such a file cannot hold",
                 .expected = "no blanks"});
  }
}

}  // namespace

std::string_view VectorFormatName(VectorFormat format) {
  constexpr std::string_view kNames[] = {"text", "binary", "glove", "npy",
                                         "fasttext"};
  return kNames[static_cast<int>(format)];
}

VectorFormat FindVectorFormat(std::string_view name) {
  for (const auto format :
       {VectorFormat::kText, VectorFormat::kBinary, VectorFormat::kGlove,
        VectorFormat::kNpy, VectorFormat::kFastText}) {
    if (VectorFormatName(format) == name) return format;
  }
  throw Error(ErrorCode::kUsage,
              {.where = "--format",
               .what = "unknown format",
               .expected = "text, binary, glove, npy or fasttext",
               .got = std::string(name)});
}

VectorFormat DetectVectorFormat(std::span<const std::byte> bytes,
                                const std::string& where) {
  std::string_view text = Text(bytes);
  if (IsFastText(bytes)) return VectorFormat::kFastText;
  if (text.starts_with("\x93NUMPY")) return VectorFormat::kNpy;
  const std::string_view line = TakeLine(text);
  if (const auto header = ParseHeader(line)) {
    // What follows the first word: numbers in letters, or their bytes.
    const std::string_view second = TakeLine(text);
    const auto fields = Fields(second);
    const bool letters =
        (fields.size() > 1 && Number(fields[1])) ||
        std::none_of(second.begin(), second.end(), [](char c) {
          return static_cast<unsigned char>(c) < ' ' && !IsBlank(c);
        });
    return letters || second.empty() ? VectorFormat::kText
                                     : VectorFormat::kBinary;
  }
  const auto fields = Fields(line);
  if (fields.size() > 1 && Number(fields.back())) return VectorFormat::kGlove;
  Corrupt(where, "not a file of word vectors",
          "a header of two numbers, or a word and its vector",
          Shown(line.substr(0, 40)));
}

WordVectors ParseVectors(std::span<const std::byte> bytes,
                         const std::string& where,
                         const ReadVectorsOptions& options) {
  switch (DetectVectorFormat(bytes, where)) {
    case VectorFormat::kText:
      return ParseText(Text(bytes), true, where, options);
    case VectorFormat::kGlove:
      return ParseText(Text(bytes), false, where, options);
    case VectorFormat::kBinary:
      return ParseBinary(Text(bytes), where, options);
    case VectorFormat::kFastText:
      return FastTextModel::Parse(bytes, nullptr, where)->Words();
    case VectorFormat::kNpy:
      break;
  }
  Corrupt(where, "an .npy array outside of a file");
}

WordVectors ReadVectors(const fs::path& path,
                        const ReadVectorsOptions& options) {
  const auto mapped = MappedFile::Open(path);
  const std::string where = path.string();
  switch (DetectVectorFormat(mapped->bytes(), where)) {
    case VectorFormat::kNpy:
      return ReadNpyVectors(path, options);
    case VectorFormat::kFastText:
      return FastTextModel::Parse(mapped->bytes(), mapped, where)->Words();
    default:
      return ParseVectors(mapped->bytes(), where, options);
  }
}

void WriteVectors(const fs::path& path, const WordVectors& vectors,
                  VectorFormat format) {
  MALMOI_CHECK(format != VectorFormat::kFastText);
  FileWriter out(path);
  const WordTable& words = vectors.words();
  if (format == VectorFormat::kNpy) {
    FileWriter list(fs::path(path).replace_extension(".vocab"));
    for (int64_t i = 0; i < words.size(); ++i) {
      RequireWritable(words.word(i));
      list.Write(words.word(i));
      list.Write("\n");
    }
    out.Write(formats::NpyBytes(
        DType::kF32, {vectors.size(), vectors.dimensions()}, vectors.values()));
    out.Finish();
    return list.Finish();
  }
  if (format != VectorFormat::kGlove) {
    out.Write(Format("{} {}\n", vectors.size(), vectors.dimensions()));
  }
  for (int64_t i = 0; i < vectors.size(); ++i) {
    RequireWritable(words.word(i));
    out.Write(words.word(i));
    if (format == VectorFormat::kBinary) {
      out.Write(" ");
      out.Write(std::as_bytes(vectors.row(i)));
    } else {
      for (float value : vectors.row(i)) out.Write(Format(" {}", value));
    }
    out.Write("\n");
  }
  out.Finish();
}

}  // namespace malmoi::represent
