// Everything of one target, and its table. Included once per target; the
// include guard toggles.
#if defined(MALMOI_KERNELS_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef MALMOI_KERNELS_TABLE_INL_H_
#undef MALMOI_KERNELS_TABLE_INL_H_
#else
#define MALMOI_KERNELS_TABLE_INL_H_
#endif

#include "kernels/attention-inl.h"
#include "kernels/bf16-inl.h"
#include "kernels/kv-inl.h"
#include "kernels/matmul-inl.h"
#include "kernels/matmul_float-inl.h"
#include "kernels/rows-inl.h"
#include "kernels/state_space-inl.h"

HWY_BEFORE_NAMESPACE();
namespace malmoi::kernels {
namespace MALMOI_TARGET {

const KernelTable* Table() {
  static constexpr KernelTable kTable = {
      .name = HWY_TARGET == HWY_SSE4      ? "SSE4"
              : HWY_TARGET == HWY_AVX2    ? "AVX2"
              : HWY_TARGET == HWY_AVX3    ? "AVX512"
              : HWY_TARGET == HWY_AVX3_DL ? "AVX512_VNNI"
#if defined(MALMOI_NEON_DOT)
                                          : "NEON_DOT",
#else
                                          : "NEON",
#endif
      .lanes = kF32Lanes,
      .fused = HWY_NATIVE_FMA != 0,
      .moved_bytes = kMovesBytes,
      .matmul_int8 = MatmulInt8,
      .matmul_float = MatmulFloat,
      .matmul_bf16 = MatmulBF16,
      .round_bf16 = RoundBF16,
      .quantize = Quantize,
      .layer_norm = LayerNorm,
      .rms_norm = RmsNorm,
      .silu_mul = SiluMul,
      .gelu_mul = GeluMul,
      .gelu_tanh_mul = GeluTanhMul,
      .add = AddRows,
      .add_two = AddTwo,
      .convolve = Convolve,
      .scan_channels = ScanChannels,
      .scan_head = ScanHead,
      .softplus = Softplus,
      .attend_chunk = AttendChunk,
      .store_kv = StoreKv,
      .int8_roof = Int8Roof,
      .f32_roof = F32Roof,
      .read_sum = ReadSum,
  };
  return &kTable;
}

}  // namespace MALMOI_TARGET
}  // namespace malmoi::kernels
HWY_AFTER_NAMESPACE();

#endif  // toggle
