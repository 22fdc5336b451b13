// Adapters of low rank (LoRA: Hu et al. 2021) as PEFT writes them, a folder
// with adapter_config.json and adapter_model.safetensors, or as GGUF. What they
// add to a matrix is alpha/rank·up·down; it stays beside the matrix, so that
// the weights of a quantized model are as they were.
#ifndef MALMOI_MODELS_ADAPTER_H_
#define MALMOI_MODELS_ADAPTER_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "formats/gguf.h"

namespace malmoi::models {

// An adapter of a user's choice; `scale` multiplies what it adds.
struct AdapterChoice {
  std::filesystem::path path;
  double scale = 1.0;
};

// "FOLDER" or "FOLDER:0.5". Throws kInvalidArgument for a scale that is no
// finite number.
AdapterChoice ParseAdapterChoice(const std::string& text);

class Adapter {
 public:
  // What is added to one matrix: scale·up·down.
  struct Pair {
    Tensor down;  // [rank, columns]
    Tensor up;    // [rows, rank]
    double scale = 0;
  };

  // Throws kNotFound, kPermission, kCorrupt, and kUnsupported for what an
  // adapter asks and malmoi does not do, by its name.
  static std::shared_ptr<const Adapter> Open(const AdapterChoice& choice);
  // Of PEFT's two files. `where` names them in errors.
  static Adapter Parse(const Json& config, formats::TensorMap tensors,
                       const std::string& where);

  const std::filesystem::path& path() const { return path_; }
  // base_model_name_or_path, or general.base_model.0.name; may be empty.
  const std::string& base() const { return base_; }
  // general.architecture of a GGUF; empty for a folder.
  const std::string& architecture() const { return architecture_; }
  bool gguf() const { return !architecture_.empty(); }
  double scale() const { return scale_; }
  int64_t rank() const { return rank_; }  // the largest
  // By the name of the matrix without ".weight".
  const std::map<std::string, Pair, std::less<>>& pairs() const {
    return pairs_;
  }
  // Tensors that take the place of the model's (modules_to_save).
  const formats::TensorMap& saved() const { return saved_; }
  // What it changes, in a few characters: a hash of settings, weights, scale.
  const std::string& mark() const { return mark_; }

 private:
  static Adapter FromGguf(const std::filesystem::path& path);
  void AddTensor(const std::string& name, const Tensor& tensor,
                 const std::string& where);
  void Finish(const std::string& where);

  std::filesystem::path path_;
  std::string base_, architecture_, mark_;
  double scale_ = 1.0;
  int64_t rank_ = 0;
  std::map<std::string, Pair, std::less<>> pairs_;
  formats::TensorMap saved_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ADAPTER_H_
