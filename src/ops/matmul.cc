#include "ops/matmul.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"

namespace malmoi::ops {

namespace {

// Activation rows of a tile: with 64 output rows, 32 KiB of results.
constexpr int64_t kTokensPerTile = 128;
// Where products are so fast that what passes the caches counts: 64 KiB of
// results.
constexpr int64_t kTokensOfTiles = 64;
constexpr int64_t kRowsOfTiles = 256;

struct Plan {
  const Product* product;
  int64_t unit;        // panels per step, a whole number of row units
  int64_t step;        // panels per task
  int64_t row_tasks;   // tasks along the rows
  int64_t token_step;  // activation rows per task
  int64_t token_tasks;
  bool in_tiles;
};

Plan MakePlan(const Product& product, int64_t tokens, int64_t tasks_wanted) {
  const PackedMatrix& weights = *product.weights;
  const int64_t lanes = weights.lanes;
  Plan plan;
  plan.product = &product;
  plan.unit = std::lcm(product.row_unit, lanes) / lanes;
  const int64_t units = (weights.panels() + plan.unit - 1) / plan.unit;
  plan.in_tiles = weights.bf16_rows && kernels::Kernels().tiles != nullptr;
  plan.token_step =
      std::min(tokens, plan.in_tiles ? kTokensOfTiles : kTokensPerTile);
  plan.token_tasks = (tokens + plan.token_step - 1) / plan.token_step;
  // Few rows: as many tasks as the threads can share evenly. Many rows: tiles
  // of about 64 output rows, so that results stay in the first-level cache.
  int64_t rows = plan.in_tiles ? kRowsOfTiles : 64;
  while (rows > 64 &&
         3 * plan.token_tasks * (weights.rows / rows) < tasks_wanted) {
    rows /= 2;  // every thread has some
  }
  int64_t units_per_task = tokens < 16
                               ? (units + tasks_wanted - 1) / tasks_wanted
                               : rows / (lanes * plan.unit);
  units_per_task = std::clamp<int64_t>(units_per_task, 1, units);
  plan.step = units_per_task * plan.unit;
  plan.row_tasks = (units + units_per_task - 1) / units_per_task;
  return plan;
}

void Compute(const PackedMatrix& weights, const Activations& x,
             int64_t first_panel, int64_t panels, int64_t first_token,
             int64_t tokens, float* out, int64_t stride) {
  const kernels::KernelTable& table = kernels::Kernels();
  MALMOI_DCHECK(weights.lanes == table.lanes);
  if (weights.format.integer()) {
    table.matmul_int8(weights.format, weights.panel(first_panel), panels,
                      x.For(weights), first_token, tokens, out, stride);
  } else if (weights.bf16_rows) {
    const int64_t row = kernels::PaddedBF16(x.columns);
    table.matmul_bf16(weights.panel(first_panel), panels,
                      x.bf16 + first_token * row, row, x.columns, tokens, out,
                      stride);
  } else {
    table.matmul_float(weights.format, weights.panel(first_panel), panels,
                       x.values + first_token * x.columns, x.columns, x.columns,
                       tokens, out, stride);
  }
}

// down·x of a matrix with something of low rank, [x.rows][rank].
struct Inner {
  const PackedMatrix* weights;
  Activations values;
};

// Of all products that have it; as a rule, none has.
std::vector<Inner> Inners(Exec& exec, const Activations& x,
                          std::span<const Product> products) {
  std::vector<Inner> inners;
  for (const Product& product : products) {
    for (const PackedMatrix* weights : {product.weights, product.beside}) {
      if (weights == nullptr || weights->low_rank == nullptr) continue;
      inners.push_back({weights, NewActivations(exec.arena, x.rows,
                                                weights->low_rank->down.rows,
                                                {.f32 = true})});
    }
  }
  if (inners.empty()) return inners;
  MALMOI_CHECK(x.values != nullptr);
  std::vector<std::function<void(const Tile&)>> stores;
  std::vector<Product> downs;
  stores.reserve(inners.size());
  for (const Inner& inner : inners) {
    const Activations to = inner.values;
    stores.push_back(
        [to](const Tile& tile) { StoreTile(tile, to.columns, to.values); });
    downs.push_back(
        {&inner.weights->low_rank->down, nullptr, 1, stores.back()});
  }
  Matmul(exec, x, downs);
  return inners;
}

// Adds up·inner to a finished tile of `weights`.
void AddLowRank(std::span<const Inner> inners, const PackedMatrix& weights,
                int64_t first_panel, int64_t panels, const Tile& tile,
                float* values, float* scratch) {
  for (const Inner& inner : inners) {
    if (inner.weights != &weights) continue;
    Compute(weights.low_rank->up, inner.values, first_panel, panels,
            tile.first_token, tile.tokens, scratch, tile.stride);
    kernels::Kernels().add(values, scratch, tile.stride * tile.tokens);
    return;
  }
}

}  // namespace

void Matmul(Exec& exec, const Activations& x,
            std::span<const Product> products) {
  if (x.rows == 0) return;
  const int threads = exec.pool.threads();
  int64_t total_rows = 0;
  for (const Product& product : products) {
    MALMOI_CHECK(product.weights->columns == x.columns);
    total_rows += product.weights->rows;
  }
  std::vector<Plan> plans;
  plans.reserve(products.size());
  int64_t tasks = 0;
  int64_t tile_floats = 0;
  for (const Product& product : products) {
    const int64_t share =
        std::max<int64_t>(1, (threads == 1 ? 1 : threads * 6) *
                                 product.weights->rows / total_rows);
    const Plan plan = MakePlan(product, x.rows, share);
    tasks += plan.row_tasks * plan.token_tasks;
    tile_floats = std::max(
        tile_floats, plan.step * product.weights->lanes * plan.token_step *
                         (product.beside != nullptr ? 2 : 1));
    plans.push_back(plan);
  }
  Arena::Scope scope(exec.arena);
  const std::vector<Inner> inners = Inners(exec, x, products);
  const int64_t tile_padded = (tile_floats + 15) / 16 * 16;
  const int64_t padded = tile_padded * (inners.empty() ? 1 : 2);
  float* scratch =
      exec.arena.New<float>(static_cast<size_t>(padded * exec.pool.threads()));
  exec.pool.Run(static_cast<int>(tasks), [&](int task, int thread) {
    int64_t index = task;
    size_t which = 0;
    while (index >= plans[which].row_tasks * plans[which].token_tasks) {
      index -= plans[which].row_tasks * plans[which].token_tasks;
      ++which;
    }
    const Plan& plan = plans[which];
    const Product& product = *plan.product;
    const PackedMatrix& weights = *product.weights;
    // The same panels one after the other where products are fastest: a matrix
    // then passes the second-level cache once.
    const int64_t row_task =
        plan.in_tiles ? index / plan.token_tasks : index % plan.row_tasks;
    const int64_t token_task =
        plan.in_tiles ? index % plan.token_tasks : index / plan.row_tasks;
    const int64_t first_panel = row_task * plan.step;
    const int64_t panels = std::min(plan.step, weights.panels() - first_panel);
    Tile tile;
    tile.values = scratch + padded * thread;
    tile.stride = panels * weights.lanes;
    tile.first_row = first_panel * weights.lanes;
    tile.rows = std::min(tile.stride, weights.rows - tile.first_row);
    tile.first_token = token_task * plan.token_step;
    tile.tokens = std::min(plan.token_step, x.rows - tile.first_token);
    tile.beside = nullptr;
    Compute(weights, x, first_panel, panels, tile.first_token, tile.tokens,
            tile.values, tile.stride);
    if (product.beside != nullptr) {
      tile.beside = tile.values + tile.stride * tile.tokens;
      Compute(*product.beside, x, first_panel, panels, tile.first_token,
              tile.tokens, tile.beside, tile.stride);
    }
    if (!inners.empty()) {
      float* own = tile.values + tile_padded;
      AddLowRank(inners, weights, first_panel, panels, tile, tile.values, own);
      if (product.beside != nullptr) {
        AddLowRank(inners, *product.beside, first_panel, panels, tile,
                   tile.beside, own);
      }
    }
    product.epilogue(tile);
  });
}

}  // namespace malmoi::ops
