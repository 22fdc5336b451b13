// What bench/map_peers.py measures: a map of an .npy file, its parts timed.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/file.h"
#include "base/json.h"
#include "formats/npy.h"
#include "learn/manifold/measures.h"
#include "learn/manifold/umap.h"

using namespace malmoi;

// map_speed VECTORS.npy OUT.npy [THREADS [EPOCHS [SEED]]]
int main(int argc, char** argv) try {
  if (argc < 3) return 2;
  const auto now = [] {
    return std::chrono::duration<double>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const Tensor tensor = formats::ReadNpy(argv[1]);
  const learn::Points points = {
      {reinterpret_cast<const float*>(tensor.data.data()),
       tensor.data.size() / 4},
      tensor.shape[0],
      tensor.shape[1]};
  ThreadPool pool(argc > 3 ? std::atoi(argv[3]) : 0);
  learn::UmapOptions options;
  if (argc > 4) options.epochs = std::atoi(argv[4]);
  if (argc > 5) options.seed = static_cast<uint64_t>(std::atoll(argv[5]));
  Json times = Json::object();
  std::string part;
  double since = now();
  const double begin = since;
  const std::clock_t cpu = std::clock();
  const auto progress = [&](std::string_view what, double) {
    if (what != part) {
      const double time = now();
      if (!part.empty()) times[part] = time - since;
      part = what;
      since = time;
    }
    return true;
  };
  const learn::Umap map = learn::FitUmap(pool, points, options, progress);
  times[part] = now() - since;
  times["seconds"] = now() - begin;
  times["cpu_seconds"] =
      static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
  WriteFileAtomically(
      argv[2], formats::NpyBytes(DType::kF32, {points.rows, options.dimensions},
                                 std::span<const float>(map.places)));
  const double start = now();
  const auto quality = learn::MeasureMap(
      pool, points, {map.places, points.rows, options.dimensions}, {});
  times["quality_seconds"] = now() - start;
  times["trustworthiness"] = quality.trustworthiness;
  times["preservation"] = quality.preservation;
  std::printf("%s\n", DumpJson(times).c_str());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
