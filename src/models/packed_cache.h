// Panels kept in files, so that a later load maps them instead of packing
// again. A file holds one model for one kind of vector; it is keyed by the
// source's size, time and content, written beside and renamed, and never
// needed: without it, or with a damaged one, weights are packed anew.
#ifndef MALMOI_MODELS_PACKED_CACHE_H_
#define MALMOI_MODELS_PACKED_CACHE_H_

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "base/thread_pool.h"
#include "models/checkpoint.h"
#include "ops/packed_matrix.h"

namespace malmoi::models {

struct PackedCacheOptions {
  std::filesystem::path folder;               // empty: nothing is kept
  uint64_t limit_bytes = uint64_t{16} << 30;  // of all files together
};

class PackedCache {
 public:
  explicit PackedCache(PackedCacheOptions options)
      : options_(std::move(options)) {}
  // Waits for a file that is nearly written, gives up one that is not.
  ~PackedCache();
  PackedCache(const PackedCache&) = delete;
  PackedCache& operator=(const PackedCache&) = delete;

  // Plans the matrices of `jobs` and places them in a kept file. False where
  // there is none.
  bool Map(const Checkpoint& checkpoint, std::span<const ops::PackJob> jobs,
           ThreadPool& pool);

  // Writes packed matrices in the background. Files used longest ago make
  // room. Nothing happens where the disk lacks room or may not be written.
  void Keep(const Checkpoint& checkpoint, std::span<const ops::PackJob> jobs);

  // Waits until the file is there, or has been given up.
  void Finish();

 private:
  void Write(const std::filesystem::path& path, const std::string& header,
             std::shared_ptr<const std::byte> block, size_t bytes);

  PackedCacheOptions options_;
  std::thread writer_;
  std::atomic<bool> stop_{false};
  std::atomic<size_t> left_{0};  // bytes to write
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_PACKED_CACHE_H_
