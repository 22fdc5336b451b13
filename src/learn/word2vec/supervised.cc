#include "learn/word2vec/supervised.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/format.h"
#include "kernels/word_kernels.h"
#include "learn/word2vec/weights.h"
#include "text/unicode/utf8.h"

namespace malmoi::learn {

namespace {

using Clock = std::chrono::steady_clock;
using represent::FastTextLoss;

double Since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

[[noreturn]] void Refuse(const std::string& where, std::string what,
                         std::string expected, std::string got,
                         std::string hint = "") {
  throw Error(ErrorCode::kInvalidArgument, {.where = where,
                                            .what = std::move(what),
                                            .expected = std::move(expected),
                                            .got = std::move(got),
                                            .hint = std::move(hint)});
}

void CheckOptions(const SupervisedOptions& o) {
  const auto require = [](bool right, const char* where, const char* expected,
                          const std::string& got) {
    if (!right) Refuse(where, "value out of range", expected, got);
  };
  require(o.dimensions >= 1 && o.dimensions <= 10000, "dimensions",
          "1 to 10000", std::to_string(o.dimensions));
  require(o.epochs >= 1 && o.epochs <= 100000, "epochs", "1 to 100000",
          std::to_string(o.epochs));
  require(o.rate > 0 && o.rate <= 100, "rate", "above 0, at most 100",
          Format("{}", o.rate));
  require(o.min_count >= 1, "min count", "at least 1",
          std::to_string(o.min_count));
  require(o.word_ngrams >= 1 && o.word_ngrams <= 10, "word n-grams", "1 to 10",
          std::to_string(o.word_ngrams));
  require(o.subwords.buckets >= 1 && o.subwords.buckets <= 1'000'000'000 &&
              o.subwords.max_chars >= 0 && o.subwords.max_chars <= 100 &&
              o.subwords.min_chars <= o.subwords.max_chars,
          "subwords", "1 <= shortest <= longest <= 100, and buckets",
          Format("{}, {}, {}", o.subwords.min_chars, o.subwords.max_chars,
                 o.subwords.buckets));
}

// Words or labels by descending count; `to` of the old numbers, -1: dropped.
void Sort(const std::vector<int64_t>& counts, int64_t min_count,
          std::vector<int32_t>& to, std::vector<int64_t>& kept) {
  std::vector<int32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return counts[static_cast<size_t>(a)] > counts[static_cast<size_t>(b)];
  });
  to.assign(counts.size(), -1);
  for (int32_t old : order) {
    const int64_t count = counts[static_cast<size_t>(old)];
    if (count < min_count) continue;
    to[static_cast<size_t>(old)] = static_cast<int32_t>(kept.size());
    kept.push_back(count);
  }
}

// All lines as rows of the input and labels.
struct Examples {
  std::vector<int32_t> rows, labels;
  std::vector<int64_t> row_begins = {0}, label_begins = {0};
  std::vector<int64_t> tokens;  // of each line

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
};

class Supervised {
 public:
  Supervised(std::string_view text, const std::string& where,
             const SupervisedOptions& options, ThreadPool& pool)
      : options_(options), kernels_(kernels::WordKernels()) {
    Count(text, where);
    buckets_ = options.subwords.max_chars > 0 || options.word_ngrams > 1
                   ? options.subwords.buckets
                   : 0;
    Encode(text);
    const int64_t labels = static_cast<int64_t>(result_.labels.size());
    input_ = AlignedRows(result_.words.size() + buckets_, options.dimensions);
    output_ = AlignedRows(labels, options.dimensions);
    FillUniform(input_, 1.0f / static_cast<float>(options.dimensions),
                options.seed, pool);
    hidden_ = AlignedRows(2, options.dimensions);
    if (options.loss == FastTextLoss::kHierarchical) {
      tree_ = represent::MakeHuffmanTree(result_.label_counts);
    }
    if (options.loss == FastTextLoss::kNegative) {
      sampler_ = WordSampler(result_.label_counts, 0.5);
    }
    gradients_.resize(static_cast<size_t>(labels) + 16);
  }

