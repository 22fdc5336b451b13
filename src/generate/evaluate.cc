#include "generate/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/error.h"
#include "base/format.h"
#include "generate/session.h"
#include "ops/machine.h"

namespace malmoi::generate {

namespace {

std::vector<int32_t> Tokens(const LanguageModel& model, std::string_view text) {
  std::vector<int32_t> tokens =
      model.tokenizer()
          .Encode(text, {.add_special_tokens = true, .parse_special = false})
          .ids;
  if (tokens.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text",
                 .what = "the text is empty",
                 .expected = "at least 2 tokens",
                 .got = std::to_string(tokens.size())});
  }
  return tokens;
}

// One window of a text: its tokens, and how many of them at its beginning are
// there only as a past.
struct Window {
  std::span<const int32_t> tokens;
  int64_t past;
};

// Windows overlap by half; a text's first token is past, having none itself.
void ForWindows(std::span<const int32_t> tokens, int64_t window,
                const EvalProgress& progress,
                const std::function<void(const Window&)>& use) {
  if (window < 4) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "context",
                                              .what = "value out of range",
                                              .expected = "4 or more",
                                              .got = std::to_string(window)});
  }
  const int64_t size = static_cast<int64_t>(tokens.size());
  int64_t scored = 1;
  for (int64_t start = 0; scored < size; start += window / 2) {
    const int64_t count = std::min(window, size - start);
    use({tokens.subspan(static_cast<size_t>(start), static_cast<size_t>(count)),
         scored - start});
    scored = start + count;
    if (progress) progress(scored, size);
  }
}

void Finish(Perplexity& result) {
  result.perplexity = std::exp(result.nll / static_cast<double>(result.tokens));
}

}  // namespace

Perplexity EvaluatePerplexity(std::shared_ptr<const LanguageModel> model,
                              std::string_view text, const EvalOptions& options,
                              const EvalProgress& progress) {
  const std::vector<int32_t> tokens = Tokens(*model, text);
  Session session(model, options.context, options.kv_type);
  Perplexity result;
  ForWindows(tokens, session.context(), progress, [&](const Window& window) {
    session.Score(
        window.tokens, [&](int64_t at, std::span<const float> logits) {
          const int64_t next = at + 1;
          if (next < window.past ||
              next >= static_cast<int64_t>(window.tokens.size())) {
            return;
          }
          const size_t token =
              static_cast<size_t>(window.tokens[static_cast<size_t>(next)]);
          result.nll += LogSumExp(logits) - static_cast<double>(logits[token]);
          ++result.tokens;
        });
  });
  Finish(result);
  return result;
}

namespace {

struct Position {
  double nll, reference_nll, kl;
  bool same_top;
};

Position Compare(std::span<const float> logits,
                 std::span<const float> reference, size_t next) {
  const double sum = LogSumExp(logits), reference_sum = LogSumExp(reference);
  Position result;
  result.nll = sum - static_cast<double>(logits[next]);
  result.reference_nll = reference_sum - static_cast<double>(reference[next]);
  double kl = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - reference_sum;
    kl += std::exp(log_p) * (log_p - (static_cast<double>(logits[i]) - sum));
  }
  result.kl = std::max(0.0, kl);  // rounding may leave it just below
  result.same_top =
      std::max_element(logits.begin(), logits.end()) - logits.begin() ==
      std::max_element(reference.begin(), reference.end()) - reference.begin();
  return result;
}

void CheckSameTokens(const LanguageModel& model, const LanguageModel& reference,
                     const std::vector<int32_t>& tokens,
                     std::string_view text) {
  const int64_t vocab = model.decoder().spec().vocab_size;
  const int64_t other = reference.decoder().spec().vocab_size;
  if (vocab != other) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--reference",
                 .what = "the models have different vocabularies",
                 .expected = Format("{} tokens", vocab),
                 .got = std::to_string(other)});
  }
  if (tokens != Tokens(reference, text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--reference",
                 .what = "the models tokenize the text differently"});
  }
}

Comparison Summarize(const std::vector<Position>& positions) {
  Comparison result;
  std::vector<double> kls;
  for (const Position& position : positions) {
    result.model.nll += position.nll;
    result.reference.nll += position.reference_nll;
    result.divergence.kl_mean += position.kl;
    result.divergence.same_top += position.same_top ? 1 : 0;
    kls.push_back(position.kl);
  }
  const double count = static_cast<double>(kls.size());
  result.model.tokens = result.reference.tokens =
      static_cast<int64_t>(kls.size());
  Finish(result.model);
  Finish(result.reference);
  std::sort(kls.begin(), kls.end());
  result.divergence.kl_mean /= count;
  result.divergence.same_top /= count;
  result.divergence.kl_max = kls.back();
  result.divergence.kl_p99 =
      kls[static_cast<size_t>(std::ceil(0.99 * count)) - 1];
  return result;
}

}  // namespace

Comparison CompareModels(std::shared_ptr<const LanguageModel> model,
                         std::shared_ptr<const LanguageModel> reference,
                         std::string_view text, const EvalOptions& options,
                         const EvalProgress& progress) {
  const std::vector<int32_t> tokens = Tokens(*model, text);
  CheckSameTokens(*model, *reference, tokens, text);
  int64_t context = options.context;
  if (context == 0) {
    context = std::min(model->decoder().spec().context,
                       reference->decoder().spec().context);
  }
  Session session(model, context, options.kv_type), other(reference, context);
  const size_t vocab = static_cast<size_t>(model->decoder().spec().vocab_size);
  std::vector<Position> positions;
  ForWindows(tokens, session.context(), progress, [&](const Window& window) {
    session.Clear();
    other.Clear();
    constexpr size_t kRows = 128;  // bounds the memory of the logits
    for (size_t at = 0; at < window.tokens.size(); at += kRows) {
      const auto piece =
          window.tokens.subspan(at, std::min(kRows, window.tokens.size() - at));
      const auto ours = session.ScoreNext(piece);
      const auto theirs = other.ScoreNext(piece);
      // The rows whose next token is scored here.
      const size_t past = static_cast<size_t>(window.past);
      const size_t first = std::max(at + 1, past) - at - 1;
      const size_t end =
          std::min(at + piece.size(), window.tokens.size() - 1) - at;
      if (first >= end) continue;
      const size_t base = positions.size();
      positions.resize(base + end - first);
      model->pool().Run(static_cast<int>(end - first), [&](int task, int) {
        const size_t row = first + static_cast<size_t>(task);
        positions[base + static_cast<size_t>(task)] =
            Compare(ours.subspan(row * vocab, vocab),
                    theirs.subspan(row * vocab, vocab),
                    static_cast<size_t>(window.tokens[at + row + 1]));
      });
    }
  });
  return Summarize(positions);
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
