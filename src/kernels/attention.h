// What attention reads and keeps: pages of keys and values of one kv head, in
// three types, and the state of a softmax over a part of the positions.
#ifndef MALMOI_KERNELS_ATTENTION_H_
#define MALMOI_KERNELS_ATTENTION_H_

#include <cstddef>
#include <cstdint>

namespace malmoi::kernels {

enum class KvType : uint8_t { kF32, kF16, kQ8 };

inline constexpr int kMaxAttentionQueries = 64;
inline constexpr int64_t kAttentionPage = 64;    // positions
inline constexpr int64_t kAttentionChunk = 512;  // positions summed apart
inline constexpr int kMaxHeadDim = 256;

// A page holds 64 positions of one kv head. Floats: keys [head_dim][64], so
// that a vector lane is a position, values [64][head_dim], so that a lane is a
// component. kQ8 shares an f16 scale among 32 components of a position (as
// ggml's Q8_0): keys int8 [head_dim/4][64][4], values int8 [64][head_dim];
// behind either the scales, [head_dim/32][64]. head_dim is padded with zeros
// to whole blocks.
constexpr int64_t PaddedHeadDim(KvType type, int64_t head_dim) {
  const int64_t unit = type == KvType::kQ8 ? 32 : 16;
  return (head_dim + unit - 1) / unit * unit;
}
// Of the keys, or of the values, of a page; `head_dim` is padded.
constexpr size_t KvPageBytes(KvType type, int64_t head_dim) {
  const int64_t elements = head_dim * kAttentionPage;
  const int64_t bytes = type == KvType::kF32   ? elements * 4
                        : type == KvType::kF16 ? elements * 2
                                               : elements + elements / 16;
  return static_cast<size_t>(bytes);
}

// One attention query of a kv head.
struct AttentionQuery {
  const float* query = nullptr;  // [head_dim], already scaled
  int64_t first = 0;             // it sees positions [first, visible),
  int64_t visible = 0;           // which are not none
  float* out = nullptr;          // [head_dim]
  const float* bias = nullptr;   // added to scores, by position; null: none
  // A score of no position: it takes its share of the softmax and gives
  // nothing (Xiao et al. 2024, attention sinks). Null: none.
  const float* sink = nullptr;
};

// Up to kMaxAttentionQueries queries, whose `first` and `visible` do not
// decrease, and the pages of their kv head: page p holds positions from 64p.
struct AttentionInput {
  KvType type = KvType::kF16;
  int64_t head_dim = 0;  // padded
  const AttentionQuery* queries = nullptr;
  int count = 0;
  const std::byte* const* keys = nullptr;
  const std::byte* const* values = nullptr;
  float* scratch = nullptr;  // AttentionScratch() floats
  float softcap = 0;         // scores become cap·tanh(score/cap); 0: they stay
};
size_t AttentionScratch(int64_t head_dim, int count);

// Σ exp(score - largest) and Σ exp(score - largest)·value over some positions.
struct AttentionState {
  float* largest = nullptr;  // [count]
  float* total = nullptr;    // [count]
  float* sums = nullptr;     // [count][head_dim]
};
// Scores of positions [start, start + count) in place: adds the query's bias,
// caps.
void AdjustScores(const AttentionInput& in, const AttentionQuery& query,
                  int64_t start, int64_t count, float* scores);
// The scores whole, for who wants to see what attention looks at; plain loops.
// Keys of a page as floats, [head_dim][64].
void ReadKeys(const AttentionInput& in, int64_t page, float* keys);
// Of the query, at those positions of the page that it sees: scores[position].
void PageScores(const AttentionInput& in, const AttentionQuery& query,
                int64_t page, const float* keys, float* scores);
// softmax(scores) in place, of all positions that the query sees. With a sink
// they sum to less than 1.
void Probabilities(const AttentionQuery& query, float* scores, int64_t count);
size_t AttentionStateFloats(int64_t head_dim, int count);
// The three in `memory`.
AttentionState StateAt(float* memory, int count);
// Adds a later part to an earlier one. Parts are merged in the order of their
// positions, one by one, so that the result does not depend on who summed
// them (Dao 2023, FlashAttention-2).
void MergeStates(const AttentionState& to, const AttentionState& from,
                 int count, int64_t head_dim);
// Lets the sinks in, divides and stores every query's result.
void FinishState(const AttentionState& state, const AttentionQuery* queries,
                 int count, int64_t head_dim);

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_ATTENTION_H_
