#include "apps/inspect/surprisal.h"

#include <cmath>

#include "apps/inspect/token_labels.h"
#include "base/check.h"
#include "generate/sample/sampler.h"

namespace malmoi::apps {

namespace {

TokenSurprisal Score(std::span<const float> logits, int32_t token) {
  const Prediction prediction = Summarize(logits, 1, token);
  const double log = static_cast<double>(logits[static_cast<size_t>(token)]) -
                     generate::LogSumExp(logits);
  return {-log / std::log(2.0), prediction.rank, prediction.top.at(0)};
}

void Finish(std::string_view text, Surprisal& result) {
  for (const TokenSurprisal& token : result.tokens) {
    if (!token.bits) continue;
    result.bits += *token.bits;
    ++result.scored;
  }
  result.bytes = static_cast<int64_t>(text.size());
  if (result.bytes > 0) {
    result.bits_per_byte = result.bits / static_cast<double>(result.bytes);
  }
  if (result.scored > 0) {
    result.perplexity =
        std::exp2(result.bits / static_cast<double>(result.scored));
  }
}

}  // namespace

Surprisal MeasureSurprisal(const InspectedModel& model, std::string_view text,
                           int64_t context,
                           const generate::EvalProgress& progress) {
  MALMOI_CHECK(model.language() != nullptr);
  Surprisal result;
  generate::EvalOptions options;
  options.context = context;
  options.kv_type = models::KvType::kF32;
  const auto tokens = generate::ScoreText(
      model.language(), text, options, progress,
      [&](size_t at, int32_t token, std::span<const float> logits) {
        result.tokens.resize(std::max(result.tokens.size(), at + 1));
        result.tokens[at] = Score(logits, token);
      });
  result.text.ids = tokens.ids;
  result.text.offsets = tokens.offsets;
  result.tokens.resize(tokens.ids.size());
  LabelTokens(model.tokenizer(), result.text);
  Finish(text, result);
  return result;
}

Surprisal MeasureSurprisal(const InspectedModel& model, const ReadText& text,
                           std::string_view target) {
  Surprisal result;
  result.text = model.ReadTarget(target, "--target");
  result.tokens.resize(result.text.ids.size());
  const auto vocab = static_cast<size_t>(model.vocab_size());
  model.Run(text.ids, result.text.ids, {},
            [&](int64_t first, std::span<const float> logits) {
              for (size_t i = 0; i < logits.size() / vocab; ++i) {
                const size_t at = static_cast<size_t>(first) + i + 1;
                if (at >= result.tokens.size()) return;
                result.tokens[at] = Score(logits.subspan(i * vocab, vocab),
                                          result.text.ids[at]);
              }
            });
  Finish(target, result);
  return result;
}

}  // namespace malmoi::apps
