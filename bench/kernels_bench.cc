// Matrix kernels on one core by weight type, size and rows of activations:
// operations per second, and weight bytes per second. Compare with the roof
// that the last lines measure.
#include <benchmark/benchmark.h>

#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "kernels/unpack.h"

namespace malmoi::kernels {
namespace {

void Matmul(benchmark::State& state, DType dtype) {
  const KernelTable& table = Kernels();
  constexpr int64_t kColumns = 576;
  const int64_t rows = 1536;
  const int64_t tokens = state.range(0);
  const PanelFormat format = FormatFor(dtype);
  const int64_t panels = rows / table.lanes;
  const size_t bytes =
      PanelBytes(format, table.lanes, kColumns) * static_cast<size_t>(panels);
  std::vector<std::byte> weights(bytes + 64);  // zeros: speed is the same
  std::vector<int8_t> codes(static_cast<size_t>(tokens * kColumns), 1);
  std::vector<float> scales(codes.size() / 16, 1.0f);
  std::vector<float> out(static_cast<size_t>(tokens * rows));
  const Int8Rows x = {kColumns, codes.data(), scales.data(), scales.data(),
                      scales.data()};
  for (auto _ : state) {
    table.matmul_int8(format, weights.data(), panels, x, 0, tokens, out.data(),
                      rows);
    benchmark::DoNotOptimize(out.data());
  }
  const double runs = static_cast<double>(state.iterations());
  state.counters["GOP/s"] = benchmark::Counter(
      2e-9 * static_cast<double>(rows * kColumns * tokens) * runs,
      benchmark::Counter::kIsRate);
  state.counters["weights_GB/s"] = benchmark::Counter(
      1e-9 * static_cast<double>(bytes) * runs, benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(Matmul, Q4_1_1536x576, DType::kQ4_1)
    ->Arg(1)
    ->Arg(8)
    ->Arg(128);
BENCHMARK_CAPTURE(Matmul, Q8_0_1536x576, DType::kQ8_0)
    ->Arg(1)
    ->Arg(8)
    ->Arg(128);
BENCHMARK_CAPTURE(Matmul, Q4_K_1536x576, DType::kQ4_K)
    ->Arg(1)
    ->Arg(8)
    ->Arg(128);
BENCHMARK_CAPTURE(Matmul, Q6_K_1536x576, DType::kQ6_K)
    ->Arg(1)
    ->Arg(8)
    ->Arg(128);

void Int8Roof(benchmark::State& state) {
  double done = 0;
  for (auto _ : state) done += Kernels().int8_roof(100'000);
  state.counters["GOP/s"] =
      benchmark::Counter(done * 1e-9, benchmark::Counter::kIsRate);
}
BENCHMARK(Int8Roof);

}  // namespace
}  // namespace malmoi::kernels
