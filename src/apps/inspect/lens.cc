#include "apps/inspect/lens.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "generate/sample/sampler.h"

namespace malmoi::apps {

Prediction Summarize(std::span<const float> logits, int64_t top,
                     std::optional<int32_t> next) {
  Prediction result;
  const double sum = generate::LogSumExp(logits);
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](int32_t a, int32_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto kept = std::min<int64_t>(top, std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), better);
  const auto log_probability = [&](int32_t id) {
    return static_cast<double>(logits[static_cast<size_t>(id)]) - sum;
  };
  for (int64_t k = 0; k < kept; ++k) {
    const int32_t id = order[static_cast<size_t>(k)];
    result.top.push_back({id, std::exp(log_probability(id))});
  }
  for (const float logit : logits) {
    const double log = static_cast<double>(logit) - sum;
    if (log > -700) result.entropy -= std::exp(log) * log / std::log(2.0);
  }
  result.next = next;
  if (!next) return result;
  result.probability = std::exp(log_probability(*next));
  result.rank = 1;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (better(static_cast<int32_t>(id), *next)) ++result.rank;
  }
  return result;
}

Lens ReadLens(const InspectedModel& model, std::span<const int32_t> ids,
              std::span<const int32_t> target, int64_t top,
              PositionRange range) {
  const std::span<const int32_t> own = target.empty() ? ids : target;
  const HiddenStates states = ReadHiddenStates(model, ids, target, range);
  Lens lens;
  lens.range = states.range;
  const auto vocab = static_cast<size_t>(model.vocab_size());
  constexpr int64_t kRows = 64;  // bounds the memory of logits
  for (size_t layer = 0; layer < states.layers.size(); ++layer) {
    auto& predictions = lens.layers.emplace_back();
    predictions.resize(static_cast<size_t>(lens.range.size()));
    for (int64_t at = 0; at < lens.range.size(); at += kRows) {
      const int64_t count = std::min(kRows, lens.range.size() - at);
      const auto rows = std::span(states.layers[layer])
                            .subspan(static_cast<size_t>(at * states.width),
                                     static_cast<size_t>(count * states.width));
      const std::span<const float> logits = model.LogitsOf(rows);
      model.pool().Run(static_cast<int>(count), [&](int task, int) {
        const auto i = static_cast<size_t>(at + task);
        const size_t next = i + static_cast<size_t>(lens.range.from) + 1;
        predictions[i] = Summarize(
            logits.subspan(static_cast<size_t>(task) * vocab, vocab), top,
            next < own.size() ? std::optional(own[next]) : std::nullopt);
      });
    }
  }
  return lens;
}

Prediction PredictNext(const InspectedModel& model,
                       std::span<const int32_t> ids,
                       std::span<const int32_t> target, int64_t top) {
  Prediction result;
  const auto vocab = static_cast<size_t>(model.vocab_size());
  const size_t tokens = target.empty() ? ids.size() : target.size();
  model.Run(ids, target, {}, [&](int64_t first, std::span<const float> logits) {
    if (static_cast<size_t>(first) + logits.size() / vocab == tokens) {
      result = Summarize(logits.last(vocab), top, {});
    }
  });
  return result;
}

}  // namespace malmoi::apps
