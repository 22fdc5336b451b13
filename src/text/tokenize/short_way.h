// The short way through a tokenizer whose stages are of the common kinds: the
// text is cut where tokens provably never cross, each word is looked up among
// those seen before, and only a new one goes through the model. Tokens and
// ranges are those of the long way, stage by stage, which texts that are not
// plain enough still take.
//
// Words are: the pieces of a published pattern over bytes (cutter.h); what lies
// between two bytes that stand side by side in no token, with spaces as
// SentencePiece spells them; BERT's words.
#ifndef MALMOI_TEXT_TOKENIZE_SHORT_WAY_H_
#define MALMOI_TEXT_TOKENIZE_SHORT_WAY_H_

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenize/pipeline.h"
#include "text/tokenize/token_words.h"

namespace malmoi::text {

class ShortWay {
 private:
  struct Batch;
  struct Scratch;

 public:
  // Null if the stages are not of those kinds. `parts` must outlive it.
  static std::unique_ptr<ShortWay> For(const TokenizerParts& parts);
  ~ShortWay();

  // Whether the normalizer leaves a text as it is; false is no proof.
  bool IsNormal(std::string_view text) const;
  // Whether it takes texts that are not normalized.
  bool normalizes() const;

  // What a call needs for itself, with the words it has met; from the pool.
  class Loan {
   public:
    explicit Loan(const ShortWay& way);
    ~Loan();
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;

   private:
    friend class ShortWay;
    const ShortWay& way_;
    std::unique_ptr<Scratch> scratch_;
  };

  // Appends the tokens of a piece, which is normalized unless normalizes();
  // false: it must go the long way, and nothing was appended. What no token
  // can spell is appended to `lost`, as bytes of the piece. Thread-safe.
  // Throws what the stages throw.
  bool Encode(const Piece& piece, bool with_offsets, Loan& loan, Encoding& out,
              std::vector<ModelToken>& lost) const;

 private:
  template <typename Words>
  void EncodeWords(Words words, const Piece& piece, size_t at,
                   bool with_offsets, Scratch& scratch, Encoding& out,
                   std::vector<ModelToken>& lost) const;
  template <typename Words, bool kOffsets>
  void EncodeEach(Words words, const Piece& piece, size_t at, Scratch& scratch,
                  Encoding& out, std::vector<ModelToken>& lost) const;
  size_t TokensFrom(const Batch& batch, size_t first, int32_t* ids) const;
  void LookUpAll(std::string_view text, Scratch& scratch) const;
  bool EncodeSpaced(const Piece& piece, bool with_offsets, Scratch& scratch,
                    Encoding& out, std::vector<ModelToken>& lost) const;
  void EncodeFirst(const Piece& piece, size_t bytes, bool with_offsets,
                   Scratch& scratch, Encoding& out) const;
  // The tokens of a word that the model can spell, to scratch.tokens.
  void LookUp(std::string_view word, Scratch& scratch) const;
  // The same of any word that is not in the cache.
  void EncodeWord(std::string_view word, Scratch& scratch) const;
  void EncodeSpelled(std::string_view word, Scratch& scratch) const;
  void EncodeVisible(std::string_view word, Scratch& scratch) const;
  void EncodeBert(std::string_view word, Scratch& scratch) const;

  ShortWay(const TokenizerParts& parts, const Summary& summary);
  std::unique_ptr<Scratch> Take() const;

  const TokenizerParts& parts_;
  const Summary summary_;
  std::unique_ptr<const TokenWords> token_words_;  // may be null
  JoinedBytes joined_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;  // as many as threads
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_SHORT_WAY_H_
