#include "learn/word2vec/lexicon.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/format.h"
#include "text/unicode/utf8.h"

namespace malmoi::learn {

namespace {

constexpr size_t kPiece = size_t{1} << 16;
constexpr std::string_view kBlanks = " \t\r\v\f\n";

bool IsBlank(char c) {
  return c == ' ' ||
         (static_cast<unsigned char>(c - '\t') < 5);  // \t \n \v \f \r
}

template <typename F>
void ForWords(std::string_view line, F&& use) {
  const char* at = line.data();
  const char* const end = at + line.size();
  while (at < end) {
    while (at < end && IsBlank(*at)) ++at;
    const char* const begin = at;
    while (at < end && !IsBlank(*at)) ++at;
    if (at > begin)
      use(std::string_view(begin, static_cast<size_t>(at - begin)));
  }
}

// The same, cut further by a rule.
template <typename F>
void ForWords(std::string_view line, text::WordCutter& cutter, F&& use) {
  ForWords(line, [&](std::string_view part) {
    for (const std::string_view word : cutter.Cut(part)) use(word);
  });
}

template <typename F>
void ForLines(std::string_view piece, F&& use) {
  while (!piece.empty()) {
    const size_t end = std::min(piece.find('\n'), piece.size());
    use(piece.substr(0, end));
    piece.remove_prefix(std::min(end + 1, piece.size()));
  }
}

std::string_view Lowered(std::string_view line, std::string& into) {
  into.assign(line);
  bool ascii = true;
  for (char& c : into) {
    ascii &= static_cast<unsigned char>(c) < 0x80;
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  if (!ascii) into = text::Lowercase(line);
  return into;
}

uint64_t PairKey(int32_t a, int32_t b) {
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 |
         static_cast<uint32_t>(b);
}

class Reading {
 public:
  Reading(const Corpus& corpus, int passes,
          const std::function<bool(uint64_t, uint64_t)>& progress)
      : corpus_(corpus),
        total_(corpus.text().size() * static_cast<size_t>(passes)),
        progress_(progress) {}
  template <typename F>
  void ForPieces(F&& use) {
    for (int64_t i = 0; i < corpus_.pieces(); ++i) {
      const std::string_view piece = corpus_.piece(i);
      use(piece);
      corpus_.Drop(i);
      done_ += piece.size();
      if (progress_ && !progress_(done_, total_)) {
        throw Error(ErrorCode::kCancelled,
                    {.where = corpus_.where(), .what = "cancelled"});
      }
    }
  }

 private:
  const Corpus& corpus_;
  uint64_t done_ = 0, total_;
  const std::function<bool(uint64_t, uint64_t)>& progress_;
};

}  // namespace

Corpus::Corpus(const std::filesystem::path& path)
    : mapped_(MappedFile::Open(path)), where_(path.string()) {
  text_ = {reinterpret_cast<const char*>(mapped_->bytes().data()),
           mapped_->bytes().size()};
}

Corpus::Corpus(std::string_view text, std::string where)
    : text_(text), where_(std::move(where)) {}

int64_t Corpus::pieces() const {
  return static_cast<int64_t>((text_.size() + kPiece - 1) / kPiece);
}

// The first line that begins in a piece's bytes, or else the first word.
size_t Corpus::Break(int64_t index) const {
  if (index == 0) return 0;
  const size_t from = static_cast<size_t>(index) * kPiece;
  if (from >= text_.size()) return text_.size();
  const std::string_view range = text_.substr(from, kPiece);
  size_t at = range.find('\n');
  if (at == std::string_view::npos) at = range.find_first_of(kBlanks);
  if (at != std::string_view::npos) return from + at + 1;
  if (from + range.size() == text_.size()) return text_.size();
  throw Error(ErrorCode::kLimit,
              {.where = Format("{}: byte {}", where_, from),
               .what = "a word that is too long",
               .expected = Format("a blank within {} bytes", kPiece),
               .hint = "a text with words split at blanks"});
}

std::string_view Corpus::piece(int64_t index) const {
  const size_t begin = Break(index), end = Break(index + 1);
  return text_.substr(begin, end - begin);
}

void Corpus::RequireUtf8(std::string_view piece) const {
  const auto at = text::FindInvalidUtf8(piece);
  if (!at) return;
  const size_t offset = static_cast<size_t>(piece.data() - text_.data()) + *at;
  const auto line =
      1 + std::count(text_.begin(),
                     text_.begin() + static_cast<int64_t>(offset), '\n');
  throw Error(ErrorCode::kInvalidArgument,
              {.where = Format("{}:{}", where_, line),
               .what = "not UTF-8",
               .got = Format("byte 0x{:02X} at {}",
                             static_cast<unsigned char>(piece[*at]), offset),
               .hint = "iconv -f LATIN1 -t UTF-8"});
}

void Corpus::Drop(int64_t index) const {
  // The pages stay in the system's cache; this only bounds what is resident.
  if (mapped_ == nullptr || index % 256 != 255) return;
  const size_t begin = Break(index - 255), end = Break(index);
  DropPages(mapped_->bytes().subspan(begin, end - begin));
}

void Lexicon::Raw(std::string_view line, Scratch& scratch) const {
  if (options_.lower_case) line = Lowered(line, scratch.lowered);
  scratch.ids.clear();
  const auto add = [&](std::string_view word) {
    scratch.ids.push_back(static_cast<int32_t>(raw_.Find(word)));
  };
  if (!options_.words) return ForWords(line, add);
  if (!scratch.cutter.has_rule()) {
    scratch.cutter = text::WordCutter(options_.words);
  }
  ForWords(line, scratch.cutter, add);
}

// Pairs become one from left to right; a phrase of this pass joins no more.
void Lexicon::Join(const Pairs& pairs, std::vector<int32_t>& ids) {
  size_t to = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i + 1 < ids.size() && ids[i] >= 0 && ids[i + 1] >= 0) {
      const auto it = pairs.find(PairKey(ids[i], ids[i + 1]));
      if (it != pairs.end()) {
        ids[to++] = it->second;
        ++i;
        continue;
      }
    }
    ids[to++] = ids[i];
  }
  ids.resize(to);
}

