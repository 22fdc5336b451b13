// Files of word vectors: word2vec's text and binary (Mikolov et al. 2013),
// GloVe's text without a header (Pennington et al. 2014), .npy beside a list of
// words, and fastText's .bin and .ftz (fasttext.h).
#ifndef MALMOI_REPRESENT_STATIC_VECTOR_FILES_H_
#define MALMOI_REPRESENT_STATIC_VECTOR_FILES_H_

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "represent/static/word_vectors.h"

namespace malmoi::represent {

// kText is also fastText's .vec.
enum class VectorFormat { kText, kBinary, kGlove, kNpy, kFastText };

std::string_view VectorFormatName(VectorFormat format);
// "text", "binary", "glove", "npy". Throws kUsage.
VectorFormat FindVectorFormat(std::string_view name);
// By the bytes alone. Throws kCorrupt for what is none of them.
VectorFormat DetectVectorFormat(std::span<const std::byte> bytes,
                                const std::string& where);

struct ReadVectorsOptions {
  int64_t max_words = INT64_MAX;  // the first ones, which are the frequent
  // Of a word that comes twice keep the first vector, as gensim does; otherwise
  // it is an error.
  bool first_of_duplicates = false;
  // Of .npy: a word a line. Empty: the file's name with .vocab for .npy.
  std::filesystem::path vocabulary{};
};

// .npy of f32 is used where it lies; the others are parsed. Throws kNotFound,
// kPermission, and kCorrupt, with the line or the word: a header that is wrong,
// another number of values than the header or the first line says, a word
// twice, a value that is no finite number, an end too early or too late.
WordVectors ReadVectors(const std::filesystem::path& path,
                        const ReadVectorsOptions& options = {});
// Any but .npy.
WordVectors ParseVectors(std::span<const std::byte> bytes,
                         const std::string& where,
                         const ReadVectorsOptions& options = {});

// Written beside `path`, then renamed; .npy writes its .vocab too. kFastText is
// learn's to write. Throws kDiskFull, kPermission, kIo, and kInvalidArgument
// for a word that the format cannot hold (blanks).
void WriteVectors(const std::filesystem::path& path, const WordVectors& vectors,
                  VectorFormat format);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_VECTOR_FILES_H_
