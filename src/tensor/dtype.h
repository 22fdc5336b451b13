// What the bytes of a tensor mean: the float types and GGUF's block formats.
// Sizes and layouts follow ggml's documented block structures.
#ifndef MALMOI_TENSOR_DTYPE_H_
#define MALMOI_TENSOR_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace malmoi {

enum class DType : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  kI8,
  kI16,
  kI32,
  kI64,
  kF64,
  kU8,
  kU32,
  kBool,
  kF8E4M3,  // of folders; scaled by another tensor, see models/fp8.h
};

struct DTypeInfo {
  std::string_view name;  // "Q4_K"
  int block_elements;     // elements that share a block, 1 for plain types
  int block_bytes;
};

const DTypeInfo& Info(DType dtype);

inline bool IsQuantized(DType dtype) { return Info(dtype).block_elements > 1; }

// Bytes of `elements` consecutive elements; nullopt on overflow or where
// `elements` is not a multiple of the block.
std::optional<uint64_t> ByteSize(DType dtype, uint64_t elements);

}  // namespace malmoi

#endif  // MALMOI_TENSOR_DTYPE_H_
