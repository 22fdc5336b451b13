// Byte-pair encoding (Sennrich et al. 2016): of all neighbouring pairs of
// symbols, the one with the lowest rank merges first, leftmost before others.
// Symbols are characters; with byte-level spelling each of them is a byte.
// Ranks are the order of a list of merges, or, as in SentencePiece, scores of
// the tokens that pairs would become.
#ifndef MALMOI_TEXT_TOKENIZE_BPE_H_
#define MALMOI_TEXT_TOKENIZE_BPE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/tokenize/merge_table.h"
#include "text/tokenize/piece_trie.h"
#include "text/tokenize/pipeline.h"

namespace malmoi::text {

struct BpeOptions {
  bool ignore_merges = false;     // a piece that is a token is not cut
  bool byte_fallback = false;     // unknown characters become tokens "<0xE2>"
  bool fuse_unknown = false;      // neighbouring unknown characters are one
  std::string unknown;            // token of unknown characters; "": none
  std::string continuing_prefix;  // of every symbol of a piece but the first
  std::string end_suffix;         // of the last symbol of a piece
  // By score only: tokens that are found in the text before it is cut, the
  // leftmost first, and never merge with what is beside them.
  std::vector<int32_t> whole;
};

class Bpe : public TokenModel {
 public:
  using Pair = std::pair<std::string_view, std::string_view>;

  // `spellings` by id (empty views are unused ids); `merges` by rank. `owner`
  // keeps the views alive. Throws kCorrupt for a merge whose parts or result
  // are no tokens.
  Bpe(std::vector<std::string_view> spellings, const std::vector<Pair>& merges,
      std::shared_ptr<const void> owner, BpeOptions options,
      std::string_view where);

  // SentencePiece's: two symbols merge if what they spell together is a token;
  // the highest score merges first. `scores` by id, as many as spellings; one
  // that is not a number keeps its token out of texts (control tokens, bytes).
  // Throws kCorrupt for an unknown token that is none.
  Bpe(std::vector<std::string_view> spellings, const std::vector<float>& scores,
      std::shared_ptr<const void> owner, BpeOptions options,
      std::string_view where);

  void Encode(std::string_view piece, std::vector<ModelToken>& out,
              std::vector<ModelToken>& lost) const override;
  bool EncodeBytes(std::string_view bytes, bool no_token,
                   std::vector<ModelToken>& out) const override;
  bool FindJoined(JoinedBytes& joined) const override;
  std::unique_ptr<const TokenWords> FindTokenWords(
      bool byte_level) const override;
  std::optional<std::string> Spelling(int32_t id) const override;
  std::optional<int32_t> Id(std::string_view spelling) const override;
  std::optional<int32_t> unknown_id() const override;
  int32_t size() const override {
    return static_cast<int32_t>(spellings_.size());
  }
  std::string Describe() const override;

 private:
  // What a pair becomes.
  struct Next {
    int32_t rank = INT32_MAX;
    int32_t result = -1;  // -1: it stays a pair
  };
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
  };
  using Symbols = std::vector<ModelToken>;

  void IndexSpellings(std::string_view where);
  void InsertSpellings();
  void InsertMerges(const std::vector<Pair>& merges, std::string_view where);
  void FindWordStarts();
  std::vector<int32_t> SymbolsOf(bool byte_level) const;
  Next NextOf(int32_t rank) const {
    if (rank == MergeTable::kNone) return {};
    return {rank, merges_.Of(rank).result};
  }
  // Of neighbours in `piece`.
  Next FindNext(std::string_view piece, const ModelToken& left,
                const ModelToken& right) const;
  int32_t FindSpelling(std::string_view spelling) const;  // -1: none
  int32_t FindSpelling(std::string_view spelling, uint64_t hash) const;
  // At most 192 at once.
  void FindSpellings(std::span<const std::string_view> spellings,
                     int32_t* ids) const;
  // The same, and none for tokens that are kept out of texts.
  int32_t FindInText(std::string_view spelling) const;
  int32_t SymbolId(std::string_view piece, size_t begin, size_t end) const;
  bool AddBytes(std::string_view piece, const ModelToken& symbol,
                Symbols& out) const;
  bool AddUnknown(std::string_view piece, const ModelToken& symbol, bool fuse,
                  Symbols& out, std::vector<ModelToken>& lost) const;
  void Cut(std::string_view piece, size_t begin, size_t end, Symbols& symbols,
           std::vector<ModelToken>& lost) const;
  size_t WordEnd(std::string_view piece, size_t begin) const;
  ModelToken NextWhole(std::string_view piece, size_t from) const;
  void EncodeByScore(std::string_view piece, Symbols& out,
                     std::vector<ModelToken>& lost) const;
  void MergeAll(std::string_view piece, Symbols& symbols) const;
  void MergeBytes(std::string_view bytes, std::vector<ModelToken>& out) const;
  struct ByRank;
  struct ByScore;
  template <typename Pairs>
  static size_t MergeFew(Pairs& pairs, const int32_t* ranks,
                         ModelToken* symbols, size_t count);
  void MergeMany(std::string_view piece, Symbols& symbols) const;
  bool by_score() const { return !ranks_.empty(); }

  static constexpr int32_t kNoToken = -1;   // the id of such symbols
  static constexpr size_t kDirect = 0x800;  // characters of 1 or 2 bytes

  std::shared_ptr<const void> owner_;
  std::vector<std::string_view> spellings_;
  std::vector<Slot> slots_;  // open hash table over spellings
  MergeTable merges_;
  std::vector<int32_t> ranks_;      // by id, of tokens that merge by score
  std::optional<PieceTrie> whole_;  // see BpeOptions
  std::vector<int32_t> direct_;     // ids of characters below kDirect
  bool crossed_[256] = {};          // see FindWordStarts()
  size_t longest_ = 0;              // bytes of a spelling
  int32_t unknown_id_ = -1;
  int32_t byte_ids_[256] = {};     // of "<0x..>"
  int32_t spelled_ids_[256] = {};  // of bytes as byte-level spells them
  BpeOptions options_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_BPE_H_
