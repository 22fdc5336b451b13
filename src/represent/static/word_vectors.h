// Static word vectors: a vocabulary and a matrix with a row for each word, from
// any file that vector_files.h reads or from training (learn/word2vec).
#ifndef MALMOI_REPRESENT_STATIC_WORD_VECTORS_H_
#define MALMOI_REPRESENT_STATIC_WORD_VECTORS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "represent/static/word_table.h"

namespace malmoi::represent {

// Makes a vector for a word that is not in the table, as fastText's subwords.
class WordMaker {
 public:
  virtual ~WordMaker() = default;
  // False where not even a part of the word is known. `out`: [dimensions].
  virtual bool Make(std::string_view word, std::span<float> out) const = 0;
};

class WordVectors {
 public:
  // `values`: [words.size()][dimensions], kept alive by `owner`; finite.
  WordVectors(WordTable words, int64_t dimensions,
              std::span<const float> values, std::shared_ptr<const void> owner,
              std::shared_ptr<const WordMaker> maker = nullptr);
  static WordVectors Own(WordTable words, int64_t dimensions,
                         std::vector<float> values,
                         std::shared_ptr<const WordMaker> maker = nullptr);

  int64_t size() const { return words_.size(); }
  int64_t dimensions() const { return dimensions_; }
  const WordTable& words() const { return words_; }
  std::span<const float> row(int64_t id) const {
    return values_.subspan(static_cast<size_t>(id * dimensions_),
                           static_cast<size_t>(dimensions_));
  }
  std::span<const float> values() const { return values_; }
  // Euclidean lengths of the rows, [size()].
  std::span<const float> norms() const { return norms_; }
  bool has_subwords() const { return maker_ != nullptr; }

  // The vector of a word of the table or made of its parts. Throws kNotFound.
  std::vector<float> VectorOf(std::string_view word) const;
  // The number of a word. Throws kNotFound.
  int64_t IdOf(std::string_view word) const;

 private:
  WordTable words_;
  int64_t dimensions_;
  std::span<const float> values_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const WordMaker> maker_;
  std::vector<float> norms_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_WORD_VECTORS_H_
