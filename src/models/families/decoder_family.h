// The decoder family's class, whose forward is spread over files: decoder.cc
// (tokens in, logits out), decoder_attention.cc or decoder_state_space.cc, and
// decoder_feed_forward.cc or decoder_mixture.cc.
#ifndef MALMOI_MODELS_FAMILIES_DECODER_FAMILY_H_
#define MALMOI_MODELS_FAMILIES_DECODER_FAMILY_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "models/decoder.h"
#include "models/families/block_parts.h"
#include "models/families/decoder_weights.h"
#include "ops/matmul.h"
#include "ops/rows.h"
#include "ops/state_space.h"

namespace malmoi::models {

class DecoderFamily : public Decoder {
 public:
  DecoderFamily(const Checkpoint& checkpoint, Precision precision,
                ThreadPool& pool, PackedCache* cache, bool head);

  const Spec& spec() const override { return spec_; }
  int64_t parameters() const override { return weights_.parameters; }
  size_t weight_bytes() const override { return weights_.bytes; }
  KvShape kv_shape(std::optional<KvType> type) const override;
  std::unique_ptr<Sequence> NewSequence(
      int64_t max_tokens, std::optional<KvType> type) const override {
    return std::make_unique<Sequence>(kv_shape(type), max_tokens);
  }
  std::unique_ptr<Sequence> NewReading(int64_t tokens) const override;
  std::span<const float> Forward(
      Exec& exec, std::span<const SequenceInput> inputs) const override;
  std::span<const float> Hidden(
      Exec& exec, std::span<const SequenceInput> inputs) const override;
  std::span<const float> LogitsOf(Exec& exec,
                                  std::span<const float> rows) const override;

 private:
  // What one call works on: the packed rows of all inputs.
  struct Batch {
    std::span<const SequenceInput> inputs;
    int64_t rows = 0;
    std::vector<int64_t> positions;    // of each row
    std::vector<Sequence*> sequences;  // of each row
    std::vector<int64_t> wanted;       // rows that need logits
    ops::Rotation rotation;            // of layers that see everything
    ops::Rotation sliding_rotation;    // of the others
    float* stream = nullptr;           // [rows][width], the residual
    // Of ALiBi, [heads][reach], by position; null: none.
    const float* position_bias = nullptr;
    int64_t reach = 0;
  };
  struct HeadStore;

  // decoder.cc
  Batch Prepare(Exec& exec, std::span<const SequenceInput> inputs) const;
  void Collect(Batch& batch) const;
  ops::Rotation MakeRotation(Exec& exec, const Batch& batch,
                             const RopeSpec& rope,
                             const std::vector<float>& common,
                             const std::vector<float>& longer) const;
  void MakePositionBias(Exec& exec, Batch& batch) const;
  void Embed(Exec& exec, Batch& batch) const;
  void Block(Exec& exec, Batch& batch, int64_t index) const;
  // The stream, normalized where there is a norm, as `readers` read it, and in
  // f32 if asked for.
  ops::Activations Normed(
      Exec& exec, const Batch& batch, const Norm& norm,
      std::initializer_list<const ops::PackedMatrix*> readers,
      bool as_f32 = false) const;
  // Adds x·weights to the stream, normalized where the model does, `scale`
  // times beside the scale of all that is added.
  void AddProduct(Exec& exec, Batch& batch, const ops::Activations& x,
                  const Linear& weights, const Norm& post_norm,
                  double scale) const;
  // All but the head: the last norm of the wanted rows, in these forms.
  ops::Activations Run(Exec& exec, Batch& batch,
                       ops::ActivationForms forms) const;
  ops::Activations OutputRows(Exec& exec, const Batch& batch,
                              ops::ActivationForms forms) const;
  ops::Activations OutputNorm(Exec& exec, const float* rows, int64_t count,
                              ops::ActivationForms forms) const;
  std::span<const float> Logits(Exec& exec,
                                const ops::Activations& normed) const;
  void Tapped(Exec& exec, const Batch& batch, std::string_view name) const;

  // decoder_attention.cc
  void Attend(Exec& exec, Batch& batch, int64_t index,
              const ops::Activations& input) const;
  void Mix(Exec& exec, const Batch& batch, int64_t index, const float* queries,
           const ops::Activations& out) const;
  void Store(const Batch& batch, bool key, int64_t layer, int64_t row,
             int64_t head, const float* values) const;
  void Turn(const Norm& norm, const ops::Rotation* rotation, int64_t row,
            int64_t head_index, float* head) const;

  // decoder_state_space.cc
  void StateSpace(Exec& exec, Batch& batch, int64_t index,
                  const ops::Activations& input) const;
  void ScanChannels(Exec& exec, const Batch& batch, int64_t index,
                    const float* convolved, float* out) const;
  void ScanHeads(Exec& exec, const Batch& batch, int64_t index,
                 const float* projected, const float* convolved,
                 float* out) const;
  ops::Activations ShortConvolution(Exec& exec, const Batch& batch,
                                    int64_t index, float* projected) const;
  ops::Activations Recurrence(Exec& exec, const Batch& batch, int64_t index,
                              float* projected) const;
  void Convolve(Exec& exec, const Batch& batch, int64_t index,
                const kernels::Convolution& how) const;
  ops::Activations Gated(Exec& exec, const Batch& batch, int64_t index,
                         float* gates, float* values) const;
  std::vector<ops::StateSlice> Slices(const Batch& batch, int64_t index) const;

  // decoder_mixture.cc
  void Mixture(Exec& exec, Batch& batch, int64_t index,
               const ops::Activations& input) const;
  void AddExpert(Exec& exec, const Expert& expert, const float* values,
                 std::span<const int64_t> rows, std::span<const float> weights,
                 float* sum) const;

  // decoder_feed_forward.cc
  void FeedForward(Exec& exec, Batch& batch, int64_t index,
                   const ops::Activations& input) const;

  Spec spec_;
  DecoderWeights weights_;
  KvType kv_type_;
  // Of each layer, among those that attend, and among those with a state.
  std::vector<int64_t> places_, state_places_;
  std::vector<float> part_scales_;  // [projected], of state spaces; or empty
  // [rope.dim/2], radians per position.
  std::vector<float> frequencies_, long_frequencies_, sliding_frequencies_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_DECODER_FAMILY_H_
