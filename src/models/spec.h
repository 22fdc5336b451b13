// Spec: what distinguishes one decoder from another, as plain data. An arch
// file fills it from a model's configuration; the family's forward reads it.
#ifndef MALMOI_MODELS_SPEC_H_
#define MALMOI_MODELS_SPEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "ops/norm_kind.h"

namespace malmoi::models {

// kGelu is x·Φ(x) by the error function, kGeluTanh its approximation.
// kClampedSwish, with a gate: x·σ(1.702·x)·(1+y), x at most 7, y within ±7
// (gpt-oss).
enum class Activation {
  kSilu,
  kGelu,
  kGeluTanh,
  kRelu,
  kReluSquared,
  kTanh,
  kClampedSwish
};

using ops::NormKind;

// What is normalized of queries and keys before they rotate.
enum class HeadNorms {
  kNone,
  kEachHead,   // every head by itself, one weight [head_dim] for all
  kOwnWeight,  // every head by itself, a weight for each: [heads, head_dim]
  kAllHeads,   // all heads as one vector, weight [heads·head_dim]
};

// How a file stores query, key and value where it has them as one matrix.
enum class FusedOrder {
  kParts,  // all rows of the query, of the key, of the value
  kGroups  // for each kv head: its query heads, its key, its value
};

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
  // Dynamic NTK scaling: where a sequence's capacity is more than
  // `original_context` the base grows with it. 0: none.
  double dynamic_factor = 0.0;

  // Whether keys of a sequence that may grow to `capacity` are rotated
  // otherwise than those of a short one.
  bool IsLong(int64_t capacity) const {
    return original_context > 0 && capacity > original_context &&
           (!long_divisors.empty() || dynamic_factor > 0);
  }
};

struct AttentionSpec {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  double scale = 0.0;  // of query·key; 1/sqrt(head_dim) as a rule
  HeadNorms head_norms = HeadNorms::kNone;
  FusedOrder fused_order = FusedOrder::kParts;
  // Where a GGUF has these rows in another order than a folder, in which
  // adapters are: of the matrix of all three, and of query and key heads, whose
  // halves converters have interleaved.
  FusedOrder folder_fused_order = FusedOrder::kParts;
  bool interleaved = false;
  bool bias = false;         // of query, key and value
  bool output_bias = false;  // of the projection behind attention
  // Positions see those behind them, too: a text is read in one forward, and
  // a window reaches as far both ways. Of decoders that became embedders.
  bool both_ways = false;
  double clip = 0.0;     // queries, keys and values lie in ±clip; 0: no
  double softcap = 0.0;  // scores become cap·tanh(score/cap); 0: no
  // Scores grow with the position of the key, by alibi·slope, every head with
  // a slope of its own (Press et al. 2022, ALiBi). 0: no.
  double alibi = 0.0;
  bool alibi_bf16 = false;  // slopes, positions and products are rounded to it
  // Every head has a score that no position has (attention sinks).
  bool sinks = false;
  double added_scale = 1.0;     // of what the layer adds, residual_scale apart
  RopeSpec rope;                // dim 0: no rotation
  std::vector<bool> unrotated;  // layers without rotation; empty: none
  // Layers that see only the last `window` positions, their own included, and
  // how they rotate. One flag a layer; empty: none.
  std::vector<bool> sliding;
  int64_t window = 0;
  RopeSpec sliding_rope;

  bool Slides(int64_t layer) const {
    return !sliding.empty() && sliding[static_cast<size_t>(layer)];
  }
  bool Turns(int64_t layer) const {
    return unrotated.empty() || !unrotated[static_cast<size_t>(layer)];
  }
};

struct FeedForwardSpec {
  int64_t hidden = 0;
  bool gated = true;  // down(activation(gate(x))·up(x)), or without the gate
  bool bias = false;
  Activation activation = Activation::kSilu;
  double gate_scale = 1.0;   // of the gate before its activation
  double added_scale = 1.0;  // as in AttentionSpec
};

// A mixture of experts in the place of the feed-forward (Shazeer et al. 2017;
// Jiang et al. 2024): each row goes to the `used` experts of the highest
// probabilities, which weigh what these give.
struct ExpertsSpec {
  int64_t count = 0;  // 0: no mixture
  int64_t used = 0;
  int64_t hidden = 0;         // of each
  bool normalize = false;     // the weights of the chosen sum to 1
  int64_t shared_hidden = 0;  // of one more that all rows go to; 0: none
  bool shared_router = true;  // which has a weight too, a sigmoid
  bool router_bias = false;
  bool bias = false;  // of the experts' matrices
  // How a file stacks them: gate and up as every other row, and matrices as
  // [in_features, out_features], but not those in blocks.
  bool alternating = false;
  bool transposed = false;
  std::vector<bool> dense;  // layers with a plain feed-forward; empty: none

