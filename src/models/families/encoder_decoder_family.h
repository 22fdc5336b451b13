// The class of the encoder-decoder family. Its two stacks are one forward: the
// decoder's sees only what is before a row and has attention over the memory
// besides. Weights are read in encoder_decoder_weights.cc.
#ifndef MALMOI_MODELS_FAMILIES_ENCODER_DECODER_FAMILY_H_
#define MALMOI_MODELS_FAMILIES_ENCODER_DECODER_FAMILY_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/encoder_decoder.h"
#include "models/families/weight_reader.h"
#include "ops/activations.h"
#include "ops/attention.h"

namespace malmoi::models {

struct AttentionWeights {
  Norm norm;                 // before it or behind its sum
  Linear query, key, value;  // [heads·head_dim, width]
  Linear output;             // [width, heads·head_dim]
};

struct StackLayer {
  AttentionWeights self;
  AttentionWeights cross;  // of the decoder
  Norm feed_forward_norm;
  Linear gate, up;  // [hidden, width]; no gate where it is not gated
  Linear down;      // [width, hidden]
};

struct Stack {
  std::vector<float> positions;       // [rows][width], learned or computed
  std::vector<float> distance_table;  // [buckets][heads]
  Norm embedding_norm;
  std::vector<StackLayer> layers;
  Norm output_norm;
};

struct EncoderDecoderWeights {
  Tensor embedding;  // [vocab_size, width], in the file
  Stack encoder, decoder;
  Linear head;  // [vocab_size, width]; its bias is that of the logits
  int64_t parameters = 0;
};

// Completes `spec` (vocab_size) by what the tensors say. Throws kCorrupt or
// kUnsupported as EncoderDecoder::Load() does.
EncoderDecoderWeights LoadEncoderDecoder(const Checkpoint& checkpoint,
                                         bool exact, ThreadPool& pool,
                                         PackedCache* cache,
                                         EncoderDecoderSpec& spec);

class EncoderDecoderFamily : public EncoderDecoder {
 public:
  EncoderDecoderFamily(const Checkpoint& checkpoint, Precision precision,
                       ThreadPool& pool, PackedCache* cache);

  const EncoderDecoderSpec& spec() const override { return spec_; }
  int64_t parameters() const override { return weights_.parameters; }
  std::vector<std::unique_ptr<Sequence>> Encode(
      Exec& exec,
      std::span<const std::span<const int32_t>> texts) const override;
  std::unique_ptr<Sequence> NewSequence(int64_t max_tokens) const override;
  std::span<const float> Forward(
      Exec& exec, std::span<const DecodeInput> inputs) const override;
  std::span<const float> LogitsOf(Exec& exec,
                                  std::span<const float> rows) const override;

 private:
  // The rows of one text or output.
  struct Run {
    std::span<const int32_t> tokens;
    int64_t first_row = 0;
    int64_t first_position = 0;
    Sequence* own = nullptr;
    const Sequence* memory = nullptr;  // of the decoder
    int64_t rows() const { return static_cast<int64_t>(tokens.size()); }
  };
  // What one pass through a stack works on.
  struct Batch {
    const char* name;  // "encoder", "decoder"
    const StackSpec& spec;
    const Stack& stack;
    bool causal = false;
    std::vector<Run> runs;
    std::vector<size_t> run_of;  // of each row
    int64_t rows = 0;
    float* stream = nullptr;  // [rows][width]
    const float* distance_bias = nullptr;
    int64_t reach = 0;  // all positions are below
    int64_t position(int64_t row) const {
      const Run& run = runs[run_of[static_cast<size_t>(row)]];
      return run.first_position + row - run.first_row;
    }
  };

  KvShape ShapeOf(const StackSpec& spec, int64_t layers) const;
  void AddRun(Batch& batch, Run run) const;
  void Begin(Exec& exec, Batch& batch) const;
  void Embed(Exec& exec, Batch& batch) const;
  // All layers and the norm behind them.
  void RunStack(Exec& exec, Batch& batch) const;
  void Attend(Exec& exec, Batch& batch, const AttentionWeights& weights,
              int64_t index) const;
  void AttendMemory(Exec& exec, Batch& batch, const AttentionWeights& weights,
                    int64_t index) const;
  void FeedForward(Exec& exec, Batch& batch, const StackLayer& layer) const;
  void KeepMemory(Exec& exec, const Batch& batch,
                  std::span<const std::unique_ptr<Sequence>> memories) const;
  ops::Activations Input(
      Exec& exec, const Batch& batch, const Norm& norm,
      std::initializer_list<const ops::PackedMatrix*> readers) const;
  // stream + x·weights, behind it the norm where it stands there.
  void AddProduct(Exec& exec, Batch& batch, const ops::Activations& x,
                  const Linear& weights, const Norm& norm) const;
  std::span<const float> Logits(Exec& exec, const Batch& batch,
                                std::span<const DecodeInput> inputs) const;
  // Of these rows: writes f32 [input.rows, vocab_size] in exec.arena.
  std::span<const float> Head(Exec& exec, const ops::Activations& input) const;
  void Tapped(Exec& exec, const Batch& batch, const std::string& name) const;

  EncoderDecoderSpec spec_;
  EncoderDecoderWeights weights_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_ENCODER_DECODER_FAMILY_H_
