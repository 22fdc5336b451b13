// The vector kernels, compiled once per instruction set by Highway, and the
// choice among them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd.cc"
#define HWY_WANT_SSE4 1
#define HWY_WANT_AVX3_DL 1
// From SSE4.1 upward; SSSE3 and the emulations are left to the scalar table.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_EMU128 | HWY_SVE | HWY_SVE2)
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3_DL
// Highway 1.0.3 checks for VNNI when it chooses this target but leaves it out
// of the function attribute.
#define MALMOI_AVX3_DL                                            \
  HWY_TARGET_STR_AVX3                                             \
  ",vpclmulqdq,avx512vbmi,avx512vbmi2,vaes,avxvnni,avx512bitalg," \
  "avx512vpopcntdq,avx512vnni"
#undef HWY_TARGET_STR
#define HWY_TARGET_STR MALMOI_AVX3_DL
#endif

#include "kernels/table-inl.h"

#if HWY_TARGET == HWY_AVX3_DL
// Once more, for processors that multiply bf16 too.
#undef HWY_TARGET_STR
#define HWY_TARGET_STR MALMOI_AVX3_DL ",avx512bf16"
#define MALMOI_BF16_DOT 1
#include "kernels/bf16-inl.h"
#undef MALMOI_BF16_DOT
// And for those with tiles.
#undef HWY_TARGET_STR
#define HWY_TARGET_STR MALMOI_AVX3_DL ",avx512bf16,amx-tile,amx-bf16"
#include "kernels/amx-inl.h"
#include "kernels/amx_text-inl.h"
#undef HWY_TARGET_STR
#define HWY_TARGET_STR MALMOI_AVX3_DL
#endif

#if HWY_ONCE
#if defined(__aarch64__)
#include <sys/auxv.h>
#elif HWY_ARCH_X86 && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <atomic>
#include <cstdlib>

namespace malmoi::kernels {

#if defined(__aarch64__)
const KernelTable* NeonDotTable();  // simd_neon_dot.cc
#endif

namespace {

#if defined(HWY_COMPILE_ONLY_STATIC)
std::vector<const KernelTable*> FindKernels() {
  std::vector<const KernelTable*> tables;
#if defined(__aarch64__)
  if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) tables.push_back(NeonDotTable());
#endif
  tables.push_back(HWY_STATIC_DISPATCH(Table)());
  tables.push_back(&ScalarKernels());
  return tables;
}
#else
// Whether this processor, and its system, have what a target was compiled for
// (hwy/ops/set_macros-inl.h).
bool HasAvx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("f16c") && __builtin_cpu_supports("aes") &&
         __builtin_cpu_supports("pclmul");
}
bool HasAvx3() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw");
}
bool HasAvx3Dl() {
  return HasAvx3() && __builtin_cpu_supports("avx512vnni") &&
         __builtin_cpu_supports("avx512vbmi") &&
         __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("avx512bitalg") &&
         __builtin_cpu_supports("avx512vpopcntdq") &&
         __builtin_cpu_supports("vpclmulqdq");
}

// The table of AVX3_DL with products of bf16.
const KernelTable* Bf16Table() {
  static const KernelTable kTable = [] {
    KernelTable table = *N_AVX3_DL::Table();
    table.name = "AVX512_BF16";
    table.bf16_dot = true;
    table.matmul_bf16 = N_AVX3_DL::bf16_dot::MatmulBF16;
    return table;
  }();
  return &kTable;
}

// Whether the processor has tiles of bf16, and the system lets this process
// use them: it is asked once, for all threads.
bool HasAmx() {
#if defined(__linux__)
  constexpr unsigned kTileBf16 = 1u << 22, kTiles = 1u << 24;  // leaf 7, edx
  constexpr unsigned kSavesState = 1u << 27;                   // leaf 1, ecx
  constexpr unsigned kTileState = 3u << 17;                    // of XCR0
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSavesState) == 0) {
    return false;
  }
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  if ((d & kTiles) == 0 || (d & kTileBf16) == 0) return false;
  unsigned low = 0, high = 0;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & kTileState) != kTileState) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// The table of AVX512_BF16 with its products in tiles.
const KernelTable* AmxTable() {
  static constexpr TileKernels kTiles = {
      N_AVX3_DL::amx::Finish, N_AVX3_DL::amx::Attend, N_AVX3_DL::amx::Norm};
  static const KernelTable kTable = [] {
    KernelTable table = *Bf16Table();
    table.name = "AVX512_AMX";
    table.matmul_bf16 = N_AVX3_DL::amx::MatmulBF16;
    table.round_bf16 = N_AVX3_DL::amx::RoundBF16;
    table.tiles = &kTiles;
    return table;
  }();
  return &kTable;
}

// Best first.
std::vector<const KernelTable*> FindKernels() {
  __builtin_cpu_init();
  std::vector<const KernelTable*> tables;
  if (HasAvx3Dl()) {
    if (__builtin_cpu_supports("avx512bf16")) {
      if (HasAmx()) tables.push_back(AmxTable());
      tables.push_back(Bf16Table());
    }
    tables.push_back(N_AVX3_DL::Table());
  }
  if (HasAvx3()) tables.push_back(N_AVX3::Table());
  if (HasAvx2()) tables.push_back(N_AVX2::Table());
  if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
    tables.push_back(N_SSE4::Table());
  }
  tables.push_back(&ScalarKernels());
  return tables;
}
#endif

std::atomic<const KernelTable*>& Chosen() {
  static std::atomic<const KernelTable*> chosen = [] {
    const char* wanted = std::getenv("MALMOI_TARGET");
    for (const KernelTable* table : AllKernels()) {
      if (wanted != nullptr && table->name == wanted) return table;
    }
    return AllKernels().front();
  }();
  return chosen;
}

}  // namespace

std::span<const KernelTable* const> AllKernels() {
  static const std::vector<const KernelTable*> tables = FindKernels();
  return tables;
}

const KernelTable& Kernels() {
  return *Chosen().load(std::memory_order_relaxed);
}

void UseKernels(const KernelTable& table) { Chosen().store(&table); }

}  // namespace malmoi::kernels
#endif  // HWY_ONCE
