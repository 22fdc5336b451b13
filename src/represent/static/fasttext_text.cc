// What fastText's models do with a text: words, their parts and n-grams become
// rows, whose mean is the sentence vector and what labels are told from.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "represent/static/fasttext.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

void ForWordNgrams(std::span<const int32_t> hashes, int n, int64_t buckets,
                   const std::function<void(int64_t bucket)>& use) {
  if (n < 2 || buckets < 1) return;
  for (size_t i = 0; i < hashes.size(); ++i) {
    // Sign-extended, as in fastText.
    uint64_t hash = static_cast<uint64_t>(int64_t{hashes[i]});
    for (size_t j = i + 1; j < hashes.size() && j < i + static_cast<size_t>(n);
         ++j) {
      hash = hash * 116049371u + static_cast<uint64_t>(int64_t{hashes[j]});
      use(static_cast<int64_t>(hash % static_cast<uint64_t>(buckets)));
    }
  }
}

void ForFastTextTokens(std::string_view text, const FastTextSplit& split,
                       const std::function<void(std::string_view)>& use) {
  constexpr std::string_view kBlanks(" \t\v\f\r\0\n", 7);
  text::WordCutter cutter(split.words);
  std::string lowered;
  const auto cut = [&](std::string_view part) {
    const bool plain = !split.words && !split.lower_case;
    if (plain || part.starts_with(kLabelPrefix)) return use(part);
    if (split.lower_case) {
      lowered = text::Lowercase(text::ReplaceInvalidUtf8(part));
      part = lowered;
    }
    for (const std::string_view word : cutter.Cut(part)) use(word);
  };
  size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '\n') {
      use(kEndOfSentence);
      ++at;
    } else if (kBlanks.find(text[at]) != std::string_view::npos) {
      ++at;
    } else {
      const size_t end = std::min(text.find_first_of(kBlanks, at), text.size());
      cut(text.substr(at, end - at));
      at = end;
    }
  }
  if (!text.ends_with('\n')) use(kEndOfSentence);
}

std::vector<double> FastTextModel::Probabilities(
    std::span<const float> hidden) const {
  const size_t count = labels_.size();
  std::vector<double> scores(count);
  if (args_.loss == FastTextLoss::kHierarchical) {
    std::vector<double> right(static_cast<size_t>(output_.rows));
    for (int64_t i = 0; i < output_.rows; ++i) {
      right[static_cast<size_t>(i)] =
          1 / (1 + std::exp(-double{output_.DotRow(i, hidden)}));
    }
    for (size_t i = 0; i < count; ++i) {
      scores[i] = 1;
      for (const auto& step : tree_.path(static_cast<int64_t>(i))) {
        const double p = right[static_cast<size_t>(step.node)];
        scores[i] *= step.right ? p : 1 - p;
      }
    }
    return scores;
  }
  for (size_t i = 0; i < count; ++i) {
    scores[i] = output_.DotRow(static_cast<int64_t>(i), hidden);
  }
  if (args_.loss != FastTextLoss::kSoftmax) {
    // In steps of 1/32 as fastText's table has it, so that scores are the same.
    const auto sigmoid = [](float x) {
      if (x < -8 || x > 8) return x < 0 ? 0.0 : 1.0;
      const double step = std::floor((x + 8) * 512 / 8 / 2) / 32 - 8;
      return 1 / (1 + std::exp(-step));
    };
    for (double& score : scores) score = sigmoid(static_cast<float>(score));
    return scores;
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  for (double& score : scores) score = std::exp(score - largest);
  const double sum = std::accumulate(scores.begin(), scores.end(), 0.0);
  for (double& score : scores) score /= sum;
  return scores;
}

std::vector<int64_t> FastTextModel::TextRows(std::string_view text,
                                             const FastTextSplit& split,
                                             int64_t& words,
                                             int64_t& unknown) const {
  std::vector<int64_t> rows;
  std::vector<int32_t> hashes;
  words = unknown = 0;
  ForFastTextTokens(text, split, [&](std::string_view token) {
    if (token.starts_with(kLabelPrefix)) return;
    hashes.push_back(static_cast<int32_t>(FastTextHash(token)));
    const size_t before = rows.size();
    RowsOf(token, rows);
    if (token == kEndOfSentence) return;
    ++words;
    if (rows.size() == before) ++unknown;
  });
  ForWordNgrams(hashes, args_.word_ngrams, args_.buckets,
                [&](int64_t bucket) { PushBucket(bucket, rows); });
  return rows;
}

std::vector<float> FastTextModel::MeanOf(
    const std::vector<int64_t>& rows) const {
  std::vector<float> mean(static_cast<size_t>(args_.dimensions));
  for (int64_t row : rows) input_.AddRow(row, mean);
  for (float& value : mean) {
    value /= static_cast<float>(std::max<size_t>(1, rows.size()));
  }
  return mean;
}

std::vector<float> FastTextModel::SentenceVector(
    std::string_view text, int64_t& words, int64_t& unknown,
    const FastTextSplit& split) const {
  return MeanOf(TextRows(text, split, words, unknown));
}

std::vector<LabelScore> FastTextModel::Predict(
    std::string_view text, int64_t top, const FastTextSplit& split) const {
  if (args_.kind != FastTextKind::kSupervised || labels_.empty()) {
    throw Error(ErrorCode::kUnsupported,
                {.where = "fastText model",
                 .what = "a model of word vectors, without labels"});
  }
  int64_t words = 0, unknown = 0;
  const std::vector<int64_t> rows = TextRows(text, split, words, unknown);
  if (rows.empty()) return {};
  const std::vector<float> hidden = MeanOf(rows);
  const std::vector<double> scores = Probabilities(hidden);
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto better = [&](size_t a, size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
  const size_t shown =
      std::min(order.size(), static_cast<size_t>(std::max<int64_t>(0, top)));
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(shown),
                    order.end(), better);
  std::vector<LabelScore> best;
  for (size_t i = 0; i < shown; ++i) {
    best.push_back({labels_[order[i]], scores[order[i]]});
  }
  return best;
}

}  // namespace malmoi::represent
