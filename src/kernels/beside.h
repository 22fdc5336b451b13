// Tables of kernels beside those of kernels.h: which goes with each of them.
#ifndef MALMOI_KERNELS_BESIDE_H_
#define MALMOI_KERNELS_BESIDE_H_

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace malmoi::kernels {

// By instruction set; null where it was not compiled.
template <typename Table>
struct TargetTables {
  const Table* scalar = nullptr;
  const Table* neon = nullptr;
  const Table* sse4 = nullptr;
  const Table* avx2 = nullptr;
  const Table* avx3 = nullptr;  // of every AVX-512
};

// In the order of AllKernels().
template <typename Table>
std::vector<const Table*> BesideKernels(const TargetTables<Table>& own) {
  std::vector<const Table*> tables;
  for (const KernelTable* kernels : AllKernels()) {
    const std::string_view name = kernels->name;
    const Table* table = name.starts_with("AVX512") ? own.avx3
                         : name == "AVX2"           ? own.avx2
                         : name == "SSE4"           ? own.sse4
                         : name.starts_with("NEON") ? own.neon
                                                    : nullptr;
    tables.push_back(table != nullptr ? table : own.scalar);
  }
  return tables;
}

// That of Kernels().
template <typename Table>
const Table& BesideChosen(std::span<const Table* const> tables) {
  const auto all = AllKernels();
  const auto chosen = std::find(all.begin(), all.end(), &Kernels());
  return *tables[static_cast<size_t>(chosen - all.begin())];
}

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_BESIDE_H_