  SupervisedResult Run() {
    const auto start = Clock::now();
    auto told = start;
    const double total = static_cast<double>(result_.tokens) * options_.epochs;
    int64_t done = 0;
    Random random(MixSeed(options_.seed, 77));
    for (int epoch = 0; epoch < options_.epochs; ++epoch) {
      double loss = 0;
      for (int64_t i = 0; i < examples_.size(); ++i) {
        const double fraction = static_cast<double>(done) / total;
        rate_ = static_cast<float>(options_.rate * (1 - fraction));
        done += examples_.tokens[static_cast<size_t>(i)];
        loss += Learn(i, random);
        if (!options_.progress || i % 64 != 0 || Since(told) < 0.2) continue;
        told = Clock::now();
        if (!options_.progress(
                {.epoch = epoch + 1,
                 .epochs = options_.epochs,
                 .fraction = fraction,
                 .words_per_s = static_cast<double>(done) / Since(start),
                 .loss = loss / static_cast<double>(i + 1),
                 .rate = rate_})) {
          throw Error(ErrorCode::kCancelled,
                      {.where = "training", .what = "cancelled"});
        }
      }
      result_.losses.push_back(loss / static_cast<double>(examples_.size()));
    }
    result_.words_per_s =
        static_cast<double>(done) / std::max(1e-9, Since(start));
    Finish();
    result_.seconds = Since(begun_);
    return std::move(result_);
  }

 private:
  void Count(std::string_view text, const std::string& where) {
    if (const auto bad = text::FindInvalidUtf8(text)) {
      const auto line =
          1 + std::count(text.begin(),
                         text.begin() + static_cast<int64_t>(*bad), '\n');
      Refuse(Format("{}:{}", where, line), "not UTF-8", "",
             Format("byte 0x{:02X} at {}",
                    static_cast<unsigned char>(text[*bad]), *bad),
             "iconv -f LATIN1 -t UTF-8");
    }
    represent::WordTable words, labels;
    std::vector<int64_t> word_counts, label_counts;
    represent::ForFastTextTokens(text, Split(), [&](std::string_view token) {
      const bool label = token.starts_with(represent::kLabelPrefix);
      auto& table = label ? labels : words;
      auto& counts = label ? label_counts : word_counts;
      const size_t id = static_cast<size_t>(table.Add(token));
      if (id == counts.size()) counts.push_back(0);
      ++counts[id];
      ++result_.tokens;
    });
    std::vector<int32_t> to;
    Sort(word_counts, options_.min_count, to, result_.word_counts);
    std::vector<int64_t> back(result_.word_counts.size());
    for (size_t i = 0; i < to.size(); ++i) {
      if (to[i] >= 0) {
        back[static_cast<size_t>(to[i])] = static_cast<int64_t>(i);
      }
    }
    for (int64_t old : back) result_.words.Add(words.word(old));
    Sort(label_counts, 1, to, result_.label_counts);
    result_.labels.resize(result_.label_counts.size());
    for (size_t i = 0; i < to.size(); ++i) {
      result_.labels[static_cast<size_t>(to[i])] =
          labels.word(static_cast<int64_t>(i))
              .substr(represent::kLabelPrefix.size());
    }
    for (const std::string& label : result_.labels) label_table_.Add(label);
    if (result_.labels.size() < 2 || result_.words.size() == 0) {
      Refuse(where, "too few labels to learn from",
             "lines like __label__NAME text, with 2 or more labels",
             Format("{} labels, {} words", result_.labels.size(),
                    result_.words.size()));
    }
  }

