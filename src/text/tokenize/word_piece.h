// WordPiece (Schuster and Nakajima 2012): of a word, the longest token that it
// begins with, then the longest of the rest, and so on. Tokens that continue
// a word are spelled with a prefix. A word that has no such cut is unknown as
// a whole. Also its plain form, where each word is a token or unknown.
#ifndef MALMOI_TEXT_TOKENIZE_WORD_PIECE_H_
#define MALMOI_TEXT_TOKENIZE_WORD_PIECE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenize/piece_trie.h"
#include "text/tokenize/pipeline.h"

namespace malmoi::text {

// What the models have in common that know a vocabulary and an unknown token.
class VocabularyModel : public TokenModel {
 public:
  std::optional<std::string> Spelling(int32_t id) const override;
  std::optional<int32_t> Id(std::string_view spelling) const override;
  std::optional<int32_t> unknown_id() const override;
  int32_t size() const override {
    return static_cast<int32_t>(spellings_.size());
  }

 protected:
  // `spellings` by id; empty ones are unused ids.
  explicit VocabularyModel(std::vector<std::string> spellings);
  // Throws kCorrupt for what is no token.
  void SetUnknown(std::string_view spelling, std::string_view where);

  std::vector<std::string> spellings_;
  PieceTrie words_;  // ids by spelling
  int32_t unknown_id_ = -1;
};

struct WordPieceOptions {
  std::string unknown = "[UNK]";
  std::string continuing_prefix = "##";
  size_t max_characters = 100;  // a longer word is unknown
};

class WordPiece : public VocabularyModel {
 public:
  // Throws kCorrupt for an unknown token that is not in the vocabulary.
  WordPiece(std::vector<std::string> spellings, WordPieceOptions options,
            std::string_view where);
  void Encode(std::string_view piece, std::vector<ModelToken>& out,
              std::vector<ModelToken>& lost) const override;
  std::string_view continuing_prefix() const override {
    return options_.continuing_prefix;
  }
  std::string Describe() const override;

 private:
  WordPieceOptions options_;
  PieceTrie continuations_;  // without their prefix
};

class WordLevel : public VocabularyModel {
 public:
  // The same.
  WordLevel(std::vector<std::string> spellings, std::string_view unknown,
            std::string_view where);
  void Encode(std::string_view piece, std::vector<ModelToken>& out,
              std::vector<ModelToken>& lost) const override;
  std::string Describe() const override;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_WORD_PIECE_H_
