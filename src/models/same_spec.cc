#include "models/same_spec.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"

namespace malmoi::models {

namespace {

class Comparison {
 public:
  void Number(const char* what, double a, double b) {
    const double most = std::max(std::fabs(a), std::fabs(b));
    if (std::fabs(a - b) > 1e-5 * most) Note(what, Format("{}, {}", a, b));
  }
  template <typename T>
  void Equal(const char* what, T a, T b) {
    if (a == b) return;
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      Note(what, Format("{}, {}", a, b));
    } else {
      Note(what, "");
    }
  }
  void Divisors(const std::vector<float>& a, const std::vector<float>& b) {
    const size_t size = std::max(a.size(), b.size());
    for (size_t i = 0; i < size; ++i) {
      Number("scaling of the rotation", i < a.size() ? a[i] : 1.0,
             i < b.size() ? b[i] : 1.0);
    }
  }

  void Rope(const RopeSpec& a, const RopeSpec& b) {
    Equal("rotated components", a.dim, b.dim);
    if (a.dim == 0 && b.dim == 0) return;
    Number("base of the rotation", a.theta, b.theta);
    Number("scaling of the rotation", a.linear_factor, b.linear_factor);
    Number("scaling of the rotation", a.magnitude, b.magnitude);
    Number("scaling of the rotation", a.dynamic_factor, b.dynamic_factor);
    Divisors(a.frequency_divisors, b.frequency_divisors);
    Divisors(a.long_divisors, b.long_divisors);
    if (!a.long_divisors.empty()) {
      Equal("context before the scaling", a.original_context,
            b.original_context);
    }
  }

  void Attention(const AttentionSpec& a, const AttentionSpec& b,
                 int64_t layers) {
    Equal("heads", a.heads, b.heads);
    Equal("key heads", a.kv_heads, b.kv_heads);
    Equal("size of a head", a.head_dim, b.head_dim);
    Number("scale of attention", a.scale, b.scale);
    Equal("norms of heads", a.head_norms, b.head_norms);
    Equal("biases of attention", a.bias, b.bias);
    Equal("bias behind attention", a.output_bias, b.output_bias);
    Equal("attention both ways", a.both_ways, b.both_ways);
    Number("clip of queries", a.clip, b.clip);
    Number("soft cap of scores", a.softcap, b.softcap);
    Number("ALiBi", a.alibi, b.alibi);
    Equal("sinks", a.sinks, b.sinks);
    Number("scale behind attention", a.added_scale, b.added_scale);
    Rope(a.rope, b.rope);
    bool slides = false;
    for (int64_t i = 0; i < layers; ++i) {
      const bool here = a.Slides(i) || b.Slides(i);
      slides = slides || here;
      Equal("layers with a window", a.Slides(i), b.Slides(i));
      Equal("layers that rotate", a.Turns(i), b.Turns(i));
    }
    if (!slides) return;
    Equal("window", a.window, b.window);
    Rope(a.sliding_rope, b.sliding_rope);
  }

  void FeedForward(const FeedForwardSpec& a, const FeedForwardSpec& b) {
    Equal("hidden size", a.hidden, b.hidden);
    if (a.hidden == 0) return;
    Equal("gate", a.gated, b.gated);
    Equal("bias of the feed-forward", a.bias, b.bias);
    Equal("activation", a.activation, b.activation);
    Number("scale of the gate", a.gate_scale, b.gate_scale);
    Number("scale of the feed-forward", a.added_scale, b.added_scale);
  }

  void Experts(const ExpertsSpec& a, const ExpertsSpec& b, int64_t layers) {
    Equal("experts", a.count, b.count);
    if (a.count == 0 || b.count == 0) return;
    Equal("experts used", a.used, b.used);
    Equal("size of experts", a.hidden, b.hidden);
    Equal("whether weights of experts are normalized", a.normalize,
          b.normalize);
    Equal("size of the shared expert", a.shared_hidden, b.shared_hidden);
    Equal("router of the shared expert", a.shared_router, b.shared_router);
    Equal("bias of the router", a.router_bias, b.router_bias);
    Equal("bias of the experts", a.bias, b.bias);
    for (int64_t i = 0; i < layers; ++i) {
      Equal("layers with experts", a.In(i), b.In(i));
    }
  }

  void State(const StateSpaceSpec& a, const StateSpaceSpec& b) {
    Equal("channels of the state space", a.inner, b.inner);
    if (a.inner == 0 || b.inner == 0) return;
    Equal("size of a state", a.states, b.states);
    Equal("size of the convolution", a.taps, b.taps);
    Equal("rank of the steps", a.step_rank, b.step_rank);
    Equal("heads of the state space", a.heads, b.heads);
    Equal("groups of the state space", a.groups, b.groups);
    Equal("norms of the parts", a.part_norms, b.part_norms);
    Equal("norm behind the gate", a.gated_norm, b.gated_norm);
    if (a.part_norms || a.gated_norm) {
      Number("epsilon of the state's norms", a.norm_epsilon, b.norm_epsilon);
    }
    Equal("bias of the state space", a.bias, b.bias);
    Equal("bias of the convolution", a.filter_bias, b.filter_bias);
    Equal("layers that attend", a.attention, b.attention);
    Equal("kind of the state space", a.beside, b.beside);
    Equal("kind of the state space", a.short_convolution, b.short_convolution);
    for (size_t i = 0; i < 5; ++i) {
      Number("scales of the state space",
             i < a.part_scales.size() ? a.part_scales[i] : 1.0,
             i < b.part_scales.size() ? b.part_scales[i] : 1.0);
    }
    Number("scales of the state space", a.added_scale, b.added_scale);
  }

