#include "ops/attention.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "ops/rows.h"

namespace malmoi::ops {

namespace {

using kernels::AttentionInput;
using kernels::AttentionQuery;
using kernels::AttentionState;
using kernels::kAttentionChunk;
using kernels::kMaxAttentionQueries;

// Consecutive rows of one slice and one kv head: the queries of a task. Where
// there are few of them the chunks of positions are tasks of their own.
struct Unit {
  const AttentionSlice* slice;
  int64_t first, rows;  // within the slice
  int64_t kv_head;
  int64_t first_chunk, last_chunk;  // which see something
  float* states = nullptr;          // of each chunk, where they are tasks

  int64_t chunks() const { return last_chunk - first_chunk + 1; }
};

class AttentionWork {
 public:
  AttentionWork(Exec& exec, const AttentionShape& shape, const float* queries,
                std::span<const AttentionSlice> slices, float* results)
      : exec_(exec),
        shape_(shape),
        queries_(queries),
        results_(results),
        group_(shape.heads / shape.kv_heads),
        padded_(shape.padded()),
        slices_(slices),
        head_page_(kernels::KvPageBytes(shape.type, padded_)) {
    MALMOI_CHECK(padded_ <= kernels::kMaxHeadDim);
    MALMOI_CHECK(group_ <= kMaxAttentionQueries);
    MakeUnits();
    const int count = static_cast<int>(rows_per_unit_ * group_);
    state_floats_ = kernels::AttentionStateFloats(padded_, count);
    scratch_floats_ =
        kernels::AttentionScratch(padded_, count) + 2 * state_floats_;
    const size_t threads = static_cast<size_t>(exec.pool.threads());
    scratch_ = exec.arena.New<float>(threads * scratch_floats_);
    pages_ = exec.arena.New<const std::byte*>(threads * 2 * max_pages_);
  }

  void Run() {
    const int64_t wanted = 4 * exec_.pool.threads();
    int64_t chunks = 0;
    for (const Unit& unit : units_) chunks += unit.chunks();
    const int64_t units = static_cast<int64_t>(units_.size());
    if (units >= wanted || chunks == units) {
      exec_.pool.Run(static_cast<int>(units), [&](int task, int thread) {
        RunUnit(units_[static_cast<size_t>(task)], thread);
      });
    } else {
      RunChunks();
    }
  }

  // Shows the tap what each query looks at, a slice at a time. The scores are
  // computed whole for it, of the same queries, keys, masks and biases.
  void Show() {
    std::vector<float> shown;
    for (const AttentionSlice& slice : slices_) {
      const int64_t positions =
          Last(slice, slice.first_position + slice.rows - 1);
      const int64_t rows = slice.rows * shape_.heads;
      shown.assign(static_cast<size_t>(rows * positions), 0.0f);
      std::vector<const Unit*> units;
      for (const Unit& unit : units_) {
        if (unit.slice == &slice) units.push_back(&unit);
      }
      exec_.pool.Run(static_cast<int>(units.size()), [&](int task, int thread) {
        ShowUnit(*units[static_cast<size_t>(task)], thread, positions,
                 shown.data());
      });
      exec_.tap(shape_.shown, shown, rows, positions);
    }
  }

 private:
  void MakeUnits() {
    int64_t most = 1;
    for (const AttentionSlice& slice : slices_) {
      most = std::max(most, slice.rows);
      max_pages_ = std::max(max_pages_, static_cast<size_t>(slice.pages));
    }
    rows_per_unit_ = std::min(most, kMaxAttentionQueries / group_);
    for (const AttentionSlice& slice : slices_) {
      for (int64_t r = 0; r < slice.rows; r += rows_per_unit_) {
        const int64_t rows = std::min(rows_per_unit_, slice.rows - r);
        const int64_t first = slice.first_position + r;
        const int64_t seen = First(first);
        for (int64_t h = 0; h < shape_.kv_heads; ++h) {
          units_.push_back(
              {&slice, r, rows, h, seen / kAttentionChunk,
               (Last(slice, first + rows - 1) - 1) / kAttentionChunk});
        }
      }
    }
    // The last rows of a prompt see the most: hand them out first.
    std::reverse(units_.begin(), units_.end());
  }

