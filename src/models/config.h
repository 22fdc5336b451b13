// One view of a model's configuration, whether it stands in GGUF metadata
// ("<architecture>.block_count") or in config.json ("num_hidden_layers").
#ifndef MALMOI_MODELS_CONFIG_H_
#define MALMOI_MODELS_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/checkpoint.h"

namespace malmoi::models {

class Config {
 public:
  explicit Config(const Checkpoint& checkpoint);

  // GGUF keys are prefixed by the architecture; dots in `hf` descend into
  // objects, and bars part spellings, of which the first that is there counts.
  // An empty key is absent. Without a fallback, absence is
  // kCorrupt. Counts are 1 to 2^31-1.
  int64_t Count(std::string_view gguf, std::string_view hf,
                std::optional<int64_t> fallback = {}) const;
  double Number(std::string_view gguf, std::string_view hf,
                std::optional<double> fallback = {}) const;
  std::string Text(std::string_view gguf, std::string_view hf,
                   std::string_view fallback) const;
  // The same, but 0 where it is absent or 0.
  int64_t CountOrZero(std::string_view gguf, std::string_view hf) const;
  // The same, but 0 where it is negative too, which says "none" there.
  int64_t CountOrNone(std::string_view hf) const;
  double NumberOrZero(std::string_view gguf, std::string_view hf) const;
  // config.json only.
  bool Has(std::string_view hf) const { return Find(hf) != nullptr; }
  std::vector<double> Numbers(std::string_view hf) const;
  std::vector<std::string> Texts(std::string_view hf) const;
  double Number(std::string_view hf) const { return Number("", hf); }
  bool Flag(std::string_view hf) const;
  // Whether a pair of bounds is absent or 0 and infinity.
  bool Unbounded(std::string_view hf) const;
  // A list of 0 and 1; empty where there is none.
  std::vector<int64_t> Flags(std::string_view hf) const;

  const Tensor* FindTensor(std::string_view name) const;
  // Null for a Hugging Face folder; its keys are prefixed as above.
  const formats::GgufFile* gguf() const { return checkpoint_.gguf.get(); }
  std::string GgufKey(std::string_view key) const {
    return prefix_ + std::string(key);
  }
  [[noreturn]] void Refuse(std::string_view what, std::string_view got) const;

 private:
  const Json* Find(std::string_view hf) const;
  const Json* FindOne(std::string_view hf) const;
  [[noreturn]] void Missing(std::string_view gguf, std::string_view hf) const;

  const Checkpoint& checkpoint_;
  std::string prefix_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_CONFIG_H_
