#include "represent/static/fasttext.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/format.h"
#include "kernels/word_kernels.h"

namespace malmoi::represent {

namespace {

constexpr int32_t kMagic = 793712314, kVersion = 12;
constexpr int kCentroids = 256;

const float* Centroid(std::span<const float> centroids, int32_t parts,
                      int32_t width, int32_t last, int32_t part, uint8_t code) {
  const int64_t at =
      part == parts - 1
          ? int64_t{part} * kCentroids * width + int64_t{code} * last
          : (int64_t{part} * kCentroids + code) * width;
  return centroids.data() + at;
}

}  // namespace

bool IsFastText(std::span<const std::byte> bytes) {
  int32_t magic;
  if (bytes.size() < 8) return false;
  std::memcpy(&magic, bytes.data(), 4);
  return magic == kMagic;
}

void FastTextMatrix::AddRow(int64_t row, std::span<float> out) const {
  if (!quantized) {
    const float* from = dense.data() + row * columns;
    for (int64_t k = 0; k < columns; ++k)
      out[static_cast<size_t>(k)] += from[k];
    return;
  }
  const float norm = norm_codes.empty()
                         ? 1.0f
                         : norm_centroids[norm_codes[static_cast<size_t>(row)]];
  for (int32_t p = 0; p < parts; ++p) {
    const float* from = Centroid(centroids, parts, part_width, last_width, p,
                                 codes[static_cast<size_t>(row * parts + p)]);
    const int32_t width = p == parts - 1 ? last_width : part_width;
    float* to = out.data() + int64_t{p} * part_width;
    for (int32_t k = 0; k < width; ++k) to[k] += norm * from[k];
  }
}

float FastTextMatrix::DotRow(int64_t row, std::span<const float> vector) const {
  if (!quantized) {
    float dot;
    kernels::WordKernels().dot_rows(vector.data(), dense.data() + row * columns,
                                    columns, 1, columns, &dot);
    return dot;
  }
  std::vector<float> unpacked(static_cast<size_t>(columns));
  AddRow(row, unpacked);
  float dot = 0;
  for (size_t k = 0; k < unpacked.size(); ++k) dot += unpacked[k] * vector[k];
  return dot;
}

// Takes the file apart, every size checked before it is used.
class FastTextReader {
 public:
  FastTextReader(std::span<const std::byte> bytes,
                 std::shared_ptr<const void> owner, const std::string& where)
      : rest_(bytes), owner_(std::move(owner)), where_(where) {}

