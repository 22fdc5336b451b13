#include "cli/map_input.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/embedding.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "formats/npy.h"
#include "represent/contextual/embedder.h"
#include "represent/sparse/documents.h"
#include "represent/static/vector_files.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

[[noreturn]] void Invalid(std::string where, std::string what,
                          std::string expected, std::string got) {
  throw Error(ErrorCode::kInvalidArgument, {.where = std::move(where),
                                            .what = std::move(what),
                                            .expected = std::move(expected),
                                            .got = std::move(got)});
}

// A column of a file, or its lines.
std::vector<std::string> ReadTexts(const std::string& path,
                                   const std::string& column) {
  represent::DocumentsOptions options;
  options.column = column;
  const auto reader = represent::DocumentReader::Open(path, options);
  std::vector<std::string> texts;
  represent::DocumentBatch batch;
  std::string scratch;
  while (reader->Next(batch)) {
    for (size_t i = 0; i < batch.records.size(); ++i) {
      texts.emplace_back(reader->Text(
          batch.records[i], batch.first + static_cast<int64_t>(i), scratch));
    }
  }
  return texts;
}

template <typename T>
void Append(std::span<const std::byte> bytes, std::vector<float>& values) {
  for (size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    values.push_back(static_cast<float>(value));
  }
}

void ReadArray(const std::string& path, MapInput& input) {
  const Tensor tensor = formats::ReadNpy(path);
  if (tensor.shape.size() != 2) {
    Invalid(path, "not a matrix", "an array of two dimensions",
            ShapeString(tensor.shape));
  }
  input.rows = tensor.shape[0];
  input.columns = tensor.shape[1];
  switch (tensor.dtype) {
    case DType::kF32:
      return Append<float>(tensor.data, input.values);
    case DType::kF64:
      return Append<double>(tensor.data, input.values);
    case DType::kI8:
      return Append<int8_t>(tensor.data, input.values);
    case DType::kU8:
      return Append<uint8_t>(tensor.data, input.values);
    case DType::kI32:
      return Append<int32_t>(tensor.data, input.values);
    case DType::kI64:
      return Append<int64_t>(tensor.data, input.values);
    case DType::kF16:
      return Append<_Float16>(tensor.data, input.values);
    default:
      throw Error(ErrorCode::kUnsupported,
                  {.where = path,
                   .what = "vectors of this type",
                   .expected = "floats or whole numbers"});
  }
}

std::string Spelled(const Json& value) {
  return value.is_string() ? value.get<std::string>() : DumpJson(value);
}

// What `embed --json` writes, and whatever stands beside the vectors.
void ReadJsonLines(const Invocation& call, const std::string& path,
                   MapInput& input) {
  const std::string all = path == "-" ? ReadRest() : ReadFile(path);
  const std::string text_key = call.Text("--column").value_or("text");
  const std::string label_key = call.Text("--label").value_or("label");
  bool texts = true, labels = true;
  size_t number = 0;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    const std::string_view line(all.data() + at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    const std::string where = Format("{}, line {}", path, number);
    const Json object = ParseJson(line, where);
    const Json vector = object.is_object() && object.contains("embedding")
                            ? object["embedding"]
                            : (object.is_array() ? object : Json());
    if (!vector.is_array()) {
      Invalid(where, "no vector in this line", "\"embedding\": [numbers]",
              std::string(line.substr(0, 40)));
    }
    for (const Json& value : vector) {
      if (!value.is_number()) {
        Invalid(where, "a value that is no finite number", "finite numbers",
                Spelled(value));
      }
      input.values.push_back(value.get<float>());
    }
    const auto columns = static_cast<int64_t>(vector.size());
    if (input.rows > 0 && columns != input.columns) {
      Invalid(where, "a vector of another length",
              std::to_string(input.columns), std::to_string(columns));
    }
    input.columns = columns;
    ++input.rows;
    const auto take = [&](bool& there, const std::string& key,
                          std::vector<std::string>& to) {
      there = there && object.is_object() && object.contains(key);
      if (there) to.push_back(Spelled(object[key]));
    };
    take(texts, text_key, input.texts);
    take(labels, label_key, input.labels);
  }
  // Where not all lines have them, none has.
  if (!texts) input.texts.clear();
  if (!labels) input.labels.clear();
  if (!labels && call.Text("--label") && !call.Text("--labels") &&
      !call.Text("--texts")) {
    Invalid(path, "a line without this key", label_key, "none");
  }
}

