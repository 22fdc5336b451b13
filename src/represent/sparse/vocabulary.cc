#include "represent/sparse/vocabulary.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::represent {

namespace {

// A term of a thread, with what sorts most pairs of them.
struct Item {
  uint64_t key;
  uint32_t thread, term;
};

// By their keys, of equal ones the first first: a byte at a time from the last
// on, without those in which all are equal.
void SortByKey(std::vector<Item>& items) {
  std::vector<Item> other(items.size());
  for (int shift = 0; shift < 64; shift += 8) {
    std::array<size_t, 257> begins{};
    for (const Item& item : items) ++begins[(item.key >> shift & 0xff) + 1];
    if (std::find(begins.begin(), begins.end(), items.size()) != begins.end()) {
      continue;
    }
    std::partial_sum(begins.begin(), begins.end(), begins.begin());
    for (const Item& item : items) {
      other[begins[item.key >> shift & 0xff]++] = item;
    }
    items.swap(other);
  }
}

// Calls use(begin, end) for runs of two or more equal keys.
template <typename Use>
void ForEqualKeys(std::vector<Item>& items, Use use) {
  for (size_t begin = 0; begin < items.size();) {
    size_t end = begin + 1;
    while (end < items.size() && items[end].key == items[begin].key) ++end;
    if (end - begin > 1) {
      use(items.begin() + static_cast<std::ptrdiff_t>(begin),
          items.begin() + static_cast<std::ptrdiff_t>(end));
    }
    begin = end;
  }
}

// n-grams as the ranks of their words, plus 1, filled up with 0: in this order
// they are sorted as the strings would be, because a space sorts before every
// character of a word.
struct Grams {
  size_t width = 0;
  std::vector<std::vector<uint32_t>> ranks;  // [threads][grams * width]
  std::vector<std::vector<uint8_t>> orders;  // [threads][grams]

  const uint32_t* Of(const Item& item) const {
    return &ranks[item.thread][(item.term & ~kGramBit) * width];
  }
};

class Merger {
 public:
  Merger(const std::vector<TermCounter>& counters,
         const AnalyzerOptions& options)
      : counters_(counters), options_(options) {
    grams_ = options.unit == Unit::kWord && options.max_n > 1;
    for (const TermCounter& counter : counters) {
      word_stats_.push_back(counter.WordStats());
      gram_stats_.push_back(counter.GramStats());
    }
    SortWords();
    if (grams_) {
      RankGrams();
      SortAll();
    }
  }

  MergedVocabulary Finish(const VocabularyLimits& limits, int64_t documents);

 private:
  void SortWords();
  void RankGrams();
  void SortAll();
  bool Same(const Item& a, const Item& b) const;
  std::vector<bool> Chosen(const VocabularyLimits& limits,
                           int64_t documents) const;
  void AppendTerm(const Item& item, Vocabulary& vocabulary) const;
  const TermStats& StatsOf(const Item& item) const {
    return (item.term & kGramBit) == 0
               ? word_stats_[item.thread][item.term]
               : gram_stats_[item.thread][item.term & ~kGramBit];
  }
  std::string_view Word(const Item& item) const {
    return counters_[item.thread].map().words.term(item.term);
  }

