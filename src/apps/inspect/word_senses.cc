#include "apps/inspect/word_senses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/inspect/hidden_states.h"
#include "apps/inspect/layer_names.h"
#include "base/error.h"
#include "base/format.h"
#include "represent/contextual/embedder.h"
#include "text/unicode/utf8.h"

namespace malmoi::apps {

namespace {

bool LetterAt(std::string_view text, size_t at) {
  const auto point = text::DecodeAt(text, at);
  return point && text::IsWordCharacter(point->value);
}
bool LetterBefore(std::string_view text, size_t at) {
  if (at == 0) return false;
  --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return LetterAt(text, at);
}

// Lower case, with the place in the text that each byte comes from.
std::string Fold(std::string_view text, std::vector<size_t>& from) {
  std::string folded;
  for (size_t i = 0; i < text.size();) {
    const auto point = text::DecodeAt(text, i);
    const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
    const std::string lower = text::Lowercase(text.substr(i, bytes));
    from.insert(from.end(), lower.size(), i);
    folded += lower;
    i += bytes;
  }
  from.push_back(text.size());
  return folded;
}

// The mean of the word's rows at each layer, appended to `layers`.
void AddUse(const HiddenStates& states, size_t first, size_t count,
            std::vector<LayerSenses>& layers) {
  const auto width = static_cast<size_t>(states.width);
  for (size_t k = 0; k < layers.size(); ++k) {
    const std::vector<float>& rows =
        k < states.layers.size() ? states.layers[k] : states.normed;
    for (size_t d = 0; d < width; ++d) {
      double sum = 0;
      for (size_t t = first; t < first + count; ++t) {
        sum += static_cast<double>(rows[t * width + d]);
      }
      layers[k].vectors.push_back(
          static_cast<float>(sum / static_cast<double>(count)));
    }
  }
}

std::vector<float> Centered(std::vector<float> vectors, size_t width) {
  const size_t n = vectors.size() / width;
  for (size_t d = 0; d < width; ++d) {
    double mean = 0;
    for (size_t i = 0; i < n; ++i) {
      mean += static_cast<double>(vectors[i * width + d]);
    }
    mean /= static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      vectors[i * width + d] -= static_cast<float>(mean);
    }
  }
  return vectors;
}

void Compare(WordSenses& senses, bool center, LayerSenses& layer) {
  const size_t n = senses.sentences.size();
  const auto width = static_cast<size_t>(senses.width);
  std::vector<float> centered;
  if (center) centered = Centered(layer.vectors, width);
  const auto vector = [&](size_t i) {
    return std::span<const float>(center ? centered : layer.vectors)
        .subspan(i * width, width);
  };
  layer.similarity.assign(n * n, 1.0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      layer.similarity[i * n + j] = layer.similarity[j * n + i] =
          represent::Cosine(vector(i), vector(j));
    }
  }
  layer.map = PrincipalMap(layer.vectors, senses.width, layer.explained);
  int64_t same = 0, different = 0, right = 0, asked = 0;
  for (size_t i = 0; i < n; ++i) {
    const std::string& own = senses.sentences[i].sense;
    if (own.empty()) continue;
    bool has_other = false;
    for (size_t j = 0; j < n; ++j) {
      const std::string& other = senses.sentences[j].sense;
      if (j == i || other.empty()) continue;
      has_other |= other == own;
      if (j > i) continue;
      (other == own ? layer.same : layer.different) +=
          layer.similarity[i * n + j];
      ++(other == own ? same : different);
    }
    if (!has_other) continue;
    ++asked;
    right += senses.sentences[NearestUses(layer, i).at(0)].sense == own;
  }
  senses.compared = same > 0 && different > 0;
  if (!senses.compared) return;
  layer.same /= static_cast<double>(same);
  layer.different /= static_cast<double>(different);
  layer.nearest_same = static_cast<double>(right) / static_cast<double>(asked);
}

}  // namespace

SenseSentence ParseSenseSentence(std::string_view line) {
  const size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return {std::string(line), ""};
  return {std::string(line.substr(tab + 1)), std::string(line.substr(0, tab))};
}

std::pair<size_t, size_t> FindWord(std::string_view sentence,
                                   std::string_view word,
                                   const std::string& where) {
  std::vector<size_t> from, unused;
  const std::string folded = Fold(sentence, from), wanted = Fold(word, unused);
  std::optional<std::pair<size_t, size_t>> begins;
  for (size_t at = wanted.empty() ? std::string::npos : folded.find(wanted);
       at != std::string::npos; at = folded.find(wanted, at + 1)) {
    const std::pair<size_t, size_t> place = {from[at],
                                             from[at + wanted.size()]};
    if (LetterBefore(sentence, place.first)) continue;
    if (!LetterAt(sentence, place.second)) return place;
    if (!begins) begins = place;
  }
  if (begins) return *begins;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = where,
               .what = "the word is not in the sentence",
               .expected = std::string(word),
               .got = std::string(sentence)});
}

