// Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019):
// of all neighbouring pairs, the one with the lowest rank merges first.
#ifndef MALMOI_TEXT_TOKENIZE_BPE_H_
#define MALMOI_TEXT_TOKENIZE_BPE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenize/pipeline.h"

namespace malmoi::text {

struct BpeOptions {
  bool ignore_merges = false;  // a piece that is a token is not cut
};

class Bpe : public TokenModel {
 public:
  // `spellings` by id (empty views are unused ids); `merges` are "left
  // right", by rank. `owner` keeps the views alive. Throws kCorrupt for a
  // merge whose parts or result are no tokens.
  Bpe(std::vector<std::string_view> spellings,
      const std::vector<std::string_view>& merges,
      std::shared_ptr<const void> owner, BpeOptions options,
      std::string_view where);

  void Encode(std::string_view piece,
              std::vector<ModelToken>& out) const override;
  std::optional<std::string> Bytes(int32_t id) const override;
  std::optional<std::string> Spelling(int32_t id) const override;
  std::optional<int32_t> Id(std::string_view spelling) const override;
  int32_t size() const override {
    return static_cast<int32_t>(spellings_.size());
  }
  std::string Describe() const override;

 private:
  struct Merge {
    uint64_t pair = UINT64_MAX;  // left and right token, 32 bits each
    int32_t rank = 0;
    int32_t result = 0;
  };
  const Merge* FindMerge(int32_t left, int32_t right) const;
  void InsertMerge(const Merge& merge);
  std::vector<ModelToken> ByteTokens(std::string_view piece) const;
  int32_t FindSpelling(std::string_view spelling) const;  // -1: none
  void EncodeLong(std::string_view piece, std::vector<ModelToken>& out) const;

  std::shared_ptr<const void> owner_;
  std::vector<std::string_view> spellings_;
  std::vector<int32_t> ids_;   // open hash table over spellings
  std::vector<Merge> merges_;  // open hash table over pairs
  size_t merge_count_ = 0;
  int32_t byte_ids_[256];
  BpeOptions options_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_BPE_H_
