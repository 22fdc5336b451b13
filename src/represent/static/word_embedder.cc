#include "represent/static/word_embedder.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "formats/detect.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlanks = " \t\r\v\f\n";

std::string_view TakeWord(std::string_view& rest) {
  const size_t begin = rest.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) {
    rest = {};
    return {};
  }
  const size_t end = std::min(rest.find_first_of(kBlanks, begin), rest.size());
  const std::string_view word = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return word;
}

// Lines "word count" of the words of a table; those that it does not have
// count for the sum only.
std::vector<double> ReadCounts(const fs::path& path, const WordTable& table,
                               double& sum) {
  std::vector<double> counts(static_cast<size_t>(table.size()));
  const std::string text = ReadFile(path);
  std::string_view rest = text;
  int64_t number = 0;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    const std::string_view word = TakeWord(line);
    const std::string_view digits = TakeWord(line);
    if (word.empty()) continue;
    double count = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (digits.empty() || error != std::errc() ||
        stop != digits.data() + digits.size() || !TakeWord(line).empty() ||
        !(count >= 0) || std::isinf(count)) {
      throw Error(ErrorCode::kCorrupt,
                  {.where = Format("{}:{}", path.string(), number),
                   .what = "not a word and its count",
                   .got = text::ReplaceInvalidUtf8(word.substr(0, 60))});
    }
    sum += count;
    const int64_t id = table.Find(word);
    if (id >= 0) counts[static_cast<size_t>(id)] = count;
  }
  if (sum <= 0) {
    throw Error(ErrorCode::kCorrupt,
                {.where = path.string(), .what = "no words are counted"});
  }
  return counts;
}

}  // namespace

bool IsWordVectors(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) ||
      formats::DetectFile(path) == formats::FileKind::kGguf) {
    return false;
  }
  try {
    const auto mapped = MappedFile::Open(path);
    DetectVectorFormat(mapped->bytes(), path.string());
    return true;
  } catch (const Error&) {
    return false;
  }
}

WordEmbedder::WordEmbedder(const fs::path& path, WordEmbedderOptions options)
    : BagEmbedder(options.threads), options_(std::move(options)) {
  {
    const auto mapped = MappedFile::Open(path);
    if (IsFastText(mapped->bytes())) {
      fasttext_ = FastTextModel::Parse(mapped->bytes(), mapped, path.string());
    }
  }
  if (!fasttext_) vectors_ = ReadVectors(path, options_.vectors);
  dimensions_ =
      fasttext_ ? fasttext_->args().dimensions : vectors_->dimensions();
  if (!options_.sif) return;
  if (classifier()) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = path.string(),
                 .what = "a classifier has no vectors of words alone",
                 .expected = "word vectors, or no --sif"});
  }
  if (!options_.component.empty() &&
      static_cast<int64_t>(options_.component.size()) != dimensions_) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--component",
                 .what = "a component of other dimensions",
                 .expected = std::to_string(dimensions_),
                 .got = std::to_string(options_.component.size())});
  }
  ReadWeights();
}

void WordEmbedder::ReadWeights() {
  const WordTable& words = table();
  const auto size = static_cast<size_t>(words.size());
  std::vector<double> counts(size);
  double sum = 0;
  if (!options_.counts.empty()) {
    counts = ReadCounts(options_.counts, words, sum);
  } else if (fasttext_) {
    for (size_t i = 0; i < size; ++i) {
      counts[i] = static_cast<double>(
          std::max<int64_t>(0, fasttext_->word_counts()[i]));
      sum += counts[i];
    }
  } else {
    for (size_t i = 0; i < size; ++i) {
      counts[i] = 1 / static_cast<double>(i + 1);
      sum += counts[i];
    }
  }
  weights_.resize(size);
  const double a = options_.sif_weight;
  for (size_t i = 0; i < size; ++i) {
    weights_[i] =
        static_cast<float>(a / (a + counts[i] / std::max(sum, 1e-300)));
  }
}

bool WordEmbedder::VectorOf(int64_t id, std::string_view word,
                            std::span<float> out) const {
  if (fasttext_) return fasttext_->VectorOf(word, out);
  if (id < 0) return false;
  const auto row = vectors_->row(id);
  std::copy(row.begin(), row.end(), out.begin());
  return true;
}