WordSenses ReadWordSenses(const InspectedModel& model, const std::string& word,
                          std::vector<SenseSentence> sentences,
                          const SenseOptions& options) {
  if (sentences.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "sentences",
                 .what = "too few to compare",
                 .expected = "at least 2 with the word",
                 .got = std::to_string(sentences.size())});
  }
  if (sentences.size() > 1000) {
    throw Error(ErrorCode::kLimit, {.where = "sentences",
                                    .what = "too many to compare",
                                    .expected = "at most 1000",
                                    .got = std::to_string(sentences.size())});
  }
  WordSenses senses;
  senses.word = word;
  senses.width = model.width();
  senses.sentences = std::move(sentences);
  const int64_t layers = model.shape().layers;
  CheckKept(static_cast<double>(senses.sentences.size()) *
                static_cast<double>((layers + 2) * senses.width) * 4,
            "fewer sentences");
  for (size_t i = 0; i < senses.sentences.size(); ++i) {
    const std::string& sentence = senses.sentences[i].text;
    const std::string where = Format("sentence {}", i + 1);
    const auto place = FindWord(sentence, word, where);
    const ReadText read = model.Read(sentence, where);
    size_t first = read.ids.size(), end = 0;
    for (size_t t = 0; t < read.ids.size(); ++t) {
      const auto [begin, stop] = read.offsets[t];
      if (begin >= stop || stop <= place.first || begin >= place.second) {
        continue;
      }
      first = std::min(first, t);
      end = t + 1;
    }
    if (first >= end) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = where,
                   .what = "no token is of the word",
                   .expected = word,
                   .got = sentence});
    }
    senses.places.push_back(place);
    senses.tokens.emplace_back(
        read.labels.begin() + static_cast<std::ptrdiff_t>(first),
        read.labels.begin() + static_cast<std::ptrdiff_t>(end));
    const HiddenStates states = ReadHiddenStates(model, read.ids, {});
    if (i == 0) {
      for (size_t k = 0; k < states.layers.size(); ++k) {
        senses.layers.push_back({.name = std::to_string(k)});
      }
      if (!states.normed.empty()) senses.layers.push_back({.name = "norm"});
    }
    AddUse(states, first, end - first, senses.layers);
    if (options.progress) {
      options.progress(static_cast<int64_t>(i + 1),
                       std::ssize(senses.sentences));
    }
  }
  for (LayerSenses& layer : senses.layers)
    Compare(senses, options.center, layer);
  return senses;
}

std::vector<size_t> NearestUses(const LayerSenses& layer, size_t sentence) {
  const size_t n = layer.map.size();
  std::vector<size_t> order;
  for (size_t i = 0; i < n; ++i) {
    if (i != sentence) order.push_back(i);
  }
  const double* row = layer.similarity.data() + sentence * n;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return row[a] > row[b]; });
  return order;
}

// The eigenvectors of the Gram matrix of the centered vectors, by orthogonal
// iteration: vectors are few and wide, so that this is smaller than their
// covariance, of which learn/manifold has the components.
std::vector<std::array<double, 2>> PrincipalMap(
    const std::vector<float>& vectors, int64_t width,
    std::array<double, 2>& explained) {
  const auto columns = static_cast<size_t>(width);
  const size_t n = vectors.size() / columns;
  std::vector<double> centered(vectors.begin(), vectors.end());
  for (size_t d = 0; d < columns; ++d) {
    double mean = 0;
    for (size_t i = 0; i < n; ++i) mean += centered[i * columns + d];
    mean /= static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) centered[i * columns + d] -= mean;
  }
  std::vector<double> gram(n * n);
  double trace = 0, size = 0;
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      gram[i * n + j] = gram[j * n + i] = std::inner_product(
          &centered[i * columns], &centered[i * columns] + columns,
          &centered[j * columns], 0.0);
    }
    trace += gram[i * n + i];
  }
  for (const float value : vectors) {
    size += static_cast<double>(value) * static_cast<double>(value);
  }
  std::vector<std::array<double, 2>> map(n, {0, 0});
  explained = {0, 0};
  if (trace <= 1e-10 * size) return map;  // all the same but for rounding
  std::array<std::vector<double>, 2> basis;
  for (size_t k = 0; k < 2; ++k) {
    // Some numbers that no symmetry of the data makes orthogonal to the answer.
    for (size_t i = 0; i < n; ++i) {
      basis[k].push_back(
          std::sin(static_cast<double>((i + 1) * (k + 2)) * 1.7 + 0.3));
    }
  }
  std::array<double, 2> values = {0, 0};
  std::vector<double> next(n);
  for (int step = 0; step < 500; ++step) {
    for (size_t k = 0; k < 2; ++k) {
      for (size_t i = 0; i < n; ++i) {
        next[i] = std::inner_product(&gram[i * n], &gram[i * n] + n,
                                     basis[k].begin(), 0.0);
      }
      if (k == 1) {
        const double shared =
            std::inner_product(next.begin(), next.end(), basis[0].begin(), 0.0);
        for (size_t i = 0; i < n; ++i) next[i] -= shared * basis[0][i];
      }
      values[k] = std::sqrt(
          std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
      if (values[k] <= 1e-10 * trace) {
        values[k] = 0;
        std::fill(basis[k].begin(), basis[k].end(), 0.0);
        continue;
      }
      for (size_t i = 0; i < n; ++i) basis[k][i] = next[i] / values[k];
    }
  }
  for (size_t k = 0; k < 2; ++k) {
    const auto largest = std::max_element(
        basis[k].begin(), basis[k].end(),
        [](double a, double b) { return std::fabs(a) < std::fabs(b); });
    const double sign = *largest < 0 ? -1 : 1;
    for (size_t i = 0; i < n; ++i) {
      map[i][k] = sign * basis[k][i] * std::sqrt(values[k]);
    }
    explained[k] = values[k] / trace;
  }
  return map;
}

}  // namespace malmoi::apps
