// Texts as sparse vectors: counts of terms or TF-IDF over a learnt vocabulary,
// or hashed terms without one. What comes out is what scikit-learn's
// CountVectorizer, TfidfVectorizer and HashingVectorizer give.
#ifndef MALMOI_REPRESENT_SPARSE_VECTORIZER_H_
#define MALMOI_REPRESENT_SPARSE_VECTORIZER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "formats/npy.h"
#include "represent/sparse/counter.h"
#include "represent/sparse/matrix_writer.h"
#include "represent/sparse/vocabulary.h"

namespace malmoi::represent {

// ln((1 + n) / (1 + df)) + 1; the same without the ones in the fraction; 1.
enum class Idf { kSmooth, kPlain, kNone };
enum class RowNorm { kNone, kL1, kL2 };

struct WeightOptions {
  bool tfidf = false;  // otherwise counts, and only `binary` and `norm` hold
  bool binary = false;
  bool sublinear = false;  // 1 + ln(count)
  Idf idf = Idf::kSmooth;
  RowNorm norm = RowNorm::kNone;
};

struct HashingOptions {
  int64_t features = int64_t{1} << 20;
  bool alternate_sign = true;
};

struct VectorizerOptions {
  AnalyzerOptions analyzer;
  VocabularyLimits limits;
  WeightOptions weights;
  std::optional<HashingOptions> hashing;  // in place of a vocabulary
};

class Vectorizer {
 public:
  using OpenWriter =
      std::function<std::unique_ptr<MatrixWriter>(const Vectorizer&)>;

  // A vectorizer that has nothing to learn. Throws kInvalidArgument: no
  // hashing, features out of range, TF-IDF.
  static Vectorizer Hashing(VectorizerOptions options);
  // Learns the vocabulary and, where `open` is given, writes the rows of the
  // same texts, which are read once. Throws as CountCorpus(),
  // MergeVocabulary() and MatrixWriter.
  static Vectorizer Fit(DocumentReader& reader, VectorizerOptions options,
                        ThreadPool& pool, CountOptions count = {},
                        const OpenWriter& open = nullptr);

  // Rows of texts in their order; terms that are not known count nothing.
  // Throws kInvalidArgument for an empty corpus.
  using UseRows = std::function<void(const SparseRows&)>;
  void Transform(DocumentReader& reader, ThreadPool& pool, const UseRows& use,
                 const CountProgress& progress = nullptr) const;

  // An .npz that NumPy reads too: docs/counting.md. Throws kCorrupt for what
  // is none.
  void Save(const std::filesystem::path& path) const;
  static Vectorizer Load(const std::filesystem::path& path);
  static Vectorizer Parse(std::span<const std::byte> bytes,
                          const std::string& where);

  const VectorizerOptions& options() const { return options_; }
  const Vocabulary& vocabulary() const { return vocabulary_; }
  int64_t documents() const { return documents_; }  // it was learnt from
  int64_t columns() const {
    return options_.hashing ? options_.hashing->features
                            : static_cast<int64_t>(vocabulary_.size());
  }
  // What terms are multiplied by; empty without TF-IDF.
  const std::vector<double>& idf() const { return idf_; }
  // Whether all values are whole.
  bool integers() const {
    return !options_.weights.tfidf && options_.weights.norm == RowNorm::kNone;
  }

 private:
  explicit Vectorizer(VectorizerOptions options);
  void MakeIdf();
  void MakeMap(FeatureMap& known, TermMaps& terms) const;
  void AppendRows(const CountedBlock& block, const TermMaps& maps,
                  SparseRows& rows) const;
  void AppendHashed(std::string_view text, TokenBuffer& buffer,
                    std::vector<uint64_t>& scratch, SparseRows& rows) const;
  void Weigh(double* values, const uint32_t* columns, size_t size) const;
  static Vectorizer FromArrays(const formats::TensorMap& arrays,
                               const std::string& where);

  VectorizerOptions options_;
  std::shared_ptr<const Analyzer> analyzer_;
  int64_t documents_ = 0;
  Vocabulary vocabulary_;
  std::vector<double> idf_;
};

// The `count` columns of a row with the largest values, of equals the first.
std::vector<size_t> TopOfRow(std::span<const double> values, size_t count);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_VECTORIZER_H_