  void Stack(const StackSpec& a, const StackSpec& b) {
    Equal("layers", a.layers, b.layers);
    Equal("heads", a.heads, b.heads);
    Equal("size of a head", a.head_dim, b.head_dim);
    Equal("hidden size", a.hidden, b.hidden);
    Number("scale of attention", a.scale, b.scale);
  }

  std::string found;

 private:
  void Note(const char* what, const std::string& values) {
    if (!found.empty()) return;
    found = what;
    if (!values.empty()) found += " (" + values + ")";
  }
};

}  // namespace

std::string Difference(const Spec& a, const Spec& b) {
  Comparison all;
  all.Equal("layers", a.layers, b.layers);
  if (!all.found.empty()) return all.found;
  all.Equal("width", a.width, b.width);
  all.Number("epsilon", a.norm_epsilon, b.norm_epsilon);
  all.Equal("kind of the norms", a.norm, b.norm);
  all.Equal("weights of the norms", a.norm_weight, b.norm_weight);
  all.Equal("bias of the norms", a.norm_bias, b.norm_bias);
  all.Equal("norms before blocks", a.pre_norms, b.pre_norms);
  all.Equal("norms behind blocks", a.post_norms, b.post_norms);
  all.Equal("parallel blocks", a.parallel, b.parallel);
  all.Equal("shared norm", a.shared_norm, b.shared_norm);
  all.Equal("positions", a.learned_positions, b.learned_positions);
  all.Number("scale of the embedding", a.embedding_scale, b.embedding_scale);
  all.Number("scale of what is added", a.residual_scale, b.residual_scale);
  all.Number("scale of the logits", a.logit_scale, b.logit_scale);
  all.Number("soft cap of the logits", a.logit_softcap, b.logit_softcap);
  all.Equal("bias of the head", a.head_bias, b.head_bias);
  if (a.AttentionLayers() > 0 || b.AttentionLayers() > 0) {
    all.Attention(a.attention, b.attention, a.layers);
  }
  all.State(a.state_space, b.state_space);
  if (a.experts.count == 0 || a.experts.shared_hidden == 0) {
    all.FeedForward(a.feed_forward, b.feed_forward);
  }
  all.Experts(a.experts, b.experts, a.layers);
  return all.found;
}

std::string Difference(const EncoderSpec& a, const EncoderSpec& b) {
  Comparison all;
  all.Equal("layers", a.layers, b.layers);
  all.Equal("groups of layers", a.groups, b.groups);
  if (!all.found.empty()) return all.found;
  all.Equal("width", a.width, b.width);
  all.Equal("width of the embedding", a.embedding_width, b.embedding_width);
  all.Equal("positions", a.context(), b.context());
  all.Equal("positions", a.learned_positions, b.learned_positions);
  all.Number("epsilon", a.norm_epsilon, b.norm_epsilon);
  all.Equal("bias of the norms", a.norm_bias, b.norm_bias);
  all.Equal("norms before blocks", a.pre_norms, b.pre_norms);
  all.Attention(a.attention, b.attention, a.layers);
  all.FeedForward(a.feed_forward, b.feed_forward);
  all.Equal("bias by distance", a.distance_buckets, b.distance_buckets);
  all.Equal("attention by distance", a.disentangled.span, b.disentangled.span);
  all.Equal("convolution", a.convolution, b.convolution);
  all.Equal("rows of the classifier", a.mean_rows, b.mean_rows);
  return all.found;
}

std::string Difference(const EncoderDecoderSpec& a,
                       const EncoderDecoderSpec& b) {
  Comparison all;
  all.Equal("width", a.width, b.width);
  all.Stack(a.encoder, b.encoder);
  all.Stack(a.decoder, b.decoder);
  all.Equal("kind of the norms", a.norm, b.norm);
  all.Number("epsilon", a.norm_epsilon, b.norm_epsilon);
  all.Equal("norms before blocks", a.pre_norms, b.pre_norms);
  all.Equal("gate", a.gated, b.gated);
  all.Equal("activation", a.activation, b.activation);
  all.Number("scale of the embedding", a.embedding_scale, b.embedding_scale);
  all.Number("scale of the logits", a.logit_scale, b.logit_scale);
  all.Equal("positions", a.positions, b.positions);
  all.Equal("bias by distance", a.distance_buckets, b.distance_buckets);
  all.Equal("farthest distance", a.farthest, b.farthest);
  return all.found;
}

}  // namespace malmoi::models
