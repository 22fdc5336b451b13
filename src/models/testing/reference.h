// Reference values of transformers, and how far ours are from them.
#ifndef MALMOI_MODELS_TESTING_REFERENCE_H_
#define MALMOI_MODELS_TESTING_REFERENCE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "formats/safetensors.h"

namespace malmoi::models {

class Expected {
 public:
  explicit Expected(const std::filesystem::path& folder)
      : tensors_(formats::SafetensorsFile::Open(folder / "expected.safetensors")
                     .tensors) {}
  bool Has(const std::string& name) const { return tensors_.contains(name); }
  std::vector<float> Floats(const std::string& name) const {
    const Tensor& tensor = tensors_.at(name);
    EXPECT_EQ(tensor.dtype, DType::kF32);
    const auto* values = reinterpret_cast<const float*>(tensor.data.data());
    return {values, values + tensor.elements()};
  }
  std::vector<int32_t> Ids(const std::string& name) const {
    const Tensor& tensor = tensors_.at(name);
    EXPECT_EQ(tensor.dtype, DType::kI32);
    const auto* values = reinterpret_cast<const int32_t*>(tensor.data.data());
    return {values, values + tensor.elements()};
  }

 private:
  formats::TensorMap tensors_;
};

// The largest difference, relative to the largest value.
inline double Difference(std::span<const float> got,
                         std::span<const float> want) {
  EXPECT_EQ(got.size(), want.size());
  double difference = 0, largest = 0;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    EXPECT_TRUE(std::isfinite(d));
    difference = std::max(difference, std::fabs(d));
    largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
  }
  return difference / largest;
}

// NAME is a folder of golden models, NAME.gguf the GGUF in it.
inline bool IsGguf(const std::string& name) { return name.ends_with(".gguf"); }
inline std::string FolderOf(const std::string& name) {
  return name.substr(0, name.find(".gguf"));
}
inline std::filesystem::path ModelOf(const std::filesystem::path& golden,
                                     const std::string& name) {
  const std::filesystem::path folder = golden / FolderOf(name);
  return IsGguf(name) ? folder / "model.gguf" : folder;
}

// The ledger, which ./test prints: what was compared, and the largest
// difference. One line is written at once, as tests run side by side.
inline void Enter(const std::string& model, const std::string& from,
                  double worst) {
  const char* path = std::getenv("MALMOI_LEDGER");
  if (path == nullptr) return;
  char line[200];
  std::snprintf(line, sizeof line, "%s %s %.1e\n", model.c_str(), from.c_str(),
                worst);
  std::ofstream(path, std::ios::app) << line << std::flush;
}

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_TESTING_REFERENCE_H_
