// Matrix kernels on one core by weight type and rows of activations, at the
// width of a model of 4 billion weights: operations per second, weight bytes
// per second, and the share of the arithmetic roof. The roof is measured
// between the runs, since shared machines change their clock.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/kernels.h"

namespace malmoi::kernels {
namespace {

double Now() {
  return std::chrono::duration<double>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

double Roof() {
  const double start = Now();
  const double done = Kernels().int8_roof(50'000);
  return done / (Now() - start);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Matmul(benchmark::State& state, DType dtype) {
  const KernelTable& table = Kernels();
  constexpr int64_t kColumns = 3072, kRows = 256;
  const int64_t tokens = state.range(0);
  const PanelFormat format = FormatFor(dtype);
  const int64_t panels = kRows / table.lanes;
  const size_t bytes =
      PanelBytes(format, table.lanes, kColumns) * static_cast<size_t>(panels);
  std::vector<std::byte> weights(bytes + 64);  // zeros: speed is the same
  std::vector<int8_t> codes(static_cast<size_t>(tokens * kColumns), 1);
  std::vector<float> scales(codes.size() / 32, 1.0f);
  std::vector<int16_t> pairs(codes.size() / 16, 1);
  std::vector<float> out(static_cast<size_t>(tokens * kRows));
  const Int8Rows x = {tokens,       kColumns,      format.block(),
                      codes.data(), scales.data(), scales.data(),
                      pairs.data(), pairs.data()};
  const double ops = 2.0 * static_cast<double>(kRows * kColumns * tokens);
  std::vector<double> shares, rates;
  for (auto _ : state) {
    const double roof = Roof();
    const double start = Now();
    table.matmul_int8(format, weights.data(), panels, x, 0, tokens, out.data(),
                      kRows);
    const double seconds = Now() - start;
    state.SetIterationTime(seconds);
    rates.push_back(ops / seconds);
    shares.push_back(ops / seconds / std::max(roof, Roof()));
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["GOP/s"] = Median(rates) * 1e-9;
  state.counters["roof_%"] = 100 * Median(shares);
  state.counters["weights_GB/s"] =
      Median(rates) / ops * static_cast<double>(bytes) * 1e-9;
}
#define MALMOI_MATMUL(type)                                  \
  BENCHMARK_CAPTURE(Matmul, type##_256x3072, DType::k##type) \
      ->Arg(1)                                               \
      ->Arg(4)                                               \
      ->Arg(8)                                               \
      ->Arg(128)                                             \
      ->UseManualTime()
MALMOI_MATMUL(Q4_0);
MALMOI_MATMUL(Q4_1);
MALMOI_MATMUL(Q5_0);
MALMOI_MATMUL(Q8_0);
MALMOI_MATMUL(Q2_K);
MALMOI_MATMUL(Q4_K);
MALMOI_MATMUL(Q5_K);
MALMOI_MATMUL(Q6_K);
MALMOI_MATMUL(IQ4_XS);

}  // namespace
}  // namespace malmoi::kernels
