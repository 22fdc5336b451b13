#include "represent/static/bag_embedder.h"

#include <algorithm>

#include "base/error.h"
#include "represent/contextual/pooling.h"

namespace malmoi::represent {

namespace {

constexpr size_t kTextsOfTask = 32;

// The first components of each vector, or all, of length 1 where wished.
void Cut(const EmbedOptions& options, int64_t width,
         std::vector<float>& values) {
  if (options.normalize && options.dimensions == 0) {
    NormalizeVectors(values, width);
  }
  CutVectors(options.dimensions, width, values);
}

}  // namespace

std::vector<float> BagEmbedder::Means(std::span<const std::string> texts,
                                      const EmbedOptions& options,
                                      Embeddings& result) {
  const auto width = static_cast<size_t>(token_dimensions());
  std::vector<float> means(texts.size() * width);
  std::vector<Bag> told(texts.size());  // without values
  const size_t tasks = (texts.size() + kTextsOfTask - 1) / kTextsOfTask;
  pool_.Run(static_cast<int>(tasks), [&](int task, int) {
    const size_t begin = static_cast<size_t>(task) * kTextsOfTask;
    const size_t end = std::min(texts.size(), begin + kTextsOfTask);
    for (size_t i = begin; i < end; ++i) {
      Bag bag = Read(texts[i], options.first + i, false, options);
      const auto mean = std::span(means).subspan(i * width, width);
      for (size_t at = 0; at < bag.values.size(); at += width) {
        for (size_t k = 0; k < width; ++k) mean[k] += bag.values[at + k];
      }
      const auto count = static_cast<float>(bag.ids.size());
      for (float& value : mean) value /= std::max(count, 1.0f);
      if (!bag.ids.empty()) Finish(mean);
      bag.values = {};
      told[i] = std::move(bag);
    }
  });
  for (const Bag& bag : told) {
    result.tokens.push_back(static_cast<int64_t>(bag.ids.size()));
    result.unknown.push_back(bag.unknown);
    result.truncated.push_back(bag.truncated);
    result.chunks.push_back(bag.chunks);
  }
  return means;
}

Embeddings BagEmbedder::Embed(std::span<const std::string> texts,
                              const EmbedOptions& options) {
  CheckDimensions(options.dimensions, dimensions());
  Embeddings result;
  result.values = Means(texts, options, result);
  if (!steps_.empty()) {
    arena_.Reset();
    Exec exec{pool_, arena_, {}, nullptr};
    result.values = ApplySteps(exec, steps_, std::move(result.values),
                               static_cast<int64_t>(texts.size()));
  }
  result.dimensions =
      options.dimensions > 0 ? options.dimensions : dimensions();
  Cut(options, dimensions(), result.values);
  return result;
}

std::vector<TokenEmbeddings> BagEmbedder::EmbedTokens(
    std::span<const std::string> texts, const EmbedOptions& options) {
  CheckDimensions(options.dimensions, token_dimensions());
  RequireTokens();
  if (options.longer == LongTexts::kChunk) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--long",
                 .what = "vectors of tokens are not pooled over chunks",
                 .expected = "error or truncate",
                 .got = "chunk"});
  }
  std::vector<TokenEmbeddings> result;
  for (size_t i = 0; i < texts.size(); ++i) {
    Bag bag = Read(texts[i], options.first + i, true, options);
    TokenEmbeddings text;
    text.ids = std::move(bag.ids);
    text.texts = std::move(bag.texts);
    text.values = std::move(bag.values);
    text.truncated = bag.truncated;
    Cut(options, token_dimensions(), text.values);
    result.push_back(std::move(text));
  }
  return result;
}

}  // namespace malmoi::represent
