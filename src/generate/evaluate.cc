#include "generate/evaluate.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"
#include "generate/session.h"

namespace malmoi::generate {

namespace {

text::Encoding Encode(const LanguageModel& model, std::string_view text) {
  text::Encoding tokens = model.tokenizer().Encode(
      text, {.add_special_tokens = true, .parse_special = false});
  if (tokens.ids.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "text",
                 .what = "the text is empty",
                 .expected = "at least 2 tokens",
                 .got = std::to_string(tokens.ids.size())});
  }
  return tokens;
}

std::vector<int32_t> Tokens(const LanguageModel& model, std::string_view text) {
  return Encode(model, text).ids;
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

text::Encoding ScoreText(
    std::shared_ptr<const LanguageModel> model, std::string_view text,
    const EvalOptions& options, const EvalProgress& progress,
    const std::function<void(size_t at, int32_t token,
                             std::span<const float> logits)>& visit) {
  text::Encoding tokens = Encode(*model, text);
  Session session(model, options.context, options.kv_type);
  ForWindows(
      tokens.ids, session.context(), progress, [&](const Window& window) {
        const int64_t start = window.tokens.data() - tokens.ids.data();
        session.Score(
            window.tokens, [&](int64_t at, std::span<const float> logits) {
              const int64_t next = at + 1;
              if (next < window.past || next >= std::ssize(window.tokens)) {
                return;
              }
              visit(static_cast<size_t>(start + next),
                    window.tokens[static_cast<size_t>(next)], logits);
            });
      });
  return tokens;
}

Perplexity EvaluatePerplexity(std::shared_ptr<const LanguageModel> model,
                              std::string_view text, const EvalOptions& options,
                              const EvalProgress& progress) {
  Perplexity result;
  ScoreText(std::move(model), text, options, progress,
            [&](size_t, int32_t token, std::span<const float> logits) {
              result.nll +=
                  LogSumExp(logits) -
                  static_cast<double>(logits[static_cast<size_t>(token)]);
              ++result.tokens;
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

}  // namespace malmoi::generate
