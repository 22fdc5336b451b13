#include "represent/static/word_vectors.h"

#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "kernels/word_kernels.h"

namespace malmoi::represent {

namespace {
[[noreturn]] void Unknown(std::string_view word, bool subwords) {
  throw Error(ErrorCode::kNotFound,
              {.where = std::string(word),
               .what = subwords ? "neither the word nor its parts are known"
                                : "the word is not in the vocabulary"});
}
}  // namespace

WordVectors::WordVectors(WordTable words, int64_t dimensions,
                         std::span<const float> values,
                         std::shared_ptr<const void> owner,
                         std::shared_ptr<const WordMaker> maker)
    : words_(std::move(words)),
      dimensions_(dimensions),
      values_(values),
      owner_(std::move(owner)),
      maker_(std::move(maker)) {
  MALMOI_CHECK(dimensions_ > 0 &&
               values_.size() ==
                   static_cast<size_t>(words_.size() * dimensions_));
  norms_.resize(static_cast<size_t>(size()));
  const auto& kernels = kernels::WordKernels();
  for (int64_t i = 0; i < size(); ++i) {
    const float* own = row(i).data();
    float square;
    kernels.dot_rows(own, own, dimensions_, 1, dimensions_, &square);
    norms_[static_cast<size_t>(i)] = std::sqrt(square);
  }
}

WordVectors WordVectors::Own(WordTable words, int64_t dimensions,
                             std::vector<float> values,
                             std::shared_ptr<const WordMaker> maker) {
  auto owner = std::make_shared<const std::vector<float>>(std::move(values));
  const std::span<const float> view = *owner;
  return WordVectors(std::move(words), dimensions, view, std::move(owner),
                     std::move(maker));
}

std::vector<float> WordVectors::VectorOf(std::string_view word) const {
  const int64_t id = words_.Find(word);
  if (id >= 0) return {row(id).begin(), row(id).end()};
  std::vector<float> made(static_cast<size_t>(dimensions_));
  if (maker_ == nullptr || !maker_->Make(word, made)) {
    Unknown(word, maker_ != nullptr);
  }
  return made;
}

int64_t WordVectors::IdOf(std::string_view word) const {
  const int64_t id = words_.Find(word);
  if (id < 0) Unknown(word, false);
  return id;
}

}  // namespace malmoi::represent
