// Reads the weights of a family: finds them by role, cuts and turns those that
// a file lays out otherwise, and lists what is to be packed.
#ifndef MALMOI_MODELS_FAMILIES_WEIGHT_READER_H_
#define MALMOI_MODELS_FAMILIES_WEIGHT_READER_H_

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "models/families/adapter_reader.h"
#include "models/loader.h"
#include "models/packed_cache.h"
#include "models/registry.h"
#include "models/spec.h"
#include "ops/packed_matrix.h"
#include "tensor/tensor.h"

namespace malmoi::models {

// A norm's parameters, [width], or of heads [head_dim] or [heads][head_dim];
// empty where there is none.
struct Norm {
  std::vector<float> weight, bias;
};

// A projection; the bias is empty where there is none.
struct Linear : ops::PackedMatrix {
  std::vector<float> bias;  // [rows]
};

// One expert, as a feed-forward.
struct Expert {
  Linear gate, up, down;
};

// `count` numbers from `first` on.
std::vector<int64_t> Range(int64_t first, int64_t count, int64_t step = 1);

// All elements as f32.
std::vector<float> Floats(const Tensor& tensor);

struct WeightOptions {
  bool exact = false;       // dequantize
  bool bf16_rows = false;   // see ops::PackJob
  bool eight_bits = false;  // float matrices become Q8_0 where blocks fit
  bool in_bf16 = false;     // all matrices become bf16
  bool transposed = false;  // matrices are [in, out]
  bool norm_weight = true;
  bool norm_bias = false;
  double norm_offset = 0.0;
};

class WeightReader {
 public:
  WeightReader(const Checkpoint& checkpoint, const Architecture& architecture,
               const WeightOptions& options)
      : finder_(checkpoint, architecture),
        adapters_(checkpoint, architecture),
        checkpoint_(checkpoint),
        options_(options) {}

  void ReadNorm(Role role, int64_t layer, int64_t size, Norm& norm);
  // A weight for each head, [heads][head_dim].
  void ReadOwnHeadNorm(Role role, int64_t layer, int64_t heads,
                       int64_t head_dim, Norm& norm);
  // `folder_rows`: the same rows where a folder has them in another order.
  void Matrix(Role role, int64_t layer, int64_t rows, int64_t columns,
              bool bias, Linear& linear,
              std::span<const int64_t> folder_rows = {});
  struct Part {
    Role role;
    std::vector<int64_t> rows;  // of the fused matrix
    Linear* linear;
    // The same where a folder has them in another order: of the fused matrix,
    // or of this part's own.
    std::vector<int64_t> folder_rows = {};
  };
  // Matrices that a file may store as the rows of one, `fused`.
  void Matrices(Role fused, int64_t layer, int64_t columns, bool bias,
                const std::vector<Part>& parts);
  // Gate and up, or up alone, and down.
  void FeedForward(int64_t layer, int64_t width, const FeedForwardSpec& spec,
                   Linear& gate, Linear& up, Linear& down);
  // The same matrix of all experts. `parts`: what each one's rows are cut into,
  // every `step`-th from the first on.
  struct ExpertPart {
    int64_t first, rows, step;
    Linear Expert::* linear;
  };
  void Experts(Role role, int64_t layer, int64_t rows, int64_t columns,
               const ExpertsSpec& spec, const std::vector<ExpertPart>& parts,
               std::vector<Expert>& experts);
  // A matrix that exists once and is not multiplied with, [rows][columns];
  // empty where it is missing.
  std::vector<float> Table(Role role, int64_t rows, int64_t columns) {
    const Tensor* tensor = finder_.Find(role, 0, {rows, columns});
    return tensor != nullptr ? Floats(*tensor) : std::vector<float>();
  }
  // Numbers of a layer; empty where they are missing.
  std::vector<float> Values(Role role, int64_t layer, const Shape& shape) {
    const Tensor* tensor = finder_.Find(role, layer, shape);
    return tensor != nullptr ? Floats(*tensor) : std::vector<float>();
  }
  bool Has(Role role, int64_t layer) const {
    return !finder_.Name(role, layer).empty();
  }
  void Job(const Tensor* tensor, ops::PackedMatrix& matrix);
  // Adds what adapters have for a matrix whose job is listed otherwise.
  void Adapt(Role role, int64_t rows, int64_t columns,
             ops::PackedMatrix& matrix) {
    adapters_.Read(role, 0, rows, columns, {}, {}, matrix);
  }
  TensorFinder& finder() { return finder_; }
  const std::vector<ops::PackJob>& jobs() const { return jobs_; }

  // Packs all jobs, or maps them from the cache, which may be null. Returns
  // the bytes of the panels. Throws kInvalidArgument for an adapter of another
  // model.
  size_t Pack(ThreadPool& pool, PackedCache* cache);

 private:
  const Tensor* FindMatrix(Role role, int64_t layer, int64_t rows,
                           int64_t columns);
  void ExpertBiases(Role role, int64_t layer, int64_t rows,
                    const std::vector<ExpertPart>& parts,
                    std::vector<Expert>& experts);
  void ExpertBlocks(Role role, int64_t layer, int64_t rows, int64_t columns,
                    const std::vector<ExpertPart>& parts,
                    std::vector<Expert>& experts);
  bool WidenScales();

  TensorFinder finder_;
  AdapterReader adapters_;
  const Checkpoint& checkpoint_;
  WeightOptions options_;
  std::vector<ops::PackJob> jobs_;
  std::deque<Tensor> made_;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_WEIGHT_READER_H_