void Lexicon::ForSentences(
    std::string_view piece, Scratch& scratch,
    const std::function<void(const std::vector<int32_t>& ids)>& sentence)
    const {
  ForLines(piece, [&](std::string_view line) {
    Raw(line, scratch);
    for (const Pairs& pairs : passes_) Join(pairs, scratch.ids);
    size_t to = 0;
    for (int32_t id : scratch.ids) {
      const int32_t last = id < 0 ? -1 : final_[static_cast<size_t>(id)];
      if (last >= 0) scratch.ids[to++] = last;
    }
    scratch.ids.resize(to);
    if (!scratch.ids.empty()) sentence(scratch.ids);
  });
}

Lexicon Lexicon::Count(
    const Corpus& corpus, const LexiconOptions& options,
    const std::function<bool(uint64_t done, uint64_t total)>& progress) {
  Lexicon lexicon;
  lexicon.options_ = options;
  Reading reading(corpus, 1 + 2 * options.phrases, progress);
  Scratch scratch;
  int64_t different = 0;
  {
    represent::WordTable all;
    std::vector<int64_t> counts;
    text::WordCutter cutter(options.words);
    reading.ForPieces([&](std::string_view piece) {
      corpus.RequireUtf8(piece);
      if (options.lower_case) piece = Lowered(piece, scratch.lowered);
      const auto count = [&](std::string_view word) {
        const size_t id = static_cast<size_t>(all.Add(word));
        if (id == counts.size()) counts.push_back(0);
        ++counts[id];
        ++lexicon.all_tokens_;
      };
      if (options.words) {
        ForWords(piece, cutter, count);
      } else {
        ForWords(piece, count);
      }
    });
    different = all.size();
    for (int64_t i = 0; i < all.size(); ++i) {
      if (counts[static_cast<size_t>(i)] < options.min_count) continue;
      lexicon.raw_.Add(all.word(i));
      lexicon.counts_.push_back(counts[static_cast<size_t>(i)]);
    }
  }
  const auto read_pass = [&](auto&& use) {
    reading.ForPieces([&](std::string_view piece) {
      ForLines(piece, [&](std::string_view line) {
        lexicon.Raw(line, scratch);
        for (const Pairs& pairs : lexicon.passes_) Join(pairs, scratch.ids);
        use(scratch.ids);
      });
    });
  };
  for (int pass = 0; pass < options.phrases; ++pass) {
    std::unordered_map<uint64_t, int64_t> pairs;
    int64_t words = 0;
    read_pass([&](const std::vector<int32_t>& ids) {
      words += static_cast<int64_t>(ids.size());
      for (size_t i = 0; i + 1 < ids.size(); ++i) {
        if (ids[i] >= 0 && ids[i + 1] >= 0)
          ++pairs[PairKey(ids[i], ids[i + 1])];
      }
    });
    std::vector<uint64_t> joined;
    for (const auto& [key, count] : pairs) {
      const double a = static_cast<double>(lexicon.counts_[key >> 32]);
      const double b = static_cast<double>(lexicon.counts_[key & 0xFFFFFFFFu]);
      const double score = static_cast<double>(count - options.min_count) / a /
                           b * static_cast<double>(words);
      if (count > options.min_count && score > options.phrase_threshold) {
        joined.push_back(key);
      }
    }
    std::sort(joined.begin(), joined.end());  // the map has no order
    Pairs found;
    for (uint64_t key : joined) {
      const std::string name =
          std::string(lexicon.raw_.word(static_cast<int64_t>(key >> 32))) +
          "_" +
          std::string(
              lexicon.raw_.word(static_cast<int64_t>(key & 0xFFFFFFFFu)));
      found[key] = static_cast<int32_t>(lexicon.raw_.Add(name));
    }
    lexicon.passes_.push_back(std::move(found));
    lexicon.counts_.assign(static_cast<size_t>(lexicon.raw_.size()), 0);
    read_pass([&](const std::vector<int32_t>& ids) {
      for (int32_t id : ids) {
        if (id >= 0) ++lexicon.counts_[static_cast<size_t>(id)];
      }
    });
  }
  std::vector<int32_t> order(lexicon.counts_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return lexicon.counts_[static_cast<size_t>(a)] >
           lexicon.counts_[static_cast<size_t>(b)];
  });
  lexicon.final_.assign(order.size(), -1);
  std::vector<int64_t> counts;
  for (int32_t raw : order) {
    const int64_t count = lexicon.counts_[static_cast<size_t>(raw)];
    if (count < std::max<int64_t>(1, options.min_count)) continue;
    lexicon.final_[static_cast<size_t>(raw)] =
        static_cast<int32_t>(lexicon.words_.Add(lexicon.raw_.word(raw)));
    counts.push_back(count);
    lexicon.tokens_ += count;
  }
  lexicon.counts_ = std::move(counts);
  if (lexicon.size() < 2) {
    throw Error(
        ErrorCode::kInvalidArgument,
        {.where = corpus.where(),
         .what = lexicon.all_tokens_ == 0 ? "a corpus without words"
                                          : "too few different words",
         .expected = Format("2 or more that come {} times or oftener",
                            options.min_count),
         .got = Format("{}, of {} words in all", lexicon.size(),
                       lexicon.all_tokens_),
         .hint =
             different > 1 && options.min_count > 1 ? "--min-count 1" : ""});
  }
  return lexicon;
}

}  // namespace malmoi::learn
