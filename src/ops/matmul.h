// Products of activations with packed matrices: one parallel region for all
// matrices that read the same activations, and an epilogue that finishes each
// tile while it is in cache (rotation, gate, residual).
#ifndef MALMOI_OPS_MATMUL_H_
#define MALMOI_OPS_MATMUL_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <type_traits>

#include "ops/activations.h"
#include "ops/exec.h"
#include "ops/packed_matrix.h"

namespace malmoi::ops {

// A finished rectangle of a product, in scratch memory of the thread:
// value(t, r) = values[t·stride + r] is output feature first_row + r of
// activation row first_token + t. `beside` is the same of the second matrix.
struct Tile {
  float* values;
  float* beside;
  int64_t stride;
  int64_t first_row, rows;
  int64_t first_token, tokens;
};

// Copies a tile to its place in [rows][columns].
inline void StoreTile(const Tile& tile, int64_t columns, float* to) {
  for (int64_t t = 0; t < tile.tokens; ++t) {
    std::copy_n(tile.values + t * tile.stride, tile.rows,
                to + (tile.first_token + t) * columns + tile.first_row);
  }
}

// A non-owning reference to a callable void(const Tile&).
class Epilogue {
 public:
  Epilogue() = default;
  template <typename F, typename = std::enable_if_t<
                            !std::is_same_v<std::decay_t<F>, Epilogue>>>
  Epilogue(F& f)  // NOLINT: implicit by design; must outlive the call
      : object_(&f), call_([](void* object, const Tile& tile) {
          (*static_cast<F*>(object))(tile);
        }) {}
  void operator()(const Tile& tile) const { call_(object_, tile); }

 private:
  void* object_ = nullptr;
  void (*call_)(void*, const Tile&) = nullptr;
};

struct Product {
  const PackedMatrix* weights = nullptr;
  // Optional: of the same shape, computed for the same rows (gate and up).
  const PackedMatrix* beside = nullptr;
  // Tiles begin at multiples of it and hold whole units: head_dim for
  // rotation, 32 for quantizing. The last may be cut by the matrix's end.
  int64_t row_unit = 1;
  Epilogue epilogue;
};

// Runs all products of `x`. No output exists but what epilogues keep.
void Matmul(Exec& exec, const Activations& x,
            std::span<const Product> products);

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_MATMUL_H_
