// One epoch of UMAP's layout for some points: each and its neighbours whose
// turn it is are drawn together, and it is pushed away from random others. One
// table per instruction set, as kernels.h; a lane is an other point. McInnes,
// Healy, Melville 2018, "UMAP", section 3.2 and appendix.
#ifndef MALMOI_KERNELS_LAYOUT_KERNELS_H_
#define MALMOI_KERNELS_LAYOUT_KERNELS_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace malmoi::kernels {

inline constexpr int kMaxMapDimensions = 16;

// A graph whose row v has the edges [starts[v], starts[v + 1]).
struct LayoutStep {
  const float* positions = nullptr;  // [dimensions][points], of all points
  int64_t points = 0;                // below 2^24
  int64_t dimensions = 0;            // up to kMaxMapDimensions
  const int64_t* starts = nullptr;   // [points + 1]
  const int32_t* others = nullptr;   // [edges]
  const float* intervals = nullptr;  // [edges]: epochs from turn to turn
  float* due = nullptr;              // [edges]: the epoch of the next turn
  float epoch = 0;
  float rate = 1;  // of learning
  // The curve 1 / (1 + a·d^2b).
  float a = 1, b = 1;
  float repulsion = 1;
  int negatives = 5;  // others that push, for each that draws
  uint64_t seed = 0;  // of this epoch
};

struct LayoutPulls {
  int32_t* others = nullptr;  // [edges]
  float* changes = nullptr;   // [edges][dimensions]
};

struct LayoutKernelTable {
  std::string_view name;

  // Moves the points [first, first + count): reads `positions`, which stay, and
  // writes where they are then, [count][dimensions]. An edge draws both its
  // ends: what is to be added to the other one's place is written to `pulls`,
  // in an order of the table's own. Returns how many: up to the edges of these
  // points.
  int64_t (*move)(const LayoutStep& step, int64_t first, int64_t count,
                  float* moved, const LayoutPulls& pulls);
};

// That of Kernels() (kernels.h).
const LayoutKernelTable& LayoutKernels();
// Best first, the scalar one last.
std::span<const LayoutKernelTable* const> AllLayoutKernels();
const LayoutKernelTable& ScalarLayoutKernels();

}  // namespace malmoi::kernels

#endif  // MALMOI_KERNELS_LAYOUT_KERNELS_H_
