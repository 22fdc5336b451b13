// The encoder family: attention in both directions, with a LayerNorm behind
// each sum (Devlin et al. 2019, "BERT") or before each block.
#ifndef MALMOI_MODELS_FAMILIES_ENCODER_FAMILY_H_
#define MALMOI_MODELS_FAMILIES_ENCODER_FAMILY_H_

#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/families/encoder_head.h"
#include "models/families/weight_reader.h"
#include "models/registry.h"
#include "ops/rows.h"

namespace malmoi::models {

struct EncoderLayer {
  Linear query, key, value;
  Linear attention_output;
  Norm attention_norm;  // behind the attention's sum, or before the attention
  Linear gate, up, down;
  Norm feed_forward_norm;
  // Of distances, turned: [heads][head_dim][2·span], by what their vectors are
  // compared with.
  std::vector<float> query_distances, key_distances;
};

// Of rows and their neighbours, behind the first layer.
struct EncoderConvolution {
  Tensor stored;   // f32 [width, taps·width], the first tap's columns first
  Linear weights;  // of it
  Norm norm;
};

class EncoderFamily : public Encoder {
 public:
  EncoderFamily(const Checkpoint& checkpoint, Precision precision,
                ThreadPool& pool, PackedCache* cache, std::optional<Task> task);

  const EncoderSpec& spec() const override { return spec_; }
  int64_t parameters() const override { return parameters_; }
  std::span<const float> Forward(
      Exec& exec, std::span<const EncoderInput> inputs) const override;
  std::vector<float> Pool(Exec& exec,
                          std::span<const float> first_row) const override;
  std::vector<float> Head(Exec& exec, std::span<const float> rows,
                          int64_t count) const override;

 private:
  struct Batch {
    std::span<const EncoderInput> inputs;
    int64_t rows = 0;
    float* stream = nullptr;  // [rows][width]
    // The same in bf16, where there are tiles and it always stands behind a
    // norm; else null.
    uint16_t* rounded = nullptr;
    std::vector<int64_t> positions, texts;  // of each row
    // Pages of keys and values of each text, used by one layer after another.
    std::vector<std::vector<std::byte*>> keys, values;
    ops::Rotation rotation, sliding_rotation;
    const float* distance_bias = nullptr;
    const float* tile_bias = nullptr;  // times log2(e), for tiles
    std::vector<int64_t> lengths;      // of the texts
    int64_t reach = 0;                 // tokens of the longest text
  };

  const EncoderLayer& LayerAt(int64_t index) const {
    return layers_[static_cast<size_t>(index * spec_.groups / spec_.layers)];
  }
  void ReadTables(WeightReader& reader, const Checkpoint& checkpoint);
  void ReadLayer(WeightReader& reader, int64_t i, EncoderLayer& layer);
  Batch Prepare(Exec& exec, std::span<const EncoderInput> inputs) const;
  void Embed(Exec& exec, Batch& batch) const;
  // encoder_convolution.cc
  void ReadConvolution(WeightReader& reader);
  // `entered`: [rows][width].
  void Convolve(Exec& exec, Batch& batch, const float* entered) const;
  // encoder_distances.cc
  void ProjectDistances(ThreadPool& pool);
  const float* BiasByContents(Exec& exec, const Batch& batch,
                              const EncoderLayer& layer, const float* queries,
                              const float* keys) const;
  // encoder_attention.cc
  class HeadStore;
  void Attend(Exec& exec, Batch& batch, int64_t index,
              const EncoderLayer& layer) const;
  bool InTiles(const Exec& exec, int64_t index) const;
  void AttendInTiles(Exec& exec, const Batch& batch, int64_t index,
                     const EncoderLayer& layer, const ops::Activations& input,
                     const ops::Activations& out) const;
  const ops::Rotation* RotationOf(const Batch& batch, int64_t index) const;
  void FeedForward(Exec& exec, Batch& batch, const EncoderLayer& layer) const;
  // stream = norm(stream + weights·x), or without the norm.
  void AddProduct(Exec& exec, Batch& batch, const ops::Activations& x,
                  const Linear& weights, const Norm& norm) const;
  void NormStream(Exec& exec, Batch& batch, const Norm& norm) const;
  // The stream, through a norm that stands before the block.
  ops::Activations Input(
      Exec& exec, const Batch& batch, const Norm& norm,
      std::initializer_list<const ops::PackedMatrix*> readers) const;

  EncoderSpec spec_;
  Tensor embedding_;                      // [vocab_size, embedding_width]
  std::vector<float> positions_, types_;  // [rows][embedding_width]
  Norm embedding_norm_;
  Linear projection_;  // [width, embedding_width]
  std::vector<float> frequencies_, sliding_frequencies_;
  std::vector<float> distance_table_;  // [buckets][heads]
  std::vector<float> distances_;       // [2·span][width]
  Norm distance_norm_;
  EncoderConvolution convolution_;
  std::vector<EncoderLayer> layers_;  // of each group
  Norm output_norm_;
  Linear pooler_;
  EncoderHead head_;
  int64_t parameters_ = 0;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_ENCODER_FAMILY_H_
