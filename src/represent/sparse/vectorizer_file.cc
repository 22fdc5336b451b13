// A vectorizer in an .npz: options as JSON, terms as bytes and their ends, and
// what was counted. NumPy reads it; docs/counting.md has the format.
#include <algorithm>

#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/npy.h"
#include "represent/sparse/options_json.h"
#include "represent/sparse/vectorizer.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

const Tensor& ArrayOf(const formats::TensorMap& arrays, const char* name,
                      DType dtype, const std::string& where) {
  const auto it = arrays.find(name);
  if (it == arrays.end() || it->second.dtype != dtype ||
      it->second.shape.size() != 1) {
    Corrupt(where, "not a vectorizer", Format("an array {}", name));
  }
  return it->second;
}

template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  const auto* values = reinterpret_cast<const T*>(tensor.data.data());
  return std::vector<T>(values, values + tensor.data.size() / sizeof(T));
}

}  // namespace

void Vectorizer::Save(const std::filesystem::path& path) const {
  const std::string options = DumpJson({{"format", "malmoi vectorizer"},
                                        {"version", 1},
                                        {"documents", documents_},
                                        {"options", OptionsJson(options_)}});
  const auto size = static_cast<int64_t>(vocabulary_.size());
  const std::string& bytes = vocabulary_.bytes();
  const std::vector<int64_t> ends(vocabulary_.ends().begin(),
                                  vocabulary_.ends().end());
  const std::vector<int64_t> totals(vocabulary_.totals.begin(),
                                    vocabulary_.totals.end());
  const formats::NpzItem items[] = {
      {"options", formats::NpyText(options)},
      {"terms",
       formats::NpyBytes(DType::kU8, {static_cast<int64_t>(bytes.size())},
                         std::span<const char>(bytes))},
      {"ends",
       formats::NpyBytes(DType::kI64, {size}, std::span<const int64_t>(ends))},
      {"documents",
       formats::NpyBytes(DType::kU32, {size},
                         std::span<const uint32_t>(vocabulary_.documents))},
      {"totals", formats::NpyBytes(DType::kI64, {size},
                                   std::span<const int64_t>(totals))}};
  formats::WriteNpz(path, items, false);
}

Vectorizer Vectorizer::FromArrays(const formats::TensorMap& arrays,
                                  const std::string& where) {
  const Tensor& text = ArrayOf(arrays, "options", DType::kU8, where);
  const Json json = ParseJson(
      {reinterpret_cast<const char*>(text.data.data()), text.data.size()},
      where);
  if (!json.is_object() ||
      json.value("format", Json()) != "malmoi vectorizer" ||
      !json.contains("options") ||
      !json.value("documents", Json()).is_number_unsigned()) {
    Corrupt(where, "not a vectorizer");
  }
  if (json.value("version", Json()) != 1) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "a vectorizer of another version",
                 .expected = "1",
                 .got = DumpJson(json.value("version", Json()))});
  }
  Vectorizer result(OptionsOfJson(json["options"], where));
  result.documents_ = json["documents"].get<int64_t>();
  const Tensor& terms = ArrayOf(arrays, "terms", DType::kU8, where);
  const std::string_view bytes(reinterpret_cast<const char*>(terms.data.data()),
                               terms.data.size());
  const auto ends =
      Values<int64_t>(ArrayOf(arrays, "ends", DType::kI64, where));
  const auto totals =
      Values<int64_t>(ArrayOf(arrays, "totals", DType::kI64, where));
  result.vocabulary_.documents =
      Values<uint32_t>(ArrayOf(arrays, "documents", DType::kU32, where));
  if (totals.size() != ends.size() ||
      result.vocabulary_.documents.size() != ends.size() ||
      ends.size() >= kGramBit || result.documents_ < 0 ||
      (ends.empty() ? 0 : ends.back()) != static_cast<int64_t>(bytes.size())) {
    Corrupt(where, "arrays that do not fit together");
  }
  result.vocabulary_.totals.assign(totals.begin(), totals.end());
  int64_t begin = 0;
  std::string_view before;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (ends[i] <= begin || ends[i] > static_cast<int64_t>(bytes.size())) {
      Corrupt(where, "ends of terms that do not ascend");
    }
    const std::string_view term = bytes.substr(
        static_cast<size_t>(begin), static_cast<size_t>(ends[i] - begin));
    if (text::FindInvalidUtf8(term) || (i > 0 && before >= term)) {
      Corrupt(where, "terms that are out of order, or no UTF-8");
    }
    result.vocabulary_.Add(term);
    before = term;
    begin = ends[i];
  }
  if (!result.options_.hashing && result.vocabulary_.size() == 0) {
    Corrupt(where, "a vectorizer without terms");
  }
  result.MakeIdf();
  return result;
}

Vectorizer Vectorizer::Parse(std::span<const std::byte> bytes,
                             const std::string& where) {
  return FromArrays(formats::ParseNpz(bytes, where), where);
}

Vectorizer Vectorizer::Load(const std::filesystem::path& path) {
  return FromArrays(formats::ReadNpz(path), path.string());
}

}  // namespace malmoi::represent
