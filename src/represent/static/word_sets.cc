#include "represent/static/word_sets.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/error.h"
#include "base/format.h"
#include "represent/static/neighbors.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

std::string Folded(std::string_view word, bool fold) {
  if (!fold) return std::string(word);
  std::string upper;
  for (size_t at = 0; at < word.size();) {
    const auto c = text::DecodeAt(word, at);
    if (!c) {
      upper += word[at++];
      continue;
    }
    text::AppendUtf8(upper, text::Uppercase(c->value));
    at += static_cast<size_t>(c->bytes);
  }
  return upper;
}

// Folded words and the number of the most frequent word of each.
class FoldedWords {
 public:
  FoldedWords(const WordVectors& vectors, const WordSetOptions& options)
      : fold_(options.fold_case), rule_(options.words) {
    count_ = std::min(vectors.size(), options.first_words);
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t folded = table_.Add(Folded(vectors.words().word(i), fold_));
      if (folded == static_cast<int64_t>(first_.size())) first_.push_back(i);
      folded_.push_back(folded);
    }
  }
  // A word as the rule has it; empty where it is not one.
  std::string Cut(std::string_view word) const {
    text::WordCutter cutter(rule_);
    const auto& words = cutter.Cut(word);
    return words.size() == 1 ? std::string(words[0]) : std::string();
  }
  // The number of the folded word; -1.
  int64_t Find(std::string_view word) const {
    return table_.Find(Folded(rule_ ? Cut(word) : std::string(word), fold_));
  }
  int64_t first(int64_t folded) const {
    return first_[static_cast<size_t>(folded)];
  }
  int64_t folded(int64_t id) const { return folded_[static_cast<size_t>(id)]; }

 private:
  bool fold_;
  std::optional<text::WordRule> rule_;
  int64_t count_;
  WordTable table_;
  std::vector<int64_t> first_, folded_;
};

struct Question {
  size_t section;
  int64_t a, b, c, expected;  // folded
};