void WordEmbedder::AddWord(std::string_view word, bool spelled,
                           Bag& bag) const {
  const int64_t id = table().Find(word);
  const auto width = static_cast<size_t>(dimensions_);
  const size_t at = bag.values.size();
  bag.values.resize(at + width);
  const auto row = std::span(bag.values).subspan(at);
  bool known = VectorOf(id, word, row);
  if (known && fasttext()) {
    // fastText takes words with length 1 and leaves out those without.
    double square = 0;
    for (const float value : row) square += double{value} * value;
    known = square > 0;
    const auto length = static_cast<float>(std::sqrt(square));
    for (float& value : row) value /= known ? length : 1;
  }
  if (!known) {
    bag.values.resize(at);
    ++bag.unknown;
    return;
  }
  if (options_.sif && id >= 0) {
    const float weight = weights_[static_cast<size_t>(id)];
    for (float& value : row) value *= weight;
  }
  bag.ids.push_back(static_cast<int32_t>(id));
  if (spelled) bag.texts.emplace_back(word);
}

BagEmbedder::Bag WordEmbedder::Read(const std::string& text, size_t number,
                                    bool spelled,
                                    const EmbedOptions& options) const {
  Bag bag;
  std::string whole = options.prompt + text;
  RequireText(text, number);
  if (options_.lower_case) {
    whole = text::Lowercase(whole);
  }
  if (classifier()) {
    int64_t words = 0;
    bag.values = fasttext_->SentenceVector(whole, words, bag.unknown,
                                           {.words = options_.words});
    // Its mean is taken; the number only tells how many words counted.
    bag.ids.assign(static_cast<size_t>(words - bag.unknown), 0);
    for (float& value : bag.values) {
      value *= static_cast<float>(std::max<size_t>(1, bag.ids.size()));
    }
    return bag;
  }
  text::WordCutter cutter(options_.words);
  std::string_view rest = whole;
  while (!rest.empty()) {
    const std::string_view part = TakeWord(rest);
    if (part.empty()) break;
    for (const std::string_view word : cutter.Cut(part)) {
      AddWord(word, spelled, bag);
    }
  }
  return bag;
}

void WordEmbedder::Finish(std::span<float> vector) const {
  const auto& u = options_.component;
  if (!options_.sif || u.empty()) return;
  double dot = 0;
  for (size_t k = 0; k < u.size(); ++k) dot += double{vector[k]} * u[k];
  for (size_t k = 0; k < u.size(); ++k) {
    vector[k] -= static_cast<float>(dot * u[k]);
  }
}

void WordEmbedder::RequireTokens() const {
  if (!classifier()) return;
  throw Error(ErrorCode::kUnsupported,
              {.where = "--per-token",
               .what = "a classifier has no vectors of words alone"});
}

void WordEmbedder::LearnFrom(std::span<const std::string> texts,
                             const EmbedOptions& options) {
  options_.component.clear();
  Embeddings told;
  const std::vector<float> means = Means(texts, options, told);
  const auto known = std::count_if(told.tokens.begin(), told.tokens.end(),
                                   [](int64_t tokens) { return tokens > 0; });
  if (known < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--sif",
                 .what = "too few texts to tell what they have in common",
                 .expected = "2 or more with known words",
                 .got = std::to_string(known),
                 .hint = "--component FILE.npy of an earlier call"});
  }
  const auto width = static_cast<size_t>(dimensions_);
  // Begins at the sum, which is near; of vectors that cancel out, at ones.
  std::vector<double> u(width, 1e-6);
  for (size_t i = 0; i < means.size(); ++i) u[i % width] += double{means[i]};
  for (int step = 0; step < 1000; ++step) {
    std::vector<double> next(width);
    for (size_t at = 0; at < means.size(); at += width) {
      double dot = 0;
      for (size_t k = 0; k < width; ++k) dot += double{means[at + k]} * u[k];
      for (size_t k = 0; k < width; ++k) next[k] += dot * double{means[at + k]};
    }
    double square = 0, change = 0;
    for (const double value : next) square += value * value;
    if (square == 0) break;  // all vectors are zero
    for (size_t k = 0; k < width; ++k) {
      next[k] /= std::sqrt(square);
      change += (next[k] - u[k]) * (next[k] - u[k]);
    }
    u = std::move(next);
    if (change < 1e-20) break;
  }
  options_.component.assign(u.begin(), u.end());
}

}  // namespace malmoi::represent