  bool In(int64_t layer) const {
    return count > 0 && (dense.empty() || !dense[static_cast<size_t>(layer)]);
  }
};

// A selective state space in the place of attention (Gu & Dao 2023; Dao & Gu
// 2024): what a layer remembers of a sequence has a fixed size, the last rows
// of a convolution and the state of a recurrence (kernels/state_space.h).
struct StateSpaceSpec {
  int64_t inner = 0;   // channels; 0: no layer has one
  int64_t states = 0;  // values that each channel remembers
  int64_t taps = 0;    // of the convolution
  // Every channel has a step of its own, from a projection of this rank, and a
  // rate for each of its states (Mamba); or all channels of a head have one of
  // both (Mamba 2).
  int64_t step_rank = 0;
  int64_t heads = 0;   // 0: a step for each channel
  int64_t groups = 1;  // of heads that share what goes in and what comes out
  bool part_norms = false;  // step, in and out are normalized, without weights
  bool gated_norm = false;  // what was gated is normalized, group by group
  double norm_epsilon = 0;  // of both
  bool bias = false;        // of the projections in and out
  bool filter_bias = false;
  bool log_rates = false;       // the file has the logarithm of minus the rates
  std::vector<bool> attention;  // layers that attend instead; empty: none
  bool beside = false;  // all layers have both, side by side on one input
  // No recurrence: out(c·convolution(b·x)), the three being what the first
  // projection gives (LFM2).
  bool short_convolution = false;
  // Of what the first projection gives: gate, channels, in, out, steps. Empty:
  // all 1.
  std::vector<double> part_scales;
  double added_scale = 1.0;  // as in AttentionSpec

  // What the convolution reads.
  int64_t convolved() const {
    return inner + (heads > 0 ? 2 * groups * states : 0);
  }
  // What the first projection gives: the gate, the above, steps of heads.
  int64_t projected() const {
    return (short_convolution ? 2 : 1) * inner + convolved() + heads;
  }
  int64_t window_size() const { return (taps - 1) * convolved(); }
  int64_t state_size() const { return window_size() + inner * states; }
};

struct Spec {
  std::string architecture;  // as the file names it
  int64_t layers = 0;
  int64_t width = 0;  // of the residual stream
  int64_t vocab_size = 0;
  // Positions it was trained for, those that its rotation was stretched to
  // included.
  int64_t context = 0;
  double norm_epsilon = 1e-5;
  NormKind norm = NormKind::kRms;
  bool norm_weight = true;  // false: norms have no parameters
  bool norm_bias = false;
  double norm_offset = 0.0;  // added to the norm weights of the file
  // What attention and feed-forward read is normalized (pre), what they give
  // is (post), or both.
  bool pre_norms = true;
  bool post_norms = false;
  // Attention and feed-forward read the same stream, side by side (Wang &
  // Komatsuzaki 2021), and perhaps through one norm.
  bool parallel = false;
  bool shared_norm = false;
  bool learned_positions = false;  // a row for each position is added
  double embedding_scale = 1.0;
  double residual_scale = 1.0;  // of what blocks add to the stream
  double logit_scale = 1.0;
  double logit_softcap = 0.0;  // logits become cap·tanh(logit/cap); 0: no
  bool head_bias = false;
  // The file's matrices are [in_features, out_features].
  bool transposed = false;
  AttentionSpec attention;
  StateSpaceSpec state_space;
  FeedForwardSpec feed_forward;  // hidden 0: there is none
  ExpertsSpec experts;
  bool tied_head = false;  // the output head is the embedding matrix

  bool Attends(int64_t layer) const {
    return state_space.inner == 0 || state_space.beside ||
           (!state_space.attention.empty() &&
            state_space.attention[static_cast<size_t>(layer)]);
  }
  bool HasState(int64_t layer) const {
    return state_space.beside || !Attends(layer);
  }
  int64_t AttentionLayers() const {
    int64_t count = 0;
    for (int64_t i = 0; i < layers; ++i) count += Attends(i) ? 1 : 0;
    return count;
  }
  int64_t StateLayers() const {
    int64_t count = 0;
    for (int64_t i = 0; i < layers; ++i) count += HasState(i) ? 1 : 0;
    return count;
  }

