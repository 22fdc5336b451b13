// What a tap costs: inspect_speed MODEL [TOKENS [REPETITIONS]]. Forwards
// without a tap, with one that keeps every layer's rows, and with attention
// too, in turn (A B C C B A) in one run; medians and their ratios.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "apps/inspect/attention_maps.h"
#include "apps/inspect/hidden_states.h"
#include "base/error.h"
#include "base/random.h"

namespace malmoi::apps {
namespace {

double Milliseconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now() - start)
      .count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Measure(const char* path, size_t tokens, int repetitions) {
  const InspectedModel model(path, {});
  Random random(1);
  std::vector<int32_t> ids;
  for (size_t i = 0; i < tokens; ++i) {
    ids.push_back(static_cast<int32_t>(
        random.Below(static_cast<uint64_t>(model.vocab_size()))));
  }
  const std::function<void()> works[] = {
      [&] { model.Run(ids, {}, {}); },
      [&] { ReadHiddenStates(model, ids, {}); },
      [&] { ReadAttention(model, ids, {}, {.layer = 1}); },
      [&] { SummarizeHeads(model, ids, {}, AttentionKind::kEncoder); },
  };
  const char* names[] = {"plain", "hidden states", "attention, one layer",
                         "attention, all layers"};
  constexpr size_t kWorks = std::size(works);
  std::vector<double> times[kWorks];
  for (const auto& work : works) work();  // memory and caches
  for (int i = 0; i < repetitions; ++i) {
    for (size_t k = 0; k < kWorks; ++k) {
      times[k].push_back(Milliseconds(works[k]));
    }
    for (size_t k = kWorks; k-- > 0;) {
      times[k].push_back(Milliseconds(works[k]));
    }
  }
  for (size_t k = 0; k < kWorks; ++k) {
    std::printf("%-22s %8.1f ms  %.3f\n", names[k], Median(times[k]),
                Median(times[k]) / Median(times[0]));
  }
  return 0;
}

}  // namespace
}  // namespace malmoi::apps

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  try {
    return malmoi::apps::Measure(
        argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 512,
        argc > 3 ? std::atoi(argv[3]) : 5);
  } catch (const malmoi::Error& error) {
    std::fprintf(stderr, "%s\n", error.message().c_str());
    return 1;
  }
}
