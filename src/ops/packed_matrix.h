// A weight matrix in the panels of this machine: packed once at load, read by
// every product, whatever the number of rows.
#ifndef MALMOI_OPS_PACKED_MATRIX_H_
#define MALMOI_OPS_PACKED_MATRIX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "kernels/panel.h"
#include "tensor/tensor.h"

namespace malmoi::ops {

struct LowRank;

struct PackedMatrix {
  kernels::PanelFormat format;
  int64_t rows = 0;        // output features
  int64_t columns = 0;     // input features
  int lanes = 0;           // of the kernels it was packed for
  bool bf16_rows = false;  // is multiplied with activations rounded to bf16
  size_t panel_bytes = 0;
  const std::byte* data = nullptr;    // the panels, one after another
  std::shared_ptr<const void> owner;  // keeps them
  // What is added to the matrix, of small rank: products then add
  // up·(down·x), in f32. Null where there is none.
  std::shared_ptr<const LowRank> low_rank;

  int64_t panels() const { return (rows + lanes - 1) / lanes; }
  size_t bytes() const { return static_cast<size_t>(panels()) * panel_bytes; }
  const std::byte* panel(int64_t index) const {
    return data + static_cast<size_t>(index) * panel_bytes;
  }
};

// up·down, both of f32 (LoRA: Hu et al. 2021).
struct LowRank {
  PackedMatrix down;  // [rank, columns]
  PackedMatrix up;    // [rows, rank]
};

// One matrix to pack: `tensor` is [rows, columns], of any float or block
// type. With `as_f32` quantized weights are dequantized. Where a file has rows
// in another form the tensor has no data, and `gather` writes those of
// [first, first + count) as its type has them, one behind the other, from any
// thread.
struct PackJob {
  const Tensor* tensor = nullptr;
  PackedMatrix* matrix = nullptr;
  bool as_f32 = false;
  // Floats become kernels::kWideBytes; columns are whole blocks of it.
  bool as_wide_bytes = false;
  // Weights of any type are rounded to bf16.
  bool as_bf16 = false;
  // Weights in bf16 may round their activations to bf16 where the processor
  // multiplies these faster.
  bool bf16_rows = false;
  std::function<void(int64_t first, int count, std::byte* to)> gather = {};
};

// Decides the format, sizes and place of every matrix in one block, in the
// order of the jobs: what a forward reads is one stretch. The matrices have no
// data yet.
void PlanPanels(std::span<const PackJob> jobs);
// Bytes of the block of planned matrices.
size_t PanelBlockBytes(std::span<const PackJob> jobs);
// Points planned matrices into a block, which `owner` keeps.
void PlacePanels(std::span<const PackJob> jobs,
                 const std::shared_ptr<const std::byte>& block);

// Plans, packs in one parallel region into huge pages, and places. Every
// weight keeps its value, but with `as_wide_bytes` and `as_bf16`. `packed` is
// called with rows of a job's tensor that will not be read again, from any
// thread.
void Pack(ThreadPool& pool, std::span<const PackJob> jobs,
          const std::function<void(const PackJob& job, int64_t first_row,
                                   int64_t rows)>& packed = {});

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_PACKED_MATRIX_H_