  bool HasFeedForward() const {
    return feed_forward.hidden > 0 || experts.count > 0;
  }

  // What a sequence gets that asks for nothing: a longer one would be rotated
  // otherwise from its first token on.
  int64_t UsualContext() const {
    return attention.rope.dynamic_factor > 0 ? attention.rope.original_context
                                             : context;
  }
};

// What an encoder's head was trained for, as the class in config.json says it:
// ForSequenceClassification, ForTokenClassification, ForMaskedLM,
// ForQuestionAnswering.
enum class Task { kClassify, kTag, kFill, kAnswer };

// Attention that tells contents and distances apart (He et al. 2021, DeBERTa):
// queries are also compared with a vector for the distance, and keys as well.
struct DisentangledSpec {
  int64_t span = 0;     // vectors each way; 0: none of this
  int64_t buckets = 0;  // distances have, each way; 0: one for each
  int64_t farthest = 0;
  bool norm = false;  // of the vectors
  bool query = true;  // contents of the query, distance of the key ("c2p")
  bool key = true;    // and the other way ("p2c")
};

// What distinguishes one encoder from another: blocks of attention in both
// directions with a LayerNorm behind each sum (Devlin et al. 2019).
struct EncoderSpec {
  std::string architecture;
  int64_t layers = 0;
  int64_t groups = 0;  // of layers with the same weights; as a rule, layers
  int64_t width = 0;
  int64_t embedding_width = 0;  // of the tables; projected where not width
  int64_t vocab_size = 0;
  int64_t positions = 0;        // it was trained for; rows of the table
  int64_t position_offset = 0;  // of the first token's row
  bool learned_positions = true;
  int64_t types = 0;  // rows of the table of token types
  double norm_epsilon = 1e-12;
  bool norm_bias = true;
  // Norms before the blocks and behind the last, none before the first
  // attention (Warner et al. 2024, ModernBERT).
  bool pre_norms = false;
  AttentionSpec attention = {.bias = true, .output_bias = true};
  FeedForwardSpec feed_forward = {.gated = false, .bias = true};
  // A bias of scores by distance, in buckets (Raffel et al. 2020). 0: none.
  int64_t distance_buckets = 0;
  int64_t farthest = 128;  // distances from here on share a bucket
  DisentangledSpec disentangled;
  // Behind the first layer: what entered it, convolved over so many rows and
  // activated, is added, and the sum normalized. 0: nothing of the kind.
  int64_t convolution = 0;
  Activation convolution_activation = Activation::kTanh;
  bool pooler = false;  // tanh of a projection of the first row
  // Classification reads the mean of all rows, not the first.
  bool mean_rows = false;
  int64_t outputs = 0;  // numbers that the head gives for a row; 0: no head

  int64_t context() const { return positions - position_offset; }
};

// What is added to the embedding of a token for where it stands.
enum class PositionKind {
  kNone,
  kLearned,    // a row of a table
  kSinusoids,  // Vaswani et al. 2017, but all sines before all cosines
  // The same with frequencies that reach 1/10000, as Tensor2Tensor has them.
  kSinusoidsToEnd,
};

// One of the two stacks of an encoder-decoder.
struct StackSpec {
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t hidden = 0;  // of the feed-forward
  double scale = 1.0;  // of query·key
};

// What distinguishes one encoder-decoder from another (Vaswani et al. 2017):
// blocks of attention over their own stack, in the decoder of attention over
// what the encoder has left, and feed-forwards.
struct EncoderDecoderSpec {
  std::string architecture;
  int64_t width = 0;
  int64_t vocab_size = 0;
  StackSpec encoder, decoder;
  NormKind norm = NormKind::kLayer;
  double norm_epsilon = 1e-5;
  bool pre_norms = false;       // what a block reads is normalized, or the sum
  bool embedding_norm = false;  // behind the embedding
  bool output_norm = false;     // behind the last layer
  bool bias = true;             // of projections and norms
  bool gated = false;           // the feed-forward, as in FeedForwardSpec
  Activation activation = Activation::kGelu;
  double embedding_scale = 1.0;
  double logit_scale = 1.0;
  PositionKind positions = PositionKind::kNone;
  int64_t position_offset = 0;  // of the first token's row
  int64_t context = 0;          // tokens of a text; 0: as many as one likes
  // A bias of scores within a stack by distance, as in EncoderSpec.
  int64_t distance_buckets = 0;
  int64_t farthest = 128;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_SPEC_H_
