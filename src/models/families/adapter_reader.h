// What adapters add to the matrices of a family: found by role as the matrices
// themselves are, joined to one pair of low rank for each, packed as f32.
#ifndef MALMOI_MODELS_FAMILIES_ADAPTER_READER_H_
#define MALMOI_MODELS_FAMILIES_ADAPTER_READER_H_

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "models/checkpoint.h"
#include "models/registry.h"
#include "ops/packed_matrix.h"

namespace malmoi::models {

class AdapterReader {
 public:
  AdapterReader(const Checkpoint& checkpoint, const Architecture& architecture)
      : checkpoint_(checkpoint), architecture_(architecture) {}

  // Notes what is added to `matrix`, which is the rows `picked` (empty: all)
  // of a role's matrix of [rows, columns]. `folder_rows`: which rows they are
  // in a Hugging Face folder, where that has them in another order.
  void Read(Role role, int64_t layer, int64_t rows, int64_t columns,
            std::span<const int64_t> picked,
            std::span<const int64_t> folder_rows, ops::PackedMatrix& matrix);

  // Packs what was noted, and gives it to the matrices. Throws
  // kInvalidArgument, naming everything in an adapter that has no place here,
  // and every shape that does not fit.
  void Finish(ThreadPool& pool);

 private:
  // Both row-major: [rank, columns], and [rank, rows] with the scales.
  struct Sum {
    int64_t rank = 0;
    std::vector<float> down, up;
  };
  void Add(const Adapter::Pair& pair, std::span<const int64_t> rows, Sum& sum);
  void CheckAll(const Adapter& adapter, const std::set<std::string>& claimed);

  const Checkpoint& checkpoint_;
  const Architecture& architecture_;
  std::map<ops::PackedMatrix*, Sum> sums_;
  std::map<const Adapter*, std::set<std::string>> claimed_;
  std::map<const Adapter*, std::set<std::string>> problems_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_ADAPTER_READER_H_