  void Encode(std::string_view text) {
    std::vector<int32_t> hashes;
    int64_t tokens = 0;
    const represent::SubwordOptions& subwords = options_.subwords;
    represent::ForFastTextTokens(text, Split(), [&](std::string_view token) {
      ++tokens;
      if (token.starts_with(represent::kLabelPrefix)) {
        examples_.labels.push_back(static_cast<int32_t>(
            label_table_.Find(token.substr(represent::kLabelPrefix.size()))));
        return;
      }
      const int64_t id = result_.words.Find(token);
      if (id >= 0) examples_.rows.push_back(static_cast<int32_t>(id));
      represent::ForSubwords(
          token, subwords,
          [&](std::string_view, int64_t bucket) { AddBucket(bucket); });
      hashes.push_back(static_cast<int32_t>(represent::FastTextHash(token)));
      if (token != represent::kEndOfSentence) return;
      represent::ForWordNgrams(hashes, options_.word_ngrams, buckets_,
                               [&](int64_t bucket) { AddBucket(bucket); });
      hashes.clear();
      examples_.row_begins.push_back(
          static_cast<int64_t>(examples_.rows.size()));
      examples_.label_begins.push_back(
          static_cast<int64_t>(examples_.labels.size()));
      examples_.tokens.push_back(tokens);
      tokens = 0;
    });
    result_.examples = examples_.size();
  }
  represent::FastTextSplit Split() const {
    return {options_.words, options_.lower_case};
  }
  void AddBucket(int64_t bucket) {
    examples_.rows.push_back(
        static_cast<int32_t>(result_.words.size() + bucket));
  }

  // The loss of a line.
  double Learn(int64_t example, Random& random) {
    const size_t e = static_cast<size_t>(example);
    const auto rows =
        std::span(examples_.rows)
            .subspan(static_cast<size_t>(examples_.row_begins[e]),
                     static_cast<size_t>(examples_.row_begins[e + 1] -
                                         examples_.row_begins[e]));
    const auto labels =
        std::span(examples_.labels)
            .subspan(static_cast<size_t>(examples_.label_begins[e]),
                     static_cast<size_t>(examples_.label_begins[e + 1] -
                                         examples_.label_begins[e]));
    if (rows.empty() || labels.empty()) return 0;
    const int64_t stride = input_.stride();
    float* hidden = hidden_.row(0);
    float* change = hidden_.row(1);
    std::fill_n(hidden, 2 * stride, 0.0f);
    pointers_.clear();
    for (int32_t row : rows) pointers_.push_back(input_.row(row));
    const float share = 1.0f / static_cast<float>(rows.size());
    kernels_.add_weighted(pointers_.data(), &share, 0,
                          static_cast<int64_t>(rows.size()), stride, hidden);
    const int32_t label =
        labels.size() == 1
            ? labels[0]
            : labels[random.Below(static_cast<uint32_t>(labels.size()))];
    const double loss = options_.loss == FastTextLoss::kSoftmax
                            ? Softmax(label, hidden, change)
                            : Sigmoids(label, labels, hidden, change, random);
    const float* from = change;
    for (int32_t row : rows) {
      kernels_.add_weighted(&from, &share, 1, 1, stride, input_.row(row));
    }
    return loss;
  }

