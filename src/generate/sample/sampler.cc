#include "generate/sample/sampler.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::generate {

namespace {

struct Candidate {
  int32_t id;
  double logit;
  double probability;
};

void Require(bool good, std::string_view option, std::string_view expected,
             double got) {
  if (good) return;
  throw Error(ErrorCode::kInvalidArgument, {.where = std::string(option),
                                            .what = "value out of range",
                                            .expected = std::string(expected),
                                            .got = Format("{}", got)});
}

bool Before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// Probabilities of candidates sorted by logit.
void Softmax(std::vector<Candidate>& list) {
  double sum = 0;
  for (Candidate& c : list) {
    c.probability = std::exp(c.logit - list.front().logit);
    sum += c.probability;
  }
  for (Candidate& c : list) c.probability /= sum;
}

void Penalize(const SamplingOptions& options, std::span<const int32_t> history,
              std::vector<float>& logits) {
  if (options.repetition_penalty == 1.0 && options.presence_penalty == 0.0 &&
      options.frequency_penalty == 0.0) {
    return;
  }
  if (options.penalty_window >= 0) {
    const size_t window =
        std::min(history.size(), static_cast<size_t>(options.penalty_window));
    history = history.last(window);
  }
  std::unordered_map<int32_t, int> counts;
  for (int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    float& logit = logits[static_cast<size_t>(id)];
    double value = static_cast<double>(logit);
    // Keskar et al. 2019, section 4.1, with the sign rule of transformers.
    value = value > 0 ? value / options.repetition_penalty
                      : value * options.repetition_penalty;
    value -= options.presence_penalty +
             options.frequency_penalty * static_cast<double>(count);
    logit = static_cast<float>(value);
  }
}

// DRY: a token that would extend a repetition of length n >= allowed loses
// multiplier·base^(n - allowed).
void PenalizeRepeats(const SamplingOptions& options,
                     std::span<const int32_t> history,
                     std::vector<float>& logits) {
  if (options.dry_multiplier == 0.0 || history.size() < 2) return;
  if (options.dry_window >= 0) {
    const size_t window =
        std::min(history.size(), static_cast<size_t>(options.dry_window));
    history = history.last(window);
  }
  const std::unordered_set<int32_t> breakers(options.dry_breakers.begin(),
                                             options.dry_breakers.end());
  const size_t size = history.size();
  // match[i]: how many tokens before history[i] equal the history's end.
  std::unordered_map<int32_t, int> longest;
  constexpr int kLongest = 64;
  for (size_t i = 1; i < size; ++i) {
    int length = 0;
    while (length < kLongest && static_cast<size_t>(length) < i) {
      const int32_t then = history[i - 1 - static_cast<size_t>(length)];
      const int32_t now = history[size - 1 - static_cast<size_t>(length)];
      if (then != now || breakers.contains(now)) break;
      ++length;
    }
    if (length >= options.dry_allowed_length && length > 0) {
      int& known = longest[history[i]];
      known = std::max(known, length);
    }
  }
  for (const auto& [id, length] : longest) {
    if (breakers.contains(id)) continue;
    const double penalty =
        options.dry_multiplier *
        std::pow(options.dry_base,
                 static_cast<double>(length - options.dry_allowed_length));
    logits[static_cast<size_t>(id)] -= static_cast<float>(penalty);
  }
}

// Keeps the candidates whose surprise is nearest to the entropy until their
// mass reaches p (Meister et al. 2023, section 3).
void Typical(double p, std::vector<Candidate>& list) {
  Softmax(list);
  double entropy = 0;
  for (const Candidate& c : list) {
    if (c.probability > 0) entropy -= c.probability * std::log(c.probability);
  }
  std::vector<std::pair<double, Candidate>> by_distance;
  for (const Candidate& c : list) {
    by_distance.emplace_back(std::fabs(-std::log(c.probability) - entropy), c);
  }
  std::sort(by_distance.begin(), by_distance.end(),
            [](const auto& a, const auto& b) {
              return a.first != b.first ? a.first < b.first
                                        : Before(a.second, b.second);
            });
  list.clear();
  double mass = 0;
  for (const auto& [distance, c] : by_distance) {
    list.push_back(c);
    mass += c.probability;
    if (mass >= p) break;
  }
  std::sort(list.begin(), list.end(), Before);
}

// Candidates that can matter, best first. With top-k that is k of them; else
// those within e^-40 of the best, whose share no double sum would notice.
std::vector<Candidate> Candidates(std::span<const float> logits, int top_k) {
  float best = -INFINITY;
  for (float logit : logits) best = std::max(best, logit);
  std::vector<Candidate> list;
  const float least = best - 40.0f;
  if (top_k <= 0 || static_cast<size_t>(top_k) >= logits.size()) {
    for (size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] >= least) {
        list.push_back({static_cast<int32_t>(i), logits[i], 0});
      }
    }
    std::sort(list.begin(), list.end(), Before);
    return list;
  }
  // A heap of the k best so far, the worst on top.
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate c = {static_cast<int32_t>(i), logits[i], 0};
    if (list.size() < static_cast<size_t>(top_k)) {
      list.push_back(c);
      std::push_heap(list.begin(), list.end(), Before);
    } else if (Before(c, list.front())) {
      std::pop_heap(list.begin(), list.end(), Before);
      list.back() = c;
      std::push_heap(list.begin(), list.end(), Before);
    }
  }
  std::sort(list.begin(), list.end(), Before);
  return list;
}

}  // namespace

