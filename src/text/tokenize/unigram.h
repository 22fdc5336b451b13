// The unigram language model (Kudo 2018) as SentencePiece uses it: of all ways
// to cut a text into tokens, the one whose scores have the largest sum.
#ifndef MALMOI_TEXT_TOKENIZE_UNIGRAM_H_
#define MALMOI_TEXT_TOKENIZE_UNIGRAM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenize/word_piece.h"

namespace malmoi::text {

struct UnigramOptions {
  std::optional<int32_t> unknown_id;  // of what no token can spell
  bool byte_fallback = false;         // such text becomes tokens "<0xE2>"
  // Sums of scores as SentencePiece's library has them, and a token whose
  // score is not a number is kept out of texts. The tokenizers library adds
  // in double precision, and lets a text spell any token.
  bool single_precision = false;
};

class Unigram : public VocabularyModel {
 public:
  // `scores` by id, as many as spellings. Throws kCorrupt for an unknown id
  // outside the vocabulary and for scores that are not finite.
  Unigram(std::vector<std::string> spellings, std::vector<double> scores,
          UnigramOptions options, std::string_view where);
  void Encode(std::string_view piece, std::vector<ModelToken>& out,
              std::vector<ModelToken>& lost) const override;
  std::string Describe() const override;

 private:
  // The best cut of the text before some byte: its score and last token.
  struct Best {
    double score = 0;
    uint32_t begin = kNone;  // of the last token
    int32_t id = -1;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  double Rounded(double score) const {
    return single_precision_ ? static_cast<float>(score) : score;
  }
  void FindBest(std::string_view piece, std::vector<Best>& best) const;
  void AddUnknown(std::string_view piece, const ModelToken& token,
                  std::vector<ModelToken>& out,
                  std::vector<ModelToken>& lost) const;

  std::vector<double> scores_;
  double unknown_score_ = 0;
  int32_t byte_ids_[256] = {};
  bool byte_fallback_;
  bool single_precision_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_UNIGRAM_H_