  double Softmax(int32_t label, const float* hidden, float* change) {
    const int64_t count = output_.rows(), stride = output_.stride();
    kernels_.dot_rows(hidden, output_.row(0), stride, count, stride,
                      gradients_.data());
    float largest = gradients_[0];
    for (int64_t i = 1; i < count; ++i) {
      largest = std::max(largest, gradients_[static_cast<size_t>(i)]);
    }
    float sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      float& g = gradients_[static_cast<size_t>(i)];
      g = std::exp(g - largest);
      sum += g;
    }
    const float right = gradients_[static_cast<size_t>(label)] / sum;
    for (int64_t i = 0; i < count; ++i) {
      float& g = gradients_[static_cast<size_t>(i)];
      g = rate_ * ((i == label ? 1.0f : 0.0f) - g / sum);
    }
    pointers_.clear();
    for (int64_t i = 0; i < count; ++i) pointers_.push_back(output_.row(i));
    kernels_.add_weighted(pointers_.data(), gradients_.data(), 1, count, stride,
                          change);
    for (int64_t i = 0; i < count; ++i) {
      kernels_.add_weighted(&hidden, &gradients_[static_cast<size_t>(i)], 1, 1,
                            stride, output_.row(i));
    }
    return -std::log(std::max(double{right}, 1e-9));
  }

  double Sigmoids(int32_t label, std::span<const int32_t> labels,
                  const float* hidden, float* change, Random& random) {
    targets_.clear();
    truth_.clear();
    const auto add = [&](int32_t row, bool right) {
      targets_.push_back(row);
      truth_.push_back(right ? 1.0f : 0.0f);
    };
    if (options_.loss == FastTextLoss::kHierarchical) {
      for (const auto& step : tree_.path(label)) add(step.node, step.right);
    } else if (options_.loss == FastTextLoss::kOneVsAll) {
      for (int32_t i = 0; i < output_.rows(); ++i) {
        add(i, std::find(labels.begin(), labels.end(), i) != labels.end());
      }
    } else {
      add(label, true);
      for (int k = 0; k < 5; ++k) {
        int32_t other = sampler_.Draw(random);
        while (other == label) other = sampler_.Draw(random);
        add(other, false);
      }
    }
    const size_t count = targets_.size();
    truth_.resize(count + 16);
    if (gradients_.size() < count + 16) gradients_.resize(count + 16);
    pointers_.clear();
    for (int32_t row : targets_) pointers_.push_back(output_.row(row));
    kernels_.word_step({.x = &hidden,
                        .x_change = &change,
                        .y = pointers_.data(),
                        .labels = truth_.data(),
                        .inputs = 1,
                        .targets = static_cast<int64_t>(count),
                        .columns = output_.stride(),
                        .rate = rate_,
                        .gradients = gradients_.data()});
    double loss = 0;
    for (size_t j = 0; j < count; ++j) {
      const double wrong =
          std::fabs(double{gradients_[j]}) / std::max(1e-12, double{rate_});
      loss -= std::log(std::max(1 - wrong, 1e-9));
      kernels_.add_weighted(&hidden, &gradients_[j], 1, 1, output_.stride(),
                            output_.row(targets_[j]));
    }
    return loss;
  }

  void Finish() {
    const SupervisedOptions& o = options_;
    result_.args = {.dimensions = static_cast<int32_t>(o.dimensions),
                    .window = 5,
                    .epochs = o.epochs,
                    .min_count = static_cast<int32_t>(o.min_count),
                    .negatives = 5,
                    .word_ngrams = o.word_ngrams,
                    .loss = o.loss,
                    .kind = represent::FastTextKind::kSupervised,
                    .buckets = static_cast<int32_t>(buckets_),
                    .min_chars = o.subwords.min_chars,
                    .max_chars = o.subwords.max_chars};
    result_.input = input_.Dense();
    result_.output = output_.Dense();
  }

  const Clock::time_point begun_ = Clock::now();
  const SupervisedOptions& options_;
  const kernels::WordKernelTable& kernels_;
  SupervisedResult result_;
  represent::WordTable label_table_;
  Examples examples_;
  int64_t buckets_ = 0;
  AlignedRows input_, output_, hidden_;
  represent::HuffmanTree tree_;
  WordSampler sampler_;
  std::vector<const float*> pointers_;
  std::vector<int32_t> targets_;
  std::vector<float> gradients_, truth_;
  float rate_ = 0;
};

}  // namespace

SupervisedResult TrainSupervised(std::string_view text,
                                 const std::string& where,
                                 const SupervisedOptions& options,
                                 ThreadPool& pool) {
  CheckOptions(options);
  return Supervised(text, where, options, pool).Run();
}

void WriteSupervised(const std::filesystem::path& path,
                     const SupervisedResult& result) {
  represent::FastTextParts parts;
  parts.args = result.args;
  parts.words = &result.words;
  parts.word_counts = result.word_counts;
  parts.labels = result.labels;
  parts.label_counts = result.label_counts;
  parts.tokens = result.tokens;
  parts.input = result.input;
  parts.output = result.output;
  represent::WriteFastText(path, parts);
}

}  // namespace malmoi::learn
