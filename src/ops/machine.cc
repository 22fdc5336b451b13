#include "ops/machine.h"

#include <sys/sysinfo.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <sstream>

#include "kernels/kernels.h"
#include "tensor/arena.h"

namespace malmoi::ops {

namespace {

std::string FirstField(const char* file, std::string_view key) {
  std::ifstream in(file);
  std::string line;
  while (std::getline(in, line)) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

uint64_t KibField(std::string_view key) {
  std::istringstream in(FirstField("/proc/meminfo", key));
  uint64_t kib = 0;
  in >> kib;
  return kib << 10;
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

// Best rate of several runs of work(task) on every thread; work returns what
// it did.
double BestRate(ThreadPool& pool, const std::function<double(int task)>& work) {
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    std::vector<double> done(static_cast<size_t>(pool.threads()));
    const double seconds = Seconds([&] {
      pool.Run(pool.threads(), [&](int task, int) {
        done[static_cast<size_t>(task)] = work(task);
      });
    });
    double total = 0;
    for (double part : done) total += part;
    if (seconds > 0) best = std::max(best, total / seconds);
  }
  return best;
}

}  // namespace

Machine DescribeMachine() {
  Machine machine;
  machine.cpu = FirstField("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = "unknown";
  machine.processors = ThreadPool::UsableProcessors();
  machine.memory_bytes = KibField("MemTotal");
  machine.available_bytes = KibField("MemAvailable");
  std::ifstream limit("/sys/fs/cgroup/memory.max");
  uint64_t bytes = 0;
  if (limit >> bytes && bytes < machine.memory_bytes) {
    machine.memory_bytes = bytes;
    machine.available_bytes = std::min(machine.available_bytes, bytes);
  }
  machine.target = kernels::Kernels().name;
  for (const kernels::KernelTable* table : kernels::AllKernels()) {
    machine.targets.emplace_back(table->name);
  }
  return machine;
}

Roofs MeasureRoofs(ThreadPool& pool) {
  const kernels::KernelTable& table = kernels::Kernels();
  Roofs roofs;
  // Larger than last-level caches; every page is written first.
  const size_t share =
      (size_t{256} << 20) / static_cast<size_t>(pool.threads());
  const size_t bytes = share * static_cast<size_t>(pool.threads());
  const AlignedBytes memory = AllocateAligned(bytes);
  std::memset(memory.get(), 1, bytes);
  volatile uint64_t sink = 0;
  roofs.read_bytes_per_s = BestRate(pool, [&](int task) {
    sink =
        table.read_sum(memory.get() + share * static_cast<size_t>(task), share);
    return static_cast<double>(share);
  });
  (void)sink;
  constexpr int64_t kIterations = 4'000'000;
  roofs.int8_ops_per_s =
      BestRate(pool, [&](int) { return table.int8_roof(kIterations); });
  roofs.f32_ops_per_s =
      BestRate(pool, [&](int) { return table.f32_roof(kIterations); });
  return roofs;
}

}  // namespace malmoi::ops
