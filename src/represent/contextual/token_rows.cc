#include "represent/contextual/token_rows.h"

#include <algorithm>
#include <string>
#include <vector>

#include "models/encoder.h"
#include "models/registry.h"

namespace malmoi::represent {

namespace {

class EncoderRows : public TokenRows {
 public:
  EncoderRows(const models::Checkpoint& checkpoint, models::Precision precision,
              ThreadPool& pool, models::PackedCache* cache)
      : encoder_(models::Encoder::Load(checkpoint, precision, pool, cache)) {}

  int64_t width() const override { return encoder_->spec().width; }
  int64_t context() const override { return encoder_->spec().context(); }
  bool decoder() const override { return false; }

  std::span<const float> Rows(
      Exec& exec, std::span<const std::span<const int32_t>> texts) override {
    std::vector<models::EncoderInput> inputs;
    for (const auto& tokens : texts) inputs.push_back({tokens, {}});
    return encoder_->Forward(exec, inputs);
  }

 private:
  std::unique_ptr<models::Encoder> encoder_;
};

class DecoderRows : public TokenRows {
 public:
  DecoderRows(const models::Checkpoint& checkpoint, models::Precision precision,
              ThreadPool& pool, models::PackedCache* cache)
      : decoder_(models::Decoder::Load(checkpoint, precision, pool, cache,
                                       /*head=*/false)) {}

  int64_t width() const override { return decoder_->spec().width; }
  int64_t context() const override { return decoder_->spec().context; }
  bool decoder() const override { return true; }

  std::span<const float> Rows(
      Exec& exec, std::span<const std::span<const int32_t>> texts) override {
    if (texts.size() == 1 && texts[0].size() > kPiece &&
        !decoder_->spec().attention.both_ways) {
      return InPieces(exec, texts[0]);
    }
    std::vector<std::unique_ptr<models::Sequence>> sequences;
    std::vector<models::SequenceInput> inputs;
    for (const auto& tokens : texts) {
      sequences.push_back(
          decoder_->NewReading(static_cast<int64_t>(tokens.size())));
      inputs.push_back(
          {sequences.back().get(), tokens, models::LogitsFor::kAll});
    }
    return decoder_->Hidden(exec, inputs);
  }

 private:
  // A long text, whose activations would not fit: the rows of a piece are the
  // same bits as those of the whole.
  std::span<const float> InPieces(Exec& exec, std::span<const int32_t> tokens) {
    const auto sequence = decoder_->NewSequence(
        static_cast<int64_t>(tokens.size()), models::KvType::kF32);
    long_rows_.clear();
    for (size_t at = 0; at < tokens.size(); at += kPiece) {
      const models::SequenceInput input = {
          sequence.get(),
          tokens.subspan(at, std::min(kPiece, tokens.size() - at)),
          models::LogitsFor::kAll};
      const auto rows = decoder_->Hidden(exec, {&input, 1});
      long_rows_.insert(long_rows_.end(), rows.begin(), rows.end());
    }
    return long_rows_;
  }

  static constexpr size_t kPiece = 2048;
  std::unique_ptr<models::Decoder> decoder_;
  std::vector<float> long_rows_;
};

}  // namespace

std::unique_ptr<TokenRows> TokenRows::Load(const models::Checkpoint& checkpoint,
                                           models::Precision precision,
                                           ThreadPool& pool,
                                           models::PackedCache* cache) {
  const models::Architecture& architecture = models::FindArchitecture(
      checkpoint.Architecture(), checkpoint.path.string());
  if (architecture.describe != nullptr) {
    return std::make_unique<DecoderRows>(checkpoint, precision, pool, cache);
  }
  return std::make_unique<EncoderRows>(checkpoint, precision, pool, cache);
}

}  // namespace malmoi::represent