  // The first position that the row at `position` sees.
  int64_t First(int64_t position) const {
    return shape_.window > 0
               ? std::max<int64_t>(0, position + 1 - shape_.window)
               : 0;
  }

  // One behind the last position that it sees.
  int64_t Last(const AttentionSlice& slice, int64_t position) const {
    if (slice.visible > 0) return slice.visible;
    if (shape_.causal) return position + 1;
    const int64_t end = slice.first_position + slice.rows;
    return shape_.window > 0 ? std::min(end, position + shape_.window) : end;
  }
  // What is added to the scores of a head's row, by position.
  const float* Bias(int64_t row, int64_t head, int64_t position) const {
    if (shape_.row_bias != nullptr) {
      return shape_.row_bias + (row * shape_.heads + head) * shape_.reach;
    }
    if (shape_.position_bias != nullptr) {
      return shape_.position_bias + head * shape_.reach;
    }
    if (shape_.distance_bias == nullptr) return nullptr;
    return shape_.distance_bias + head * (2 * shape_.reach - 1) + shape_.reach -
           1 - position;
  }

  // The input of a unit; its queries in `tile`.
  AttentionInput Input(const Unit& unit, int thread, AttentionQuery* tile) {
    const AttentionSlice& slice = *unit.slice;
    const std::byte** keys =
        pages_ + static_cast<size_t>(thread) * 2 * max_pages_;
    const std::byte** values = keys + max_pages_;
    const size_t skip = static_cast<size_t>(unit.kv_head) * head_page_;
    for (int64_t p = 0; p < slice.pages; ++p) {
      keys[p] = slice.keys[p] + skip;
      values[p] = slice.values[p] + skip;
    }
    int count = 0;
    for (int64_t r = 0; r < unit.rows; ++r) {
      const int64_t position = slice.first_position + unit.first + r;
      const int64_t row = slice.first_row + unit.first + r;
      for (int64_t h = 0; h < group_; ++h) {
        const int64_t own = unit.kv_head * group_ + h;
        const int64_t head = row * shape_.heads + own;
        tile[count++] = {
            queries_ + head * padded_,
            First(position),
            Last(slice, position),
            results_ + head * padded_,
            Bias(row, own, position),
            shape_.sinks != nullptr ? shape_.sinks + own : nullptr};
      }
    }
    return {shape_.type, padded_,         tile,          count, keys,
            values,      Scratch(thread), shape_.softcap};
  }
  float* Scratch(int thread) {
    return scratch_ + static_cast<size_t>(thread) * scratch_floats_ +
           2 * state_floats_;
  }

  // shown: [rows of the slice][heads][positions], zeros.
  void ShowUnit(const Unit& unit, int thread, int64_t positions, float* shown) {
    AttentionQuery tile[kMaxAttentionQueries];
    const AttentionInput in = Input(unit, thread, tile);
    const auto row_of = [&](int q) {
      const int64_t row = unit.first + q / group_;
      const int64_t head = unit.kv_head * group_ + q % group_;
      return shown + (row * shape_.heads + head) * positions;
    };
    std::vector<float> keys(
        static_cast<size_t>(padded_ * kernels::kAttentionPage));
    const int64_t first = tile[0].first / kernels::kAttentionPage;
    for (int64_t p = first; p < unit.slice->pages; ++p) {
      kernels::ReadKeys(in, p, keys.data());
      for (int q = 0; q < in.count; ++q) {
        kernels::PageScores(in, tile[q], p, keys.data(), row_of(q));
      }
    }
    for (int q = 0; q < in.count; ++q) {
      float* scores = row_of(q) + tile[q].first;
      const int64_t count = tile[q].visible - tile[q].first;
      kernels::AdjustScores(in, tile[q], tile[q].first, count, scores);
      kernels::Probabilities(tile[q], scores, count);
    }
  }