Sampler::Sampler(SamplingOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  const SamplingOptions& o = options_;
  Require(o.temperature >= 0 && o.temperature <= 100, "temperature", "0 to 100",
          o.temperature);
  Require(o.top_k >= 0, "top-k", "0 or more", o.top_k);
  Require(o.top_p > 0 && o.top_p <= 1, "top-p", "above 0, at most 1", o.top_p);
  Require(o.min_p >= 0 && o.min_p < 1, "min-p", "0 or more, below 1", o.min_p);
  Require(o.typical_p > 0 && o.typical_p <= 1, "typical", "above 0, at most 1",
          o.typical_p);
  Require(o.repetition_penalty > 0 && o.repetition_penalty <= 100,
          "repetition-penalty", "above 0, at most 100", o.repetition_penalty);
  Require(std::isfinite(o.presence_penalty), "presence-penalty", "a number",
          o.presence_penalty);
  Require(std::isfinite(o.frequency_penalty), "frequency-penalty", "a number",
          o.frequency_penalty);
  Require(o.penalty_window >= -1, "penalty-window", "-1 or more",
          o.penalty_window);
  Require(o.dry_multiplier >= 0, "dry-multiplier", "0 or more",
          o.dry_multiplier);
  Require(o.dry_base >= 1, "dry-base", "1 or more", o.dry_base);
  Require(o.dry_allowed_length >= 1, "dry-allowed-length", "1 or more",
          o.dry_allowed_length);
  Require(o.dry_window >= -1, "dry-window", "-1 or more", o.dry_window);
}

int32_t Sampler::Pick(std::span<const float> logits,
                      std::span<const int32_t> history) {
  if (logits.empty() || std::isnan(LogSumExp(logits))) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "sampling", .what = "the logits hold no number"});
  }
  std::vector<float> adjusted(logits.begin(), logits.end());
  Penalize(options_, history, adjusted);
  PenalizeRepeats(options_, history, adjusted);
  if (options_.temperature == 0.0) {
    size_t best = 0;
    for (size_t i = 1; i < adjusted.size(); ++i) {
      if (adjusted[i] > adjusted[best]) best = i;
    }
    return static_cast<int32_t>(best);
  }
  std::vector<Candidate> list = Candidates(adjusted, options_.top_k);
  if (options_.typical_p < 1.0) Typical(options_.typical_p, list);
  Softmax(list);
  size_t keep = list.size();
  if (options_.top_p < 1.0) {
    double mass = 0;
    for (size_t i = 0; i < keep; ++i) {
      mass += list[i].probability;
      if (mass >= options_.top_p) keep = i + 1;
    }
  }
  list.resize(keep);
  if (options_.min_p > 0.0) {
    const double least = options_.min_p * list.front().probability;
    while (list.size() > 1 && list.back().probability < least) {
      list.pop_back();
    }
  }
  for (Candidate& c : list) c.logit /= options_.temperature;
  Softmax(list);
  const double draw = random_.Uniform();
  double mass = 0;
  for (const Candidate& c : list) {
    mass += c.probability;
    if (draw < mass) return c.id;
  }
  return list.back().id;
}

double LogSumExp(std::span<const float> logits) {
  float largest = -INFINITY;
  for (float logit : logits) {
    if (std::isnan(logit)) return NAN;
    largest = std::max(largest, logit);
  }
  double sum = 0;
  for (float logit : logits) {
    sum += static_cast<double>(std::exp(logit - largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

std::vector<TokenLogprob> TopLogprobs(std::span<const float> logits,
                                      int count) {
  const double total = LogSumExp(logits);
  std::vector<TokenLogprob> top;
  if (count <= 0) return top;
  for (const Candidate& c : Candidates(logits, count)) {
    if (top.size() == static_cast<size_t>(count)) break;
    top.push_back({c.id, static_cast<float>(c.logit - total)});
  }
  return top;
}

}  // namespace malmoi::generate
