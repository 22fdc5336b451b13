// Vectors in fewer bits, as sentence_transformers.quantize_embeddings makes
// them: a byte for each component between the least and the greatest value that
// it has in other vectors, or a bit for its sign.
#ifndef MALMOI_REPRESENT_CONTEXTUAL_PRECISION_H_
#define MALMOI_REPRESENT_CONTEXTUAL_PRECISION_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/dtype.h"

namespace malmoi::represent {

enum class VectorPrecision { kFloat32, kInt8, kUint8, kBinary, kUbinary };

// "float32", "int8" ... Throws kInvalidArgument with all names.
VectorPrecision FindVectorPrecision(std::string_view name);

// Of each component over many vectors.
struct Ranges {
  std::vector<float> least, greatest;  // [dimensions]; empty: of none yet

  void Add(std::span<const float> vector);
  // .npy, f32 or f64 [2][dimensions]: the least, then the greatest. Throws as
  // formats::ReadNpy(), kCorrupt for another shape.
  static Ranges Read(const std::filesystem::path& path);
  void Write(const std::filesystem::path& path) const;
};

class VectorQuantizer {
 public:
  // `ranges` serve the two of a byte only. Throws kInvalidArgument for ranges
  // of other dimensions, or none where they are needed.
  VectorQuantizer(VectorPrecision precision, int64_t dimensions, Ranges ranges);

  DType dtype() const;      // F32, I8 or U8
  int64_t columns() const;  // values of a vector: bits are packed by eight
  size_t bytes() const;     // of a vector
  // What a vector becomes: bytes() bytes, little-endian.
  std::vector<std::byte> Apply(std::span<const float> vector) const;

 private:
  VectorPrecision precision_;
  int64_t dimensions_;
  Ranges ranges_;
};

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_CONTEXTUAL_PRECISION_H_