std::string_view TakeLine(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::vector<std::string_view> Split(std::string_view line,
                                    std::string_view separators) {
  std::vector<std::string_view> fields;
  size_t at = 0;
  while ((at = line.find_first_not_of(separators, at)) !=
         std::string_view::npos) {
    const size_t end =
        std::min(line.find_first_of(separators, at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
  return fields;
}

[[noreturn]] void Bad(const std::string& where, int64_t line, std::string what,
                      std::string expected, std::string_view got) {
  throw Error(ErrorCode::kCorrupt,
              {.where = Format("{}:{}", where, line),
               .what = std::move(what),
               .expected = std::move(expected),
               .got = text::ReplaceInvalidUtf8(got.substr(0, 60))});
}

std::vector<Question> ReadQuestions(std::string_view rest,
                                    const std::string& where,
                                    const FoldedWords& words,
                                    const WordSetOptions& options,
                                    AnalogyResult& result) {
  std::vector<Question> questions;
  int64_t number = 0;
  while (!rest.empty()) {
    const std::string_view line = TakeLine(rest);
    ++number;
    if (line.starts_with(":")) {
      const size_t begin = line.find_first_not_of(": ");
      result.sections.push_back(
          {.name = begin == std::string_view::npos
                       ? std::string()
                       : std::string(line.substr(begin))});
      continue;
    }
    const auto fields = Split(line, " \t");
    if (fields.empty()) continue;
    if (fields.size() != 4 || result.sections.empty()) {
      Bad(where, number, "not a question of an analogy set",
          result.sections.empty() ? "a line \": section\" before it"
                                  : "four words",
          line);
    }
    Question q{result.sections.size() - 1, words.Find(fields[0]),
               words.Find(fields[1]), words.Find(fields[2]),
               words.Find(fields[3])};
    AnalogySection& section = result.sections.back();
    if (q.a < 0 || q.b < 0 || q.c < 0 || q.expected < 0) {
      ++section.unknown;
      if (options.unknown_is_wrong) ++section.asked;
      continue;
    }
    ++section.asked;
    questions.push_back(q);
  }
  return questions;
}

// Of the best five the first that is no word of the question; if all are, the
// last of them stands, as in gensim.
int64_t Answer(const std::vector<Neighbor>& best, const Question& q,
               const FoldedWords& words) {
  int64_t predicted = -1;
  for (const Neighbor& neighbor : best) {
    predicted = words.folded(neighbor.id);
    if (predicted != q.a && predicted != q.b && predicted != q.c) break;
  }
  return predicted;
}

}  // namespace

AnalogyResult AskAnalogies(const WordVectors& vectors, std::string_view text,
                           const std::string& where,
                           const WordSetOptions& options, ThreadPool& pool) {
  const FoldedWords words(vectors, options);
  AnalogyResult result;
  const auto questions = ReadQuestions(text, where, words, options, result);
  const NeighborOptions nearest{.top = 5, .first_words = options.first_words};
  constexpr size_t kAtOnce = 1536;
  const auto name = [&](int64_t folded) {
    return std::string(vectors.words().word(words.first(folded)));
  };
  for (size_t begin = 0; begin < questions.size(); begin += kAtOnce) {
    const size_t count = std::min(kAtOnce, questions.size() - begin);
    std::vector<std::vector<Neighbor>> best(count);
    std::vector<std::vector<float>> directions;
    std::vector<std::vector<int64_t>> left_out;
    for (size_t i = 0; i < count; ++i) {
      const Question& q = questions[begin + i];
      const std::string positive[] = {name(q.b), name(q.c)};
      const std::string negative[] = {name(q.a)};
      if (options.multiply) {
        best[i] = FindNeighborsMul(vectors, positive, negative, nearest, pool);
        continue;
      }
      directions.push_back(Direction(vectors, positive, negative));
      left_out.push_back(
          {words.first(q.a), words.first(q.b), words.first(q.c)});
    }
    if (!options.multiply) {
      best = NearestRows(vectors, directions, left_out, nearest, pool);
    }
    for (size_t i = 0; i < count; ++i) {
      const Question& q = questions[begin + i];
      if (Answer(best[i], q, words) == q.expected) {
        ++result.sections[q.section].correct;
      }
    }
  }
  result.total.name = "total";
  for (const AnalogySection& section : result.sections) {
    result.total.correct += section.correct;
    result.total.asked += section.asked;
    result.total.unknown += section.unknown;
  }
  return result;
}

double Pearson(std::vector<double> x, std::vector<double> y) {
  const auto center = [](std::vector<double>& v) {
    const double mean = std::accumulate(v.begin(), v.end(), 0.0) /
                        static_cast<double>(v.size());
    for (double& value : v) value -= mean;
  };
  center(x);
  center(y);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += x[i] * y[i];
    xx += x[i] * x[i];
    yy += y[i] * y[i];
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

double Spearman(const std::vector<double>& x, const std::vector<double>& y) {
  const auto ranks = [](const std::vector<double>& v) {
    std::vector<size_t> order(v.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return v[a] < v[b]; });
    std::vector<double> rank(v.size());
    for (size_t i = 0; i < order.size();) {
      size_t end = i;
      while (end < order.size() && v[order[end]] == v[order[i]]) ++end;
      for (size_t j = i; j < end; ++j) {
        rank[order[j]] = static_cast<double>(i + end - 1) / 2;
      }
      i = end;
    }
    return rank;
  };
  return Pearson(ranks(x), ranks(y));
}

SimilarityResult CompareSimilarities(const WordVectors& vectors,
                                     std::string_view text,
                                     const std::string& where,
                                     const WordSetOptions& options) {
  const FoldedWords words(vectors, options);
  SimilarityResult result;
  std::vector<double> people, own;
  int64_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = TakeLine(rest);
    ++number;
    if (line.starts_with('#') || Split(line, " \t").empty()) continue;
    const bool tabs = line.find('\t') != std::string_view::npos;
    const auto fields = Split(line, tabs ? "\t" : " ,");
    double score = 0;
    bool right = fields.size() == 3;
    if (right) {
      const auto [end, error] = std::from_chars(
          fields[2].data(), fields[2].data() + fields[2].size(), score);
      right = error == std::errc() && std::isfinite(score) &&
              end == fields[2].data() + fields[2].size();
    }
    if (!right) {
      if (number == 1 && fields.size() == 3) continue;
      Bad(where, number, "not a pair of words with a score",
          "two words and a number", line);
    }
    const auto spelling = [&](std::string_view word) {
      const int64_t folded = words.Find(word);
      return folded < 0
                 ? words.Cut(word)
                 : std::string(vectors.words().word(words.first(folded)));
    };
    const bool known = words.Find(fields[0]) >= 0 && words.Find(fields[1]) >= 0;
    if (!known && !vectors.has_subwords()) {
      ++result.unknown;
      if (!options.unknown_is_wrong) continue;
      people.push_back(score);
      own.push_back(0);
      continue;
    }
    people.push_back(score);
    own.push_back(
        WordSimilarity(vectors, spelling(fields[0]), spelling(fields[1])));
  }
  result.pairs = static_cast<int64_t>(people.size());
  if (result.pairs < 2) {
    throw Error(
        ErrorCode::kInvalidArgument,
        {.where = where,
         .what = "too few pairs of known words",
         .expected = "2 or more",
         .got = Format("{}, and {} unknown", result.pairs, result.unknown)});
  }
  result.pearson = Pearson(people, own);
  result.spearman = Spearman(people, own);
  return result;
}

}  // namespace malmoi::represent