  const std::vector<TermCounter>& counters_;
  const AnalyzerOptions& options_;
  bool grams_ = false;
  std::vector<std::vector<TermStats>> word_stats_, gram_stats_;
  std::vector<Item> items_;  // sorted; equal terms side by side
  std::vector<Item> words_;  // one of each, sorted
  std::vector<std::vector<uint32_t>> word_ranks_;
  Grams ranked_;
  // Of each different term: its first item, and sums.
  struct Group {
    size_t first;
    uint64_t total;
    uint32_t documents;
  };
  std::vector<Group> groups_;
};

void Merger::SortWords() {
  for (uint32_t t = 0; t < counters_.size(); ++t) {
    const TermTable& words = counters_[t].map().words;
    for (uint32_t i = 0; i < words.size(); ++i) {
      items_.push_back({words.first_bytes(i), t, i});
    }
  }
  SortByKey(items_);
  ForEqualKeys(items_, [&](auto begin, auto end) {
    std::sort(begin, end,
              [&](const Item& a, const Item& b) { return Word(a) < Word(b); });
  });
  if (!grams_) return;
  for (const TermCounter& counter : counters_) {
    word_ranks_.emplace_back(counter.map().words.size());
  }
  for (size_t i = 0; i < items_.size(); ++i) {
    if (i == 0 || !Same(items_[i - 1], items_[i])) words_.push_back(items_[i]);
    word_ranks_[items_[i].thread][items_[i].term] =
        static_cast<uint32_t>(words_.size());
  }
}

void Merger::RankGrams() {
  ranked_.width = static_cast<size_t>(options_.max_n);
  for (uint32_t t = 0; t < counters_.size(); ++t) {
    const PairTable& pairs = counters_[t].map().grams;
    std::vector<uint32_t> ranks(pairs.size() * ranked_.width);
    std::vector<uint8_t> orders(pairs.size());
    for (uint32_t g = 0; g < pairs.size(); ++g) {
      const uint32_t before = pairs.before(g);
      uint32_t* own = &ranks[g * ranked_.width];
      size_t order = 1;
      if ((before & kGramBit) == 0) {
        own[0] = word_ranks_[t][before];
      } else {
        const uint32_t prefix = before & ~kGramBit;
        order = orders[prefix];
        std::copy_n(&ranks[prefix * ranked_.width], order, own);
      }
      own[order] = word_ranks_[t][pairs.word(g)];
      orders[g] = static_cast<uint8_t>(order + 1);
    }
    ranked_.ranks.push_back(std::move(ranks));
    ranked_.orders.push_back(std::move(orders));
  }
}

void Merger::SortAll() {
  if (options_.min_n > 1) items_.clear();
  for (Item& item : items_) {
    item.key = uint64_t{word_ranks_[item.thread][item.term]} << 32;
  }
  for (uint32_t t = 0; t < counters_.size(); ++t) {
    for (uint32_t g = 0; g < ranked_.orders[t].size(); ++g) {
      if (ranked_.orders[t][g] < options_.min_n) continue;
      const uint32_t* ranks = &ranked_.ranks[t][g * ranked_.width];
      items_.push_back({uint64_t{ranks[0]} << 32 | ranks[1], t, g | kGramBit});
    }
  }
  SortByKey(items_);
  const size_t width = ranked_.width;
  if (width == 2) return;
  // Equal keys: both are words, or both n-grams, whose tails decide.
  ForEqualKeys(items_, [&](auto begin, auto end) {
    if ((begin->term & kGramBit) == 0) return;
    std::sort(begin, end, [&](const Item& a, const Item& b) {
      return std::lexicographical_compare(
          ranked_.Of(a) + 2, ranked_.Of(a) + width, ranked_.Of(b) + 2,
          ranked_.Of(b) + width);
    });
  });
}

bool Merger::Same(const Item& a, const Item& b) const {
  if (a.key != b.key || ((a.term ^ b.term) & kGramBit) != 0) return false;
  if ((a.term & kGramBit) != 0) {
    return std::equal(ranked_.Of(a) + 2, ranked_.Of(a) + ranked_.width,
                      ranked_.Of(b) + 2);
  }
  return Word(a) == Word(b);
}

std::vector<bool> Merger::Chosen(const VocabularyLimits& limits,
                                 int64_t documents) const {
  const double least = limits.min_df.Of(documents);
  const double most = limits.max_df.Of(documents);
  if (most < least) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--max-df",
                 .what = "fewer documents than --min-df",
                 .expected = Format("at least {}", least),
                 .got = Format("{}", most)});
  }
  std::vector<bool> chosen(groups_.size());
  std::vector<size_t> left;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const auto df = static_cast<double>(groups_[i].documents);
    chosen[i] = df >= least && df <= most;
    if (chosen[i]) left.push_back(i);
  }
  if (!limits.max_features ||
      left.size() <= static_cast<size_t>(*limits.max_features)) {
    return chosen;
  }
  const auto weight = [&](size_t i) {
    return limits.binary ? groups_[i].documents : groups_[i].total;
  };
  std::nth_element(left.begin(), left.begin() + *limits.max_features,
                   left.end(), [&](size_t a, size_t b) {
                     const uint64_t wa = weight(a), wb = weight(b);
                     return wa != wb ? wa > wb : a < b;
                   });
  for (size_t i = static_cast<size_t>(*limits.max_features); i < left.size();
       ++i) {
    chosen[left[i]] = false;
  }
  return chosen;
}

void Merger::AppendTerm(const Item& item, Vocabulary& vocabulary) const {
  if ((item.term & kGramBit) == 0) {
    vocabulary.Add(Word(item));
    return;
  }
  std::string joined;
  const uint32_t* ranks = ranked_.Of(item);
  for (size_t i = 0; i < ranked_.width && ranks[i] != 0; ++i) {
    if (i > 0) joined += ' ';
    joined += Word(words_[ranks[i] - 1]);
  }
  vocabulary.Add(joined);
}

MergedVocabulary Merger::Finish(const VocabularyLimits& limits,
                                int64_t documents) {
  for (size_t i = 0; i < items_.size(); ++i) {
    if (i == 0 || !Same(items_[i - 1], items_[i])) groups_.push_back({i, 0, 0});
    const TermStats& stats = StatsOf(items_[i]);
    groups_.back().total += stats.total;
    groups_.back().documents += stats.documents;
  }
  if (groups_.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "vocabulary",
                 .what = "no document has a term",
                 .hint = "another --words or --analyzer, fewer stop words"});
  }
  const std::vector<bool> chosen = Chosen(limits, documents);
  MergedVocabulary merged;
  for (const TermCounter& counter : counters_) {
    merged.maps.push_back(
        {std::vector<uint32_t>(counter.map().words.size(), kNoTerm),
         std::vector<uint32_t>(counter.map().grams.size(), kNoTerm)});
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (!chosen[g]) continue;
    const auto number = static_cast<uint32_t>(merged.vocabulary.size());
    AppendTerm(items_[groups_[g].first], merged.vocabulary);
    merged.vocabulary.documents.push_back(groups_[g].documents);
    merged.vocabulary.totals.push_back(groups_[g].total);
    const size_t end =
        g + 1 < groups_.size() ? groups_[g + 1].first : items_.size();
    for (size_t i = groups_[g].first; i < end; ++i) {
      TermMaps& maps = merged.maps[items_[i].thread];
      const uint32_t term = items_[i].term;
      ((term & kGramBit) == 0 ? maps.words[term]
                              : maps.grams[term & ~kGramBit]) = number;
    }
  }
  if (merged.vocabulary.size() == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "vocabulary",
                 .what = "no term is left",
                 .hint = "a lower --min-df or a higher --max-df"});
  }
  return merged;
}

}  // namespace

std::optional<size_t> Vocabulary::Find(std::string_view wanted) const {
  size_t low = 0, high = size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (term(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == size() || term(low) != wanted) return std::nullopt;
  return low;
}

MergedVocabulary MergeVocabulary(const std::vector<TermCounter>& counters,
                                 const AnalyzerOptions& analyzer,
                                 const VocabularyLimits& limits,
                                 int64_t documents) {
  return Merger(counters, analyzer).Finish(limits, documents);
}

}  // namespace malmoi::represent
