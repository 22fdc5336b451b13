#include "generate/bench.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "base/format.h"
#include "base/random.h"
#include "models/decoder_plan.h"
#include "ops/machine.h"

namespace malmoi::generate {

namespace {

using models::LogitsFor;
using models::SequenceInput;

constexpr int64_t kLeastPast = 8;  // tokens before decoding begins
constexpr int64_t kPiece = 512;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

class Bench {
 public:
  Bench(const LanguageModel& model, const BenchOptions& options)
      : options_(options),
        decoder_(model.decoder()),
        past_(std::max(options.depth, kLeastPast)),
        exec_{model.pool(), arena_, {}, nullptr} {
    const int64_t context = decoder_.spec().context;
    const int64_t needed =
        std::max(options.prompt_tokens, past_ + options.decode_tokens);
    if (needed > context) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = "bench",
                   .what = "more tokens than the context holds",
                   .expected = Format("at most {}", context),
                   .got = std::to_string(needed)});
    }
    Random random(1);
    for (int64_t i = 0; i < std::max(options.prompt_tokens, past_); ++i) {
      tokens_.push_back(static_cast<int32_t>(
          random.Below(static_cast<uint32_t>(decoder_.spec().vocab_size))));
    }
    // The past is filled once; each run goes on with a copy.
    for (int64_t i = 0; i < options.sequences; ++i) {
      pasts_.push_back(decoder_.NewSequence(context, options.kv_type));
      Feed(*pasts_.back(), past_);
    }
  }

  double PromptSeconds() {
    const auto sequence =
        decoder_.NewSequence(decoder_.spec().context, options_.kv_type);
    return Seconds([&] { Feed(*sequence, options_.prompt_tokens); });
  }

  double DecodeSeconds() {
    std::vector<SequenceInput> inputs;
    std::vector<std::unique_ptr<models::Sequence>> sequences;
    for (const auto& past : pasts_) {
      sequences.push_back(past->Fork());
      inputs.push_back({sequences.back().get(), {}, LogitsFor::kLast});
    }
    return Seconds([&] {
      for (int64_t i = 0; i < options_.decode_tokens; ++i) {
        for (SequenceInput& input : inputs) {
          input.tokens = {tokens_.data() + i % kLeastPast, 1};
        }
        decoder_.Forward(exec_, inputs);
      }
    });
  }

  int64_t past() const { return past_; }

 private:
  void Feed(models::Sequence& sequence, int64_t count) {
    for (int64_t at = 0; at < count; at += kPiece) {
      const int64_t piece = std::min(kPiece, count - at);
      const SequenceInput input = {
          &sequence,
          {tokens_.data() + at, static_cast<size_t>(piece)},
          at + piece == count ? LogitsFor::kLast : LogitsFor::kNone};
      decoder_.Forward(exec_, {&input, 1});
    }
  }

  const BenchOptions& options_;
  const models::Decoder& decoder_;
  int64_t past_;
  Arena arena_;
  Exec exec_;
  std::vector<int32_t> tokens_;
  std::vector<std::unique_ptr<models::Sequence>> pasts_;
};

std::string DecodeName(const BenchOptions& options) {
  std::string name = Format("decode {}", options.decode_tokens);
  if (options.depth > 0) name += Format(" @{}", options.depth);
  if (options.sequences > 1) name += Format(" x{}", options.sequences);
  return name;
}

}  // namespace

std::vector<BenchResult> BenchModel(std::shared_ptr<const LanguageModel> model,
                                    const BenchOptions& options,
                                    const EvalProgress& progress) {
  const models::Decoder& decoder = model->decoder();
  const models::Spec& spec = decoder.spec();
  Bench bench(*model, options);
  const ops::Roofs roofs = ops::MeasureRoofs(model->pool());
  std::vector<double> prompt_times, decode_times;
  for (int run = 0; run <= options.repetitions; ++run) {
    const double prompt_seconds = bench.PromptSeconds();
    const double decode_seconds = bench.DecodeSeconds();
    if (run > 0) {  // the first warms up
      prompt_times.push_back(prompt_seconds);
      decode_times.push_back(decode_seconds);
    }
    if (progress) progress(run + 1, options.repetitions + 1);
  }
  models::DecoderPlan plan =
      models::PlanDecoder(models::Checkpoint::Open(model->info().path));
  plan.kv = decoder.kv_shape(options.kv_type);
  for (const auto& adapter : model->info().adapters) {
    AddAdapter(*adapter, plan);
  }
  BenchResult prompt;
  prompt.work = Format("prompt {}", options.prompt_tokens);
  const double prompt_tokens = static_cast<double>(options.prompt_tokens);
  prompt.tokens_per_s = prompt_tokens / Median(prompt_times);
  // Multiply and add for each weight of a layer; the head runs once.
  const double layer_weights =
      static_cast<double>(decoder.parameters()) -
      static_cast<double>(spec.vocab_size * spec.width) *
          (spec.tied_head ? 1.0 : 2.0);
  prompt.roof = "int8 arithmetic";
  prompt.share_of_roof =
      2.0 * layer_weights * prompt.tokens_per_s / roofs.int8_ops_per_s;
  prompt.predicted = PredictPrompt(plan, roofs, options.prompt_tokens);
  prompt.predicted_tokens_per_s = prompt_tokens / prompt.predicted.seconds();
  BenchResult decode;
  decode.work = DecodeName(options);
  const double decode_tokens =
      static_cast<double>(options.decode_tokens * options.sequences);
  decode.tokens_per_s = decode_tokens / Median(decode_times);
  decode.roof = "memory bandwidth";
  // A step reads the weights once, and the keys and values of a past that
  // was asked for.
  const double past_bytes =
      KvReadBytes(plan, options.depth) * static_cast<double>(options.sequences);
  decode.share_of_roof =
      (static_cast<double>(decoder.weight_bytes()) + past_bytes) *
      decode.tokens_per_s / static_cast<double>(options.sequences) /
      roofs.read_bytes_per_s;
  decode.predicted = PredictDecode(plan, roofs, options.decode_tokens,
                                   bench.past(), options.sequences);
  decode.predicted_tokens_per_s = decode_tokens / decode.predicted.seconds();
  return {prompt, decode};
}

}  // namespace malmoi::generate
