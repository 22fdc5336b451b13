#include "learn/manifold/descent.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "kernels/word_kernels.h"

namespace malmoi::learn {

namespace {

constexpr size_t kLeaf = 64;     // rows of a leaf at most
constexpr int kTrees = 8;        // that begin
constexpr int kMostRounds = 12;  // of descent
constexpr size_t kCandidates = 24;
constexpr int64_t kGroup = 8192;  // lists whose updates are kept at once
constexpr int64_t kTask = 64;     // of them, for a task
constexpr int kOwners = 32;       // ranges of rows that are updated apart

struct Neighbour {
  float distance;  // rough: larger is farther
  int32_t id;
  bool fresh;
};

struct Update {
  int32_t a, b;
  float distance;
};

uint64_t Mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

class Descent {
 public:
  Descent(ThreadPool& pool, const Points& points, Metric metric, int64_t kept,
          uint64_t seed)
      : pool_(pool),
        rows_(points.rows),
        columns_(points.columns),
        kept_(kept),
        seed_(seed),
        comparable_(MakeComparable(points, metric)),
        lists_(static_cast<size_t>(rows_ * kept_),
               {std::numeric_limits<float>::infinity(), -1, true}) {}

  void Run(const Progress& progress) {
    std::vector<std::vector<std::vector<int32_t>>> trees(kTrees);
    pool_.Run(kTrees, [&](int tree, int) { trees[tree] = Leaves(tree); });
    for (int tree = 0; tree < kTrees; ++tree) {
      Report(progress, "neighbours", 0.3 * tree / kTrees);
      const auto& leaves = trees[static_cast<size_t>(tree)];
      Join(static_cast<int64_t>(leaves.size()),
           [&](int64_t leaf, std::vector<int32_t>& fresh,
               std::vector<int32_t>&) {
             fresh = leaves[static_cast<size_t>(leaf)];
           });
    }
    trees.clear();
    FillUp();
    for (int round = 0; round < kMostRounds; ++round) {
      Report(progress, "neighbours", 0.3 + 0.7 * round / kMostRounds);
      Choose(round);
      const int64_t changed =
          Join(rows_, [&](int64_t row, std::vector<int32_t>& fresh,
                          std::vector<int32_t>& old) {
            fresh = fresh_[static_cast<size_t>(row)];
            old = old_[static_cast<size_t>(row)];
          });
      if (changed < rows_ * kept_ / 1000) break;
    }
  }

  std::vector<int32_t> Others(int64_t row) const {
    std::vector<int32_t> others;
    for (int64_t i = 0; i < kept_; ++i) {
      const int32_t id = lists_[static_cast<size_t>(row * kept_ + i)].id;
      if (id >= 0) others.push_back(id);
    }
    return others;
  }

 private:
  const float* Row(int64_t row) const {
    return comparable_.values.data() + row * columns_;
  }

  // Splits by the plane between two random rows until leaves are small.
  std::vector<std::vector<int32_t>> Leaves(int tree) const {
    std::vector<std::vector<int32_t>> leaves;
    std::vector<std::vector<int32_t>> waiting(1);
    waiting[0].resize(static_cast<size_t>(rows_));
    std::iota(waiting[0].begin(), waiting[0].end(), 0);
    Random random(seed_, 100 + static_cast<uint64_t>(tree));
    std::vector<float> plane(static_cast<size_t>(columns_)), sides;
    while (!waiting.empty()) {
      std::vector<int32_t> rows = std::move(waiting.back());
      waiting.pop_back();
      if (rows.size() <= kLeaf) {
        leaves.push_back(std::move(rows));
        continue;
      }
      const auto size = static_cast<uint32_t>(rows.size());
      const int32_t a = rows[random.Below(size)], b = rows[random.Below(size)];
      float middle = 0;
      for (int64_t c = 0; c < columns_; ++c) {
        plane[static_cast<size_t>(c)] = Row(a)[c] - Row(b)[c];
        middle += plane[static_cast<size_t>(c)] * (Row(a)[c] + Row(b)[c]) / 2;
      }
      std::vector<const float*> pointers;
      for (const int32_t row : rows) pointers.push_back(Row(row));
      sides.resize(rows.size() + 16);
      kernels::WordKernels().dot_queries(pointers.data(), size, plane.data(),
                                         columns_, 1, columns_, sides.data(),
                                         1);
      std::vector<int32_t> left, right;
      for (size_t i = 0; i < rows.size(); ++i) {
        (sides[i] > middle ? left : right).push_back(rows[i]);
      }
      // A plane that splits nothing, as between equal rows: any half.
      if (left.size() < size / 20 || right.size() < size / 20) {
        for (size_t i = rows.size(); i > 1; --i) {
          std::swap(rows[i - 1], rows[random.Below(static_cast<uint32_t>(i))]);
        }
        const auto half = rows.begin() + static_cast<std::ptrdiff_t>(size / 2);
        left.assign(rows.begin(), half);
        right.assign(half, rows.end());
      }
      waiting.push_back(std::move(left));
      waiting.push_back(std::move(right));
    }
    return leaves;
  }

