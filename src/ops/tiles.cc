#include "ops/tiles.h"

#include <algorithm>
#include <numbers>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "ops/for_rows.h"

namespace malmoi::ops {

namespace {
// Tiles of queries and values may reach so far behind a text.
constexpr int64_t kRowsBehind = 31;
}  // namespace

bool HasTextAttention(int64_t head_dim) {
  return kernels::Kernels().tiles != nullptr &&
         head_dim % kernels::kTextHeadUnit == 0 &&
         head_dim <= kernels::kMostTextHeadDim;
}

float TextQueryScale(double scale) {
  return static_cast<float>(scale * std::numbers::log2e);
}

float* TextBias(Arena& arena, const float* bias, int64_t count) {
  float* scaled = arena.New<float>(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) scaled[i] = bias[i] * TextQueryScale(1);
  return scaled;
}

uint16_t* NewTextRows(Arena& arena, int64_t rows, int64_t columns) {
  return arena.New<uint16_t>(
      static_cast<size_t>((rows + kRowsBehind) * columns));
}

void AttendTexts(Exec& exec, const TextAttentionInput& in,
                 std::span<const int64_t> lengths, const Activations& out) {
  const int64_t columns = in.heads * in.head_dim;
  MALMOI_CHECK(out.bf16 != nullptr && out.values == nullptr &&
               out.columns == columns);
  Arena::Scope scope(exec.arena);
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const size_t scratch_bytes =
      (kernels::TextAttentionScratch(longest, in.head_dim) + 63) / 64 * 64;
  std::byte* scratch = exec.arena.New<std::byte>(
      scratch_bytes * static_cast<size_t>(exec.pool.threads()));
  std::vector<int64_t> first_rows;
  int64_t next = 0;
  for (const int64_t length : lengths) {
    first_rows.push_back(next);
    next += length;
  }
  // A text's heads together, or some of them where texts are few.
  const auto texts = static_cast<int64_t>(lengths.size());
  const int64_t groups = std::clamp<int64_t>(
      (4 * exec.pool.threads() + texts - 1) / texts, 1, in.heads);
  const int64_t step = (in.heads + groups - 1) / groups;
  const int64_t parts = (in.heads + step - 1) / step;
  exec.pool.Run(static_cast<int>(texts * parts), [&](int task, int thread) {
    const auto text = static_cast<size_t>(task / parts);
    if (lengths[text] == 0) return;
    const int64_t head = task % parts * step;
    const int64_t at = first_rows[text] * columns + head * in.head_dim;
    kernels::TextAttention own;
    own.queries = in.queries + at;
    own.keys = in.keys + at;
    own.values = in.values + at;
    own.stride = columns;
    own.rows = lengths[text];
    own.heads = std::min(step, in.heads - head);
    own.head_dim = in.head_dim;
    if (in.distance_bias != nullptr) {
      own.bias_stride = 2 * in.reach - 1;
      own.bias = in.distance_bias + head * own.bias_stride + in.reach - 1;
    }
    own.out = out.bf16 + at;
    own.out_stride = columns;
    own.scratch = scratch + static_cast<size_t>(thread) * scratch_bytes;
    kernels::Kernels().tiles->attend(own);
  });
}

void FinishTile(const Tile& tile, const TileFinish& how, int64_t columns,
                uint16_t* out) {
  kernels::Kernels().tiles->finish(
      {.values = tile.values,
       .stride = tile.stride,
       .rows = tile.tokens,
       .count = tile.rows,
       .bias = how.bias.empty() ? nullptr : how.bias.data() + tile.first_row,
       .scale = how.scale,
       .gelu = how.gelu,
       .out = out + tile.first_token * columns + tile.first_row,
       .out_stride = columns});
}

namespace {

// Of rows from the first of x and out.
kernels::Norming NormOf(const TileNorm& norm, int64_t first, int64_t rows,
                        float* x, uint16_t* out) {
  const auto columns = static_cast<int64_t>(norm.weight.size());
  kernels::Norming step;
  step.x = x + first * columns;
  step.rows = rows;
  step.columns = columns;
  step.weight = norm.weight.data();
  step.bias = norm.bias.empty() ? nullptr : norm.bias.data();
  step.epsilon = static_cast<float>(norm.epsilon);
  step.out = out + first * columns;
  return step;
}

}  // namespace

void NormInTiles(Exec& exec, int64_t rows, const TileNorm& norm, float* x,
                 uint16_t* out) {
  ForParts(exec, rows, 1, [&](int64_t first, int64_t count, int) {
    kernels::Kernels().tiles->norm(NormOf(norm, first, count, x, out));
  });
}

void AddNormedTile(const Tile& tile, std::span<const float> bias,
                   const TileNorm& norm, float* x, uint16_t* out) {
  kernels::Norming step = NormOf(norm, tile.first_token, tile.tokens, x, out);
  MALMOI_DCHECK(tile.first_row == 0 && tile.rows == step.columns);
  step.add = tile.values;
  step.add_stride = tile.stride;
  step.add_bias = bias.empty() ? nullptr : bias.data();
  kernels::Kernels().tiles->norm(step);
}

}  // namespace malmoi::ops