  std::shared_ptr<const FastTextModel> Read() {
    if (!IsFastText(rest_)) Corrupt(where_, "not a fastText file");
    Take<int32_t>();
    const auto version = Take<int32_t>();
    if (version != kVersion && version != 11) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = where_,
                   .what = "unknown version of fastText's files",
                   .expected = "11 or 12",
                   .got = std::to_string(version)});
    }
    ReadArgs(version);
    ReadDictionary();
    const bool quantized = Take<uint8_t>() != 0;
    model_.input_ = quantized ? ReadQuantized() : ReadDense();
    if (!quantized && model_.pruned_) {
      Corrupt(where_, "a pruned dictionary with a matrix that is not");
    }
    const bool output_quantized = Take<uint8_t>() != 0 && quantized;
    model_.output_ = output_quantized ? ReadQuantized() : ReadDense();
    Check();
    return std::shared_ptr<FastTextModel>(new FastTextModel(std::move(model_)));
  }

 private:
  template <typename T>
  T Take() {
    T value;
    std::memcpy(&value, TakeBytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::span<const std::byte> TakeBytes(uint64_t count) {
    if (count > rest_.size()) Corrupt(where_, "the file ends too early");
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  // `count` values, of which the file must still hold as many.
  template <typename T>
  std::vector<T> TakeVector(std::optional<uint64_t> count) {
    const auto bytes = count ? CheckedMul(*count, sizeof(T)) : std::nullopt;
    if (!bytes) Corrupt(where_, "absurd sizes");
    const auto from = TakeBytes(*bytes);
    std::vector<T> values(*count);
    if (*bytes > 0) std::memcpy(values.data(), from.data(), *bytes);
    return values;
  }
  std::string TakeString() {
    const auto* data = reinterpret_cast<const char*>(rest_.data());
    const std::string_view text(data, rest_.size());
    const size_t end = text.find('\0');
    if (end == std::string_view::npos) Corrupt(where_, "a word without an end");
    std::string word(text.substr(0, end));
    rest_ = rest_.subspan(end + 1);
    return word;
  }

  void ReadArgs(int32_t version) {
    FastTextArgs& args = model_.args_;
    for (int32_t* each :
         {&args.dimensions, &args.window, &args.epochs, &args.min_count,
          &args.negatives, &args.word_ngrams}) {
      *each = Take<int32_t>();
    }
    const auto loss = Take<int32_t>(), kind = Take<int32_t>();
    for (int32_t* each : {&args.buckets, &args.min_chars, &args.max_chars,
                          &args.rate_updates}) {
      *each = Take<int32_t>();
    }
    args.subsample = Take<double>();
    if (loss < 1 || loss > 4 || kind < 1 || kind > 3 || args.dimensions < 1 ||
        args.dimensions > 1 << 20 || args.buckets < 0 || args.word_ngrams < 0 ||
        args.word_ngrams > 100 || args.min_chars < 0 || args.max_chars < 0) {
      Corrupt(where_, "settings that make no sense");
    }
    args.loss = static_cast<FastTextLoss>(loss);
    args.kind = static_cast<FastTextKind>(kind);
    // Older classifiers had no subwords.
    if (version == 11 && args.kind == FastTextKind::kSupervised) {
      args.max_chars = 0;
    }
  }

  void ReadDictionary() {
    const auto size = Take<int32_t>(), words = Take<int32_t>(),
               labels = Take<int32_t>();
    Take<int64_t>();  // tokens seen in training
    const auto pruned = Take<int64_t>();
    if (words < 0 || labels < 0 || int64_t{words} + labels != size ||
        static_cast<uint64_t>(size) * 10 > rest_.size()) {
      Corrupt(where_, "absurd sizes of the dictionary");
    }
    for (int32_t i = 0; i < size; ++i) {
      const std::string word = TakeString();
      const auto count = Take<int64_t>();
      const auto type = Take<uint8_t>();
      if (type > 1 || (type == 0) != (i < words)) {
        Corrupt(where_, "words and labels of the dictionary are mixed up");
      }
      if (type == 0) {
        model_.words_.Add(word);
        if (model_.words_.size() != i + 1) {
          Corrupt(where_, "a word comes twice", "", word.substr(0, 60));
        }
        model_.word_counts_.push_back(count);
      } else {
        model_.labels_.push_back(word.starts_with(kLabelPrefix)
                                     ? word.substr(kLabelPrefix.size())
                                     : word);
        model_.label_counts_.push_back(count);
      }
    }
    model_.pruned_ = pruned >= 0;
    for (int64_t i = 0; i < pruned; ++i) {
      const auto from = Take<int32_t>(), to = Take<int32_t>();
      model_.kept_[from] = to;
    }
  }

  FastTextMatrix ReadDense() {
    FastTextMatrix matrix;
    matrix.rows = Take<int64_t>();
    matrix.columns = Take<int64_t>();
    const auto count = Elements(matrix);
    const auto bytes = CheckedMul(*count, 4);
    if (!bytes) Corrupt(where_, "absurd sizes");
    const auto data = TakeBytes(*bytes);
    if (owner_ != nullptr &&
        reinterpret_cast<uintptr_t>(data.data()) % 4 == 0) {
      matrix.owner = owner_;
      matrix.dense = {reinterpret_cast<const float*>(data.data()), *count};
    } else {
      auto copy = std::make_shared<std::vector<float>>(*count);
      if (*bytes > 0) std::memcpy(copy->data(), data.data(), *bytes);
      matrix.dense = *copy;
      matrix.owner = std::move(copy);
    }
    for (float value : matrix.dense) {
      if (!std::isfinite(value)) {
        Corrupt(where_, "a value that is not a finite number");
      }
    }
    return matrix;
  }

  std::optional<uint64_t> Elements(const FastTextMatrix& matrix) {
    const auto count = matrix.rows < 0 || matrix.columns < 0
                           ? std::nullopt
                           : CheckedMul(static_cast<uint64_t>(matrix.rows),
                                        static_cast<uint64_t>(matrix.columns));
    if (!count) Corrupt(where_, "absurd sizes of a matrix");
    return count;
  }

  struct Quantizer {
    int32_t width, parts, part_width, last_width;
    std::vector<float> centroids;
  };
  Quantizer ReadQuantizer(int64_t columns) {
    Quantizer q;
    q.width = Take<int32_t>();
    q.parts = Take<int32_t>();
    q.part_width = Take<int32_t>();
    q.last_width = Take<int32_t>();
    if (q.width != columns || q.parts < 1 || q.part_width < 1 ||
        q.last_width < 1 || q.last_width > q.part_width ||
        int64_t{q.parts - 1} * q.part_width + q.last_width != columns) {
      Corrupt(where_, "a quantizer that does not fit its matrix");
    }
    q.centroids =
        TakeVector<float>(static_cast<uint64_t>(q.width) * kCentroids);
    for (float value : q.centroids) {
      if (!std::isfinite(value)) {
        Corrupt(where_, "a value that is not a finite number");
      }
    }
    return q;
  }

  FastTextMatrix ReadQuantized() {
    FastTextMatrix matrix;
    matrix.quantized = true;
    const bool norms = Take<uint8_t>() != 0;
    matrix.rows = Take<int64_t>();
    matrix.columns = Take<int64_t>();
    Elements(matrix);
    const auto code_bytes = Take<int32_t>();
    if (code_bytes < 0) Corrupt(where_, "absurd sizes of a matrix");
    matrix.codes = TakeVector<uint8_t>(static_cast<uint64_t>(code_bytes));
    Quantizer q = ReadQuantizer(matrix.columns);
    matrix.parts = q.parts;
    matrix.part_width = q.part_width;
    matrix.last_width = q.last_width;
    matrix.centroids = std::move(q.centroids);
    if (CheckedMul(static_cast<uint64_t>(matrix.rows),
                   static_cast<uint64_t>(q.parts)) != matrix.codes.size()) {
      Corrupt(where_, "another number of codes than the matrix needs");
    }
    if (norms) {
      matrix.norm_codes =
          TakeVector<uint8_t>(static_cast<uint64_t>(matrix.rows));
      matrix.norm_centroids = ReadQuantizer(1).centroids;
    }
    return matrix;
  }

  void Check() {
    const FastTextArgs& args = model_.args_;
    const int64_t words = model_.words_.size();
    int64_t buckets = args.buckets;
    if (model_.pruned_) {
      // What was kept lies behind the words.
      buckets = model_.input_.rows - words;
      for (const auto& [from, to] : model_.kept_) {
        if (to < 0 || to >= buckets) {
          Corrupt(where_, "a kept bucket outside of the matrix");
        }
      }
    }
    const bool supervised = args.kind == FastTextKind::kSupervised;
    const int64_t outputs =
        supervised ? static_cast<int64_t>(model_.labels_.size()) : words;
    if (model_.input_.columns != args.dimensions ||
        model_.output_.columns != args.dimensions || buckets < 0 ||
        model_.input_.rows != words + buckets ||
        model_.output_.rows < outputs) {
      Corrupt(where_, "matrices of other sizes than the dictionary",
              Format("[{}, {}] and [{}, {}]", words + buckets, args.dimensions,
                     outputs, args.dimensions),
              Format("[{}, {}] and [{}, {}]", model_.input_.rows,
                     model_.input_.columns, model_.output_.rows,
                     model_.output_.columns));
    }
    if (supervised && args.loss == FastTextLoss::kHierarchical) {
      if (!std::is_sorted(model_.label_counts_.rbegin(),
                          model_.label_counts_.rend())) {
        Corrupt(where_, "labels that are not sorted by their counts");
      }
      model_.tree_ = MakeHuffmanTree(model_.label_counts_);
    }
  }

  std::span<const std::byte> rest_;
  std::shared_ptr<const void> owner_;
  const std::string& where_;
  FastTextModel model_;
};

std::shared_ptr<const FastTextModel> FastTextModel::Parse(
    std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
    const std::string& where) {
  return FastTextReader(bytes, std::move(owner), where).Read();
}

std::shared_ptr<const FastTextModel> FastTextModel::Load(
    const std::filesystem::path& path) {
  const auto mapped = MappedFile::Open(path);
  return Parse(mapped->bytes(), mapped, path.string());
}

void FastTextModel::PushBucket(int64_t bucket,
                               std::vector<int64_t>& rows) const {
  if (pruned_) {
    const auto it = kept_.find(static_cast<int32_t>(bucket));
    if (it == kept_.end()) return;
    bucket = it->second;
  }
  rows.push_back(words_.size() + bucket);
}

void FastTextModel::RowsOf(std::string_view word,
                           std::vector<int64_t>& rows) const {
  const int64_t id = words_.Find(word);
  if (id >= 0) rows.push_back(id);
  ForSubwords(
      word, {args_.min_chars, args_.max_chars, args_.buckets},
      [&](std::string_view, int64_t bucket) { PushBucket(bucket, rows); });
}

bool FastTextModel::VectorOf(std::string_view word,
                             std::span<float> out) const {
  std::vector<int64_t> rows;
  RowsOf(word, rows);
  std::fill(out.begin(), out.end(), 0.0f);
  if (rows.empty()) return false;
  for (int64_t row : rows) input_.AddRow(row, out);
  const float factor = 1.0f / static_cast<float>(rows.size());
  for (float& value : out) value *= factor;
  return true;
}

namespace {
class PartsOfWords : public WordMaker {
 public:
  explicit PartsOfWords(std::shared_ptr<const FastTextModel> model)
      : model_(std::move(model)) {}
  bool Make(std::string_view word, std::span<float> out) const override {
    return model_->VectorOf(word, out);
  }

 private:
  std::shared_ptr<const FastTextModel> model_;
};
}  // namespace

WordVectors FastTextModel::Words() const {
  const size_t dimensions = static_cast<size_t>(args_.dimensions);
  const auto bytes =
      CheckedMul(static_cast<uint64_t>(words_.size()), dimensions * 4);
  if (words_.size() == 0 || !bytes) Corrupt("fastText model", "no vectors");
  // Codes may stand for any number of values: what they become is bounded by
  // the file, so that a few bytes do not ask for all memory.
  constexpr uint64_t kFree = uint64_t{1} << 30, kTimes = 64;
  if (input_.quantized && *bytes > kFree &&
      *bytes / kTimes > input_.codes.size()) {
    throw Error(ErrorCode::kLimit,
                {.where = "fastText model",
                 .what = "the vectors are too large for their file",
                 .expected = Format("at most {} bytes for a byte", kTimes),
                 .got = Format("{} for {}", *bytes, input_.codes.size())});
  }
  std::vector<float> values(*bytes / 4);
  for (int64_t i = 0; i < words_.size(); ++i) {
    VectorOf(words_.word(i),
             std::span(values).subspan(static_cast<size_t>(i) * dimensions,
                                       dimensions));
  }
  const bool parts = args_.max_chars > 0 && args_.buckets > 0;
  return WordVectors::Own(
      words_, args_.dimensions, std::move(values),
      parts ? std::make_shared<PartsOfWords>(shared_from_this()) : nullptr);
}

void WriteFastText(const std::filesystem::path& path,
                   const FastTextParts& parts) {
  FileWriter out(path);
  const FastTextArgs& args = parts.args;
  for (int32_t value :
       {kMagic, kVersion, args.dimensions, args.window, args.epochs,
        args.min_count, args.negatives, args.word_ngrams,
        static_cast<int32_t>(args.loss), static_cast<int32_t>(args.kind),
        args.buckets, args.min_chars, args.max_chars, args.rate_updates}) {
    out.WriteValue(value);
  }
  out.WriteValue(args.subsample);
  const auto words = static_cast<int32_t>(parts.words->size());
  const auto labels = static_cast<int32_t>(parts.labels.size());
  for (int32_t value : {words + labels, words, labels}) out.WriteValue(value);
  out.WriteValue(parts.tokens);
  out.WriteValue(int64_t{-1});  // nothing is pruned
  const auto entry = [&](std::string_view word, int64_t count, uint8_t type) {
    out.Write(word);
    out.WriteValue('\0');
    out.WriteValue(count);
    out.WriteValue(type);
  };
  for (int32_t i = 0; i < words; ++i) {
    entry(parts.words->word(i), parts.word_counts[static_cast<size_t>(i)], 0);
  }
  for (size_t i = 0; i < parts.labels.size(); ++i) {
    entry(std::string(kLabelPrefix) + parts.labels[i], parts.label_counts[i],
          1);
  }
  for (const auto& matrix : {parts.input, parts.output}) {
    out.WriteValue(uint8_t{0});  // not quantized
    out.WriteValue(static_cast<int64_t>(matrix.size()) / args.dimensions);
    out.WriteValue(int64_t{args.dimensions});
    out.Write(std::as_bytes(matrix));
  }
  out.Finish();
}

}  // namespace malmoi::represent
