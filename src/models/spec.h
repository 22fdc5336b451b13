// Spec: what distinguishes one decoder from another, as plain data. An arch
// file fills it from a model's configuration; the family's forward reads it.
#ifndef MALMOI_MODELS_SPEC_H_
#define MALMOI_MODELS_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

namespace malmoi::models {

enum class Activation { kSilu, kGeluTanh };

// Which two components of a head rotate together: neighbours (2i, 2i+1), as
// in the original paper and in GGUF's Llama, or halves (i, i + dim/2).
enum class RopePairs { kAdjacent, kHalves };

struct RopeSpec {
  RopePairs pairs = RopePairs::kAdjacent;
  int64_t dim = 0;             // rotated components of each head
  double theta = 10000.0;      // base of the geometric frequencies
  double linear_factor = 1.0;  // positions are divided by it
  // One divisor per frequency (Llama 3 scaling, LongRoPE); empty: none.
  std::vector<float> frequency_divisors;
  // LongRoPE: those of sequences that may grow past `original_context`
  // positions (Ding et al. 2024). Chosen by a sequence's capacity, not its
  // length, so that keys stay valid while it grows.
  std::vector<float> long_divisors;
  int64_t original_context = 0;
  double magnitude = 1.0;  // multiplies cosines and sines
};

struct AttentionSpec {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  double scale = 0.0;       // of query·key; 1/sqrt(head_dim) as a rule
  bool head_norms = false;  // RMSNorm of every query and key head
  RopeSpec rope;
  // Layers that see only the last `window` positions, their own included, and
  // how they rotate. One flag a layer; empty: none.
  std::vector<bool> sliding;
  int64_t window = 0;
  RopeSpec sliding_rope;
};

struct FeedForwardSpec {
  int64_t hidden = 0;
  Activation activation = Activation::kSilu;
};

struct Spec {
  std::string architecture;  // as the file names it
  int64_t layers = 0;
  int64_t width = 0;  // of the residual stream
  int64_t vocab_size = 0;
  int64_t context = 0;  // positions it was trained for
  double norm_epsilon = 1e-5;
  double norm_offset = 0.0;  // added to the norm weights of the file
  // Sandwich norms: what attention and feed-forward give is normalized too.
  bool post_norms = false;
  double embedding_scale = 1.0;
  AttentionSpec attention;
  FeedForwardSpec feed_forward;
  bool tied_head = false;  // the output head is the embedding matrix
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_SPEC_H_