void ReadWords(const Invocation& call, const std::string& path,
               MapInput& input) {
  const std::vector<std::string> words(call.positionals.begin() + 1,
                                       call.positionals.end());
  const int64_t top = call.Integer("--top").value_or(1000);
  if (top < 1) ThrowUsage("--top", "value out of range", "at least 1");
  represent::ReadVectorsOptions options;
  options.first_of_duplicates = call.Flag("--keep-first");
  options.vocabulary = call.Text("--vocabulary").value_or("");
  if (words.empty()) options.max_words = top;
  const auto vectors = represent::ReadVectors(path, options);
  input.columns = vectors.dimensions();
  for (const std::string& word : words) {
    const auto vector = vectors.VectorOf(word);
    input.values.insert(input.values.end(), vector.begin(), vector.end());
    input.texts.push_back(word);
  }
  for (int64_t id = 0; words.empty() && id < std::min(top, vectors.size());
       ++id) {
    const auto row = vectors.row(id);
    input.values.insert(input.values.end(), row.begin(), row.end());
    input.texts.emplace_back(
        text::ReplaceInvalidUtf8(vectors.words().word(id)));
  }
  input.rows = static_cast<int64_t>(input.texts.size());
}

void EmbedTexts(const Invocation& call, const std::string& path,
                MapInput& input) {
  input.texts = ReadTexts(path, call.Text("--column").value_or(""));
  if (call.Text("--label") && !call.Text("--labels")) {
    input.labels = ReadTexts(path, *call.Text("--label"));
  }
  const auto embedder = LoadEmbedder(call);
  represent::EmbedOptions options;
  if (call.Flag("--truncate")) {
    options.longer = represent::LongTexts::kTruncate;
  }
  options.prompt = PromptOption(call, *embedder);
  constexpr size_t kSome = 512;
  const bool draw = IsTerminal(STDERR_FILENO);
  for (size_t at = 0; at < input.texts.size(); at += kSome) {
    if (InterruptGuard::Interrupted()) return;
    if (draw) {
      const std::string text = Format("\r{} {}%\033[K", Translate("texts"),
                                      100 * at / input.texts.size());
      if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
    }
    options.first = at;
    const auto some =
        std::span(input.texts)
            .subspan(at, std::min(kSome, input.texts.size() - at));
    const auto found = embedder->Embed(some, options);
    NoteLong(found, at);
    input.columns = found.dimensions;
    input.values.insert(input.values.end(), found.values.begin(),
                        found.values.end());
  }
  input.rows = static_cast<int64_t>(input.texts.size());
}

void CheckCount(const std::string& where, size_t got, int64_t rows,
                const char* what) {
  if (got == 0 || static_cast<int64_t>(got) == rows) return;
  Invalid(where, what, std::to_string(rows), std::to_string(got));
}

}  // namespace

MapInput ReadMapInput(const Invocation& call) {
  const std::string& path = call.positionals[0];
  const std::string extension = std::filesystem::path(path).extension();
  MapInput input;
  const bool words = call.positionals.size() > 1;
  if (call.Text("--model")) {
    if (words) ThrowUsage("map", "words need word vectors, not a model");
    EmbedTexts(call, path, input);
  } else if (extension == ".npy" && !words && !call.Text("--vocabulary")) {
    ReadArray(path, input);
  } else if (path == "-" || extension == ".jsonl" || extension == ".ndjson") {
    ReadJsonLines(call, path, input);
  } else if (extension == ".csv" || extension == ".tsv") {
    ThrowUsage("map", "texts need a model that embeds them", "--model MODEL",
               "--model minilm");
  } else {
    ReadWords(call, path, input);
  }
  if (InterruptGuard::Interrupted()) return input;
  if (input.rows == 0 || input.columns == 0) {
    Invalid(path, "no vectors", "at least one row and one column",
            Format("{} x {}", input.rows, input.columns));
  }
  const auto texts = call.Text("--texts");
  if (texts)
    input.texts = ReadTexts(*texts, call.Text("--column").value_or(""));
  const auto labels = call.Text("--labels");
  const auto label = call.Text("--label");
  if (labels) {
    input.labels = ReadTexts(*labels, label.value_or(""));
  } else if (label && texts) {
    input.labels = ReadTexts(*texts, *label);
  } else if (label && input.labels.empty()) {
    ThrowUsage("--label", "another option is needed", "--labels FILE");
  }
  CheckCount("--texts", input.texts.size(), input.rows,
             "another number of texts than of vectors");
  CheckCount("--labels", input.labels.size(), input.rows,
             "another number of labels than of vectors");
  return input;
}

}  // namespace malmoi::cli