  // Every list's fresh rows are compared with each other and with the old
  // ones. Returns how many neighbours were replaced.
  template <typename Lists>
  int64_t Join(int64_t count, const Lists& lists) {
    int64_t changed = 0;
    const int64_t tasks_most = (kGroup + kTask - 1) / kTask;
    std::vector<std::vector<Update>> updates(static_cast<size_t>(tasks_most));
    for (int64_t first = 0; first < count; first += kGroup) {
      const int64_t some = std::min(kGroup, count - first);
      const int tasks = static_cast<int>((some + kTask - 1) / kTask);
      pool_.Run(tasks, [&](int task, int) {
        auto& own = updates[static_cast<size_t>(task)];
        own.clear();
        const int64_t end = std::min(some, (task + int64_t{1}) * kTask);
        std::vector<int32_t> fresh, old;
        for (int64_t i = task * kTask; i < end; ++i) {
          lists(first + i, fresh, old);
          Compare(fresh, old, own);
        }
      });
      std::vector<int64_t> counts(kOwners);
      pool_.Run(kOwners, [&](int owner, int) {
        const int64_t from = rows_ * owner / kOwners;
        const int64_t to = rows_ * (owner + 1) / kOwners;
        for (int task = 0; task < tasks; ++task) {
          for (const Update& one : updates[static_cast<size_t>(task)]) {
            if (one.a >= from && one.a < to) {
              counts[static_cast<size_t>(owner)] +=
                  Insert(one.a, one.b, one.distance);
            }
            if (one.b >= from && one.b < to) {
              counts[static_cast<size_t>(owner)] +=
                  Insert(one.b, one.a, one.distance);
            }
          }
        }
      });
      changed = std::accumulate(counts.begin(), counts.end(), changed);
    }
    return changed;
  }

  void Compare(const std::vector<int32_t>& fresh,
               const std::vector<int32_t>& old, std::vector<Update>& updates) {
    std::vector<int32_t> all = fresh;
    all.insert(all.end(), old.begin(), old.end());
    std::vector<float> near(all.size() * static_cast<size_t>(columns_));
    std::vector<const float*> queries;
    for (size_t i = 0; i < all.size(); ++i) {
      std::copy_n(Row(all[i]), columns_,
                  near.data() + i * static_cast<size_t>(columns_));
      if (i < fresh.size()) queries.push_back(Row(all[i]));
    }
    std::vector<float> dots(fresh.size() * all.size() + 16);
    kernels::WordKernels().dot_queries(
        queries.data(), static_cast<int64_t>(fresh.size()), near.data(),
        columns_, static_cast<int64_t>(all.size()), columns_, dots.data(),
        static_cast<int64_t>(all.size()));
    const auto worst = [&](int32_t row) {
      return lists_[static_cast<size_t>((row + 1) * kept_ - 1)].distance;
    };
    for (size_t i = 0; i < fresh.size(); ++i) {
      for (size_t j = i + 1; j < all.size(); ++j) {
        const int32_t a = all[i], b = all[j];
        if (a == b) continue;
        const float distance = comparable_.halves[static_cast<size_t>(a)] +
                               comparable_.halves[static_cast<size_t>(b)] -
                               dots[i * all.size() + j];
        if (distance < worst(a) || distance < worst(b)) {
          updates.push_back({a, b, distance});
        }
      }
    }
  }

  // Into the sorted list of `row`; 1 where it changed.
  int64_t Insert(int64_t row, int32_t other, float distance) {
    Neighbour* list = lists_.data() + row * kept_;
    if (!(distance < list[kept_ - 1].distance)) return 0;
    for (int64_t i = 0; i < kept_; ++i) {
      if (list[i].id == other) return 0;
    }
    int64_t at = kept_ - 1;
    for (; at > 0 && distance < list[at - 1].distance; --at) {
      list[at] = list[at - 1];
    }
    list[at] = {distance, other, true};
    return 1;
  }

