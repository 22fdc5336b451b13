#include "tensor/dtype.h"

#include <array>

#include "base/check.h"

namespace malmoi {

namespace {
constexpr std::array<DTypeInfo, 25> kInfo = {{
    {"F32", 1, 4},      {"F16", 1, 2},      {"BF16", 1, 2},
    {"Q4_0", 32, 18},   {"Q4_1", 32, 20},   {"Q5_0", 32, 22},
    {"Q5_1", 32, 24},   {"Q8_0", 32, 34},   {"Q2_K", 256, 84},
    {"Q3_K", 256, 110}, {"Q4_K", 256, 144}, {"Q5_K", 256, 176},
    {"Q6_K", 256, 210}, {"IQ4_NL", 32, 18}, {"IQ4_XS", 256, 136},
    {"MXFP4", 32, 17},  {"I8", 1, 1},       {"I16", 1, 2},
    {"I32", 1, 4},      {"I64", 1, 8},      {"F64", 1, 8},
    {"U8", 1, 1},       {"U32", 1, 4},      {"BOOL", 1, 1},
    {"F8_E4M3", 1, 1},
}};
}  // namespace

const DTypeInfo& Info(DType dtype) { return kInfo[static_cast<size_t>(dtype)]; }

std::optional<uint64_t> ByteSize(DType dtype, uint64_t elements) {
  const DTypeInfo& info = Info(dtype);
  const uint64_t block = static_cast<uint64_t>(info.block_elements);
  if (elements % block != 0) return std::nullopt;
  return CheckedMul(elements / block, static_cast<uint64_t>(info.block_bytes));
}

}  // namespace malmoi
