// The kernels for 64-bit Arm with dot products (Armv8.2 and later: sdot), which
// Highway 1.0.3 does not know as a target. Compiled with -march for it, and
// used where the processor says that it has them.
#if defined(__aarch64__)
#define MALMOI_NEON_DOT 1
#define MALMOI_TARGET N_NEON_DOT

#include "hwy/highway.h"
#include "kernels/table-inl.h"

namespace malmoi::kernels {

const KernelTable* NeonDotTable();

const KernelTable* NeonDotTable() { return N_NEON_DOT::Table(); }

}  // namespace malmoi::kernels
#endif