  // Where leaves were too small: any others.
  void FillUp() {
    for (int64_t row = 0; row < rows_; ++row) {
      Neighbour* list = lists_.data() + row * kept_;
      int64_t next = row;
      while (list[kept_ - 1].id < 0) {
        next = (next + 1) % rows_;
        if (next == row) break;
        float dot = 0;
        for (int64_t c = 0; c < columns_; ++c)
          dot += Row(row)[c] * Row(next)[c];
        Insert(row, static_cast<int32_t>(next),
               comparable_.halves[static_cast<size_t>(row)] +
                   comparable_.halves[static_cast<size_t>(next)] - dot);
      }
    }
  }

  // Who is compared in a round: of neighbours in both directions a sample,
  // the fresh ones apart.
  void Choose(int round) {
    fresh_.assign(static_cast<size_t>(rows_), {});
    old_.assign(static_cast<size_t>(rows_), {});
    for (int64_t row = 0; row < rows_; ++row) {
      Neighbour* list = lists_.data() + row * kept_;
      for (int64_t i = 0; i < kept_; ++i) {
        if (list[i].id < 0) continue;
        auto& lists = list[i].fresh ? fresh_ : old_;
        lists[static_cast<size_t>(row)].push_back(list[i].id);
        lists[static_cast<size_t>(list[i].id)].push_back(
            static_cast<int32_t>(row));
      }
    }
    const int tasks = static_cast<int>((rows_ + kTask - 1) / kTask);
    pool_.Run(tasks, [&](int task, int) {
      const int64_t end = std::min(rows_, (task + int64_t{1}) * kTask);
      for (int64_t row = task * kTask; row < end; ++row) {
        for (auto* lists : {&fresh_, &old_}) {
          Sample(round, row, (*lists)[static_cast<size_t>(row)]);
        }
        // What is compared now is old afterwards.
        const auto& chosen = fresh_[static_cast<size_t>(row)];
        Neighbour* list = lists_.data() + row * kept_;
        for (int64_t i = 0; i < kept_; ++i) {
          if (std::binary_search(chosen.begin(), chosen.end(), list[i].id)) {
            list[i].fresh = false;
          }
        }
      }
    });
  }

  // Sorted, each once, at most kCandidates.
  void Sample(int round, int64_t row, std::vector<int32_t>& ids) const {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    if (ids.size() <= kCandidates) return;
    const uint64_t salt =
        Mixed(seed_ + static_cast<uint64_t>(round) * 0x9E3779B97F4A7C15ull) ^
        static_cast<uint64_t>(row) << 32;
    const auto order = [&](int32_t id) {
      return Mixed(salt ^ static_cast<uint64_t>(id));
    };
    std::nth_element(ids.begin(), ids.begin() + kCandidates, ids.end(),
                     [&](int32_t a, int32_t b) { return order(a) < order(b); });
    ids.resize(kCandidates);
    std::sort(ids.begin(), ids.end());
  }

  ThreadPool& pool_;
  int64_t rows_, columns_, kept_;
  uint64_t seed_;
  Comparable comparable_;
  std::vector<Neighbour> lists_;  // [rows][kept], nearest first
  std::vector<std::vector<int32_t>> fresh_, old_;
};

}  // namespace

NearestTable NearlyNearestRows(ThreadPool& pool, const Points& points,
                               Metric metric, int64_t count, uint64_t seed,
                               const Progress& progress) {
  MALMOI_CHECK(count >= 2 && count <= points.rows);
  const int64_t kept = std::min(count - 1 + kSpareNearest, points.rows - 1);
  Descent descent(pool, points, metric, kept, seed);
  descent.Run(progress);
  NearestTable table;
  table.rows = points.rows;
  table.count = count;
  table.ids.resize(static_cast<size_t>(points.rows * count));
  table.distances.resize(static_cast<size_t>(points.rows * count));
  const Distances distances(points, metric);
  pool.Run(
      static_cast<int>((points.rows + kTask - 1) / kTask), [&](int task, int) {
        const int64_t end = std::min(points.rows, (task + int64_t{1}) * kTask);
        for (int64_t row = task * kTask; row < end; ++row) {
          PutNearest(distances, row, descent.Others(row), table, row);
        }
      });
  return table;
}

}  // namespace malmoi::learn
