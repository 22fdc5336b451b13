// An embedder for which a text is a bag: the mean of the vectors of its tokens
// or words, in no order. What is common to tables of tokens
// (token_embedder.h) and to word vectors (word_embedder.h).
#ifndef MALMOI_REPRESENT_STATIC_BAG_EMBEDDER_H_
#define MALMOI_REPRESENT_STATIC_BAG_EMBEDDER_H_

#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "ops/exec.h"
#include "represent/contextual/embedder.h"
#include "represent/contextual/modules.h"

namespace malmoi::represent {

class BagEmbedder : public Embedder {
 public:
  // Zeros for a text of which nothing is known.
  Embeddings Embed(std::span<const std::string> texts,
                   const EmbedOptions& options) override;
  std::vector<TokenEmbeddings> EmbedTokens(
      std::span<const std::string> texts, const EmbedOptions& options) override;

  int64_t dimensions() const override {
    return WidthBehind(steps_, token_dimensions());
  }
  const std::map<std::string, std::string>& prompts() const override {
    return prompts_;
  }
  const std::string& default_prompt() const override { return default_prompt_; }

 protected:
  // What is known of a text.
  struct Bag {
    std::vector<int32_t> ids;
    std::vector<std::string> texts;  // only where they are asked for
    std::vector<float> values;       // [ids][token_dimensions()], weighted
    int64_t unknown = 0;             // tokens or words that do not count
    bool truncated = false;
    int64_t chunks = 1;
  };

  explicit BagEmbedder(int threads) : pool_(threads) {}

  // `number`: of the text, for messages. Called from several threads.
  virtual Bag Read(const std::string& text, size_t number, bool spelled,
                   const EmbedOptions& options) const = 0;
  // Changes the mean of a bag.
  virtual void Finish(std::span<float> /*vector*/) const {}
  // Throws where there are no vectors of tokens to be shown.
  virtual void RequireTokens() const {}

  // Means of texts before steps, [texts][token_dimensions()]; `result` gets
  // what is to be told of them.
  std::vector<float> Means(std::span<const std::string> texts,
                           const EmbedOptions& options, Embeddings& result);

  ThreadPool pool_;
  std::vector<Step> steps_;
  std::map<std::string, std::string> prompts_;
  std::string default_prompt_;

 private:
  Arena arena_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_BAG_EMBEDDER_H_