  void RunUnit(const Unit& unit, int thread) {
    AttentionQuery tile[kMaxAttentionQueries];
    const AttentionInput in = Input(unit, thread, tile);
    float* memory = scratch_ + static_cast<size_t>(thread) * scratch_floats_;
    const AttentionState total = kernels::StateAt(memory, in.count);
    const AttentionState part =
        kernels::StateAt(memory + state_floats_, in.count);
    kernels::Kernels().attend_chunk(in, unit.first_chunk, total);
    for (int64_t c = unit.first_chunk + 1; c <= unit.last_chunk; ++c) {
      kernels::Kernels().attend_chunk(in, c, part);
      kernels::MergeStates(total, part, in.count, padded_);
    }
    kernels::FinishState(total, tile, in.count, padded_);
  }

  void RunChunks() {
    struct Piece {
      Unit* unit;
      int64_t chunk;
    };
    std::vector<Piece> pieces;
    for (Unit& unit : units_) {
      unit.states = exec_.arena.New<float>(static_cast<size_t>(unit.chunks()) *
                                           state_floats_);
      for (int64_t c = unit.first_chunk; c <= unit.last_chunk; ++c) {
        pieces.push_back({&unit, c});
      }
    }
    const auto state = [&](const Unit& unit, int64_t chunk) {
      return kernels::StateAt(
          unit.states +
              static_cast<size_t>(chunk - unit.first_chunk) * state_floats_,
          static_cast<int>(unit.rows * group_));
    };
    exec_.pool.Run(static_cast<int>(pieces.size()), [&](int task, int thread) {
      const Piece& piece = pieces[static_cast<size_t>(task)];
      AttentionQuery tile[kMaxAttentionQueries];
      const AttentionInput in = Input(*piece.unit, thread, tile);
      kernels::Kernels().attend_chunk(in, piece.chunk,
                                      state(*piece.unit, piece.chunk));
    });
    for (const Unit& unit : units_) {
      AttentionQuery tile[kMaxAttentionQueries];
      const AttentionInput in = Input(unit, 0, tile);
      const AttentionState total = state(unit, unit.first_chunk);
      for (int64_t c = unit.first_chunk + 1; c <= unit.last_chunk; ++c) {
        kernels::MergeStates(total, state(unit, c), in.count, padded_);
      }
      kernels::FinishState(total, tile, in.count, padded_);
    }
  }

  Exec& exec_;
  const AttentionShape& shape_;
  const float* queries_;
  float* results_;
  int64_t group_, padded_;
  std::span<const AttentionSlice> slices_;
  size_t head_page_;
  int64_t rows_per_unit_ = 1;
  size_t max_pages_ = 0;
  std::vector<Unit> units_;
  size_t state_floats_ = 0, scratch_floats_ = 0;
  float* scratch_ = nullptr;           // of each thread: two states, scratch
  const std::byte** pages_ = nullptr;  // of each thread: keys, values
};

}  // namespace

void Attention(Exec& exec, const AttentionShape& shape, const float* queries,
               std::span<const AttentionSlice> slices, const Activations& out) {
  Arena::Scope scope(exec.arena);
  const int64_t padded = shape.padded();
  const int64_t columns = shape.heads * shape.head_dim;
  float* results = exec.arena.New<float>(
      static_cast<size_t>(out.rows * shape.heads * padded));
  AttentionWork work(exec, shape, queries, slices, results);
  work.Run();
  if (exec.tap && !shape.shown.empty()) work.Show();

  // Padded heads close up; then the rows take the forms of their consumer.
  for (int64_t row = 0; row < out.rows; ++row) {
    if (shape.head_dim == padded) break;
    for (int64_t h = 0; h < shape.heads; ++h) {
      std::copy_n(results + (row * shape.heads + h) * padded, shape.head_dim,
                  results + row * columns + h * shape.head_dim);
    }
  }
  PutRows(exec, results, out);
}

}  // namespace malmoi::ops
