#include "generate/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/format.h"
#include "generate/session.h"
#include "ops/machine.h"

namespace malmoi::generate {

Perplexity EvaluatePerplexity(std::shared_ptr<const LanguageModel> model,
                              std::string_view text, int64_t context,
                              const EvalProgress& progress) {
  const std::vector<int32_t> tokens =
      model->tokenizer()
          .Encode(text, {.add_special_tokens = true, .parse_special = false})
          .ids;
  if (tokens.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text",
                 .what = "the text is empty",
                 .expected = "at least 2 tokens",
                 .got = std::to_string(tokens.size())});
  }
  Session session(model, context);
  const int64_t window = session.context();
  if (window < 4) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "context",
                                              .what = "value out of range",
                                              .expected = "4 or more",
                                              .got = std::to_string(window)});
  }
  const int64_t size = static_cast<int64_t>(tokens.size());
  Perplexity result;
  int64_t scored = 1;  // tokens before it are done; the first has no past
  for (int64_t start = 0; scored < size; start += window / 2) {
    const int64_t count = std::min(window, size - start);
    const std::span<const int32_t> piece(tokens.data() + start,
                                         static_cast<size_t>(count));
    session.Score(piece, [&](int64_t at, std::span<const float> logits) {
      const int64_t next = start + at + 1;
      if (next < scored || next >= start + count) return;
      const size_t token =
          static_cast<size_t>(tokens[static_cast<size_t>(next)]);
      result.nll += LogSumExp(logits) - static_cast<double>(logits[token]);
      ++result.tokens;
    });
    scored = start + count;
    if (progress) progress(scored, size);
  }
  result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
  return result;
}

namespace {

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

}  // namespace

std::vector<BenchResult> BenchModel(std::shared_ptr<const LanguageModel> model,
                                    int64_t prompt_tokens,
                                    int64_t decode_tokens, int repetitions,
                                    const EvalProgress& progress) {
  const models::Decoder& decoder = model->decoder();
  const models::Spec& spec = decoder.spec();
  constexpr int64_t kPast = 8;  // tokens before decoding begins
  if (prompt_tokens > spec.context || kPast + decode_tokens > spec.context) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = "bench",
                 .what = "more tokens than the context holds",
                 .expected = Format("at most {}", spec.context),
                 .got = std::to_string(
                     std::max(prompt_tokens, kPast + decode_tokens))});
  }
  const ops::Roofs roofs = ops::MeasureRoofs(model->pool());
  Random random(1);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < std::max(prompt_tokens, kPast); ++i) {
    tokens.push_back(static_cast<int32_t>(
        random.Below(static_cast<uint32_t>(spec.vocab_size))));
  }
  Arena arena;
  Exec exec{model->pool(), arena, {}, nullptr};
  std::vector<double> prompt_times, decode_times;
  for (int run = 0; run <= repetitions; ++run) {
    auto sequence = decoder.NewSequence(spec.context);
    const double prompt_seconds = Seconds([&] {
      constexpr int64_t kPiece = 512;
      for (int64_t at = 0; at < prompt_tokens; at += kPiece) {
        const int64_t count = std::min(kPiece, prompt_tokens - at);
        const models::SequenceInput input = {
            sequence.get(),
            {tokens.data() + at, static_cast<size_t>(count)},
            at + count == prompt_tokens ? models::LogitsFor::kLast
                                        : models::LogitsFor::kNone};
        decoder.Forward(exec, {&input, 1});
      }
    });
    sequence = decoder.NewSequence(spec.context);
    const models::SequenceInput start = {
        sequence.get(), {tokens.data(), kPast}, models::LogitsFor::kLast};
    decoder.Forward(exec, {&start, 1});
    const double decode_seconds = Seconds([&] {
      for (int64_t i = 0; i < decode_tokens; ++i) {
        const models::SequenceInput input = {sequence.get(),
                                             {tokens.data() + i % kPast, 1},
                                             models::LogitsFor::kLast};
        decoder.Forward(exec, {&input, 1});
      }
    });
    if (run > 0) {  // the first warms up
      prompt_times.push_back(prompt_seconds);
      decode_times.push_back(decode_seconds);
    }
    if (progress) progress(run + 1, repetitions + 1);
  }
  BenchResult prompt;
  prompt.work = Format("prompt {}", prompt_tokens);
  prompt.tokens_per_s =
      static_cast<double>(prompt_tokens) / Median(prompt_times);
  // Multiply and add for each weight of a layer; the head runs once.
  const double layer_weights =
      static_cast<double>(decoder.parameters()) -
      static_cast<double>(spec.vocab_size * spec.width) *
          (spec.tied_head ? 1.0 : 2.0);
  prompt.roof = "int8 arithmetic";
  prompt.share_of_roof =
      2.0 * layer_weights * prompt.tokens_per_s / roofs.int8_ops_per_s;
  BenchResult decode;
  decode.work = Format("decode {}", decode_tokens);
  decode.tokens_per_s =
      static_cast<double>(decode_tokens) / Median(decode_times);
  decode.roof = "memory bandwidth";
  decode.share_of_roof = static_cast<double>(decoder.weight_bytes()) *
                         decode.tokens_per_s / roofs.read_bytes_per_s;
  return {prompt, decode};
}

}  // namespace malmoi::generate
