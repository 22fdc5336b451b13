#include "learn/manifold/layout.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "kernels/layout_kernels.h"

namespace malmoi::learn {

namespace {

constexpr int64_t kTask = 32;  // vertices

// Vertices are numbered anew in a random order: a batch is a range, neighbours
// are seldom in the same, and memory is read from front to back.
class Layout {
 public:
  Layout(const Graph& graph, const std::vector<float>& places,
         const LayoutOptions& options)
      : options_(options),
        size_(graph.size),
        batch_(std::clamp<int64_t>(size_ / 16, 1, 1024)),
        order_(static_cast<size_t>(size_)),
        turned_(places.size()),
        moved_(static_cast<size_t>(batch_ * options.dimensions)) {
    Random random(options.seed, 3);
    std::iota(order_.begin(), order_.end(), 0);
    for (size_t i = order_.size(); i > 1; --i) {
      std::swap(order_[i - 1], order_[random.Below(static_cast<uint32_t>(i))]);
    }
    Renumber(graph);
    for (int64_t v = 0; v < size_; ++v) {
      for (int64_t d = 0; d < options.dimensions; ++d) {
        turned_[static_cast<size_t>(d * size_ + v)] = places[PlaceOf(v, d)];
      }
    }
    MakeRoom();
  }

  void Move(ThreadPool& pool, int64_t epoch) {
    const auto& curve = options_.curve;
    const kernels::LayoutStep step = {
        .positions = turned_.data(),
        .points = size_,
        .dimensions = options_.dimensions,
        .starts = starts_.data(),
        .others = others_.data(),
        .intervals = intervals_.data(),
        .due = due_.data(),
        .epoch = static_cast<float>(epoch),
        .rate = static_cast<float>(
            options_.rate * (1 - static_cast<double>(epoch) /
                                     static_cast<double>(options_.epochs))),
        .a = static_cast<float>(curve.a),
        .b = static_cast<float>(curve.b),
        .repulsion = static_cast<float>(options_.repulsion),
        .negatives = options_.negatives,
        .seed = options_.seed * 0x9E3779B97F4A7C15ull +
                static_cast<uint64_t>(epoch) * 0xD1B54A32D192ED03ull};
    for (int64_t first = 0; first < size_; first += batch_) {
      MoveBatch(pool, step, first, std::min(batch_, size_ - first));
    }
  }

  std::vector<float> Places() const {
    std::vector<float> places(turned_.size());
    for (int64_t v = 0; v < size_; ++v) {
      for (int64_t d = 0; d < options_.dimensions; ++d) {
        places[PlaceOf(v, d)] = turned_[static_cast<size_t>(d * size_ + v)];
      }
    }
    return places;
  }

 private:
  // Where dimension `d` of vertex `v` is with the numbers of the graph.
  size_t PlaceOf(int64_t v, int64_t d) const {
    return static_cast<size_t>(
        order_[static_cast<size_t>(v)] * options_.dimensions + d);
  }

  void Renumber(const Graph& graph) {
    std::vector<int32_t> number(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) {
      number[static_cast<size_t>(order_[i])] = static_cast<int32_t>(i);
    }
    float most = 0;
    for (const float weight : graph.weights) most = std::max(most, weight);
    starts_.push_back(0);
    for (const int32_t vertex : order_) {
      const auto v = static_cast<size_t>(vertex);
      for (int64_t e = graph.starts[v]; e < graph.starts[v + 1]; ++e) {
        const auto at = static_cast<size_t>(e);
        const float weight = graph.weights[at];
        // An edge whose turn would come less than once is left out.
        if (weight * static_cast<float>(options_.epochs) < most) continue;
        others_.push_back(number[static_cast<size_t>(graph.others[at])]);
        intervals_.push_back(most / weight);
      }
      starts_.push_back(static_cast<int64_t>(others_.size()));
    }
    due_ = intervals_;
  }

  void MakeRoom() {
    int64_t room = 0;
    for (int64_t first = 0; first < size_; first += batch_) {
      const int64_t last = std::min(first + batch_, size_);
      room = std::max(room, starts_[static_cast<size_t>(last)] -
                                starts_[static_cast<size_t>(first)]);
    }
    pulled_.resize(static_cast<size_t>((batch_ + kTask - 1) / kTask));
    pull_others_.resize(static_cast<size_t>(room));
    pull_changes_.resize(static_cast<size_t>(room * options_.dimensions));
  }

  void MoveBatch(ThreadPool& pool, const kernels::LayoutStep& step,
                 int64_t first, int64_t count) {
    const int64_t dims = options_.dimensions;
    const int tasks = static_cast<int>((count + kTask - 1) / kTask);
    // Each task writes its pulls where its edges are.
    const auto room = [&](int64_t task) {
      return starts_[static_cast<size_t>(first + task * kTask)] -
             starts_[static_cast<size_t>(first)];
    };
    pool.Run(tasks, [&](int task, int) {
      const int64_t begin = task * kTask, at = room(task);
      pulled_[static_cast<size_t>(task)] = kernels::LayoutKernels().move(
          step, first + begin, std::min(kTask, count - begin),
          moved_.data() + begin * dims,
          {pull_others_.data() + at, pull_changes_.data() + at * dims});
    });
    for (int64_t d = 0; d < dims; ++d) {
      float* to = turned_.data() + d * size_;
      for (int64_t i = 0; i < count; ++i) {
        to[first + i] = moved_[static_cast<size_t>(i * dims + d)];
      }
    }
    for (int task = 0; task < tasks; ++task) {
      const int64_t at = room(task);
      const int64_t end = at + pulled_[static_cast<size_t>(task)];
      for (int64_t i = at; i < end; ++i) {
        const int64_t v = pull_others_[static_cast<size_t>(i)];
        for (int64_t d = 0; d < dims; ++d) {
          turned_[static_cast<size_t>(d * size_ + v)] +=
              pull_changes_[static_cast<size_t>(i * dims + d)];
        }
      }
    }
  }

  const LayoutOptions& options_;
  int64_t size_, batch_;
  std::vector<int32_t> order_;   // the graph's number of each vertex
  std::vector<float> turned_;    // [dimensions][size]
  std::vector<float> moved_;     // [batch][dimensions]
  std::vector<int64_t> starts_;  // [size + 1]
  std::vector<int32_t> others_;  // [edges]
  std::vector<float> intervals_, due_;
  std::vector<int64_t> pulled_;  // by each task
  std::vector<int32_t> pull_others_;
  std::vector<float> pull_changes_;
};

}  // namespace

std::vector<float> LayOut(ThreadPool& pool, const Graph& graph,
                          const std::vector<float>& places,
                          const LayoutOptions& options,
                          const Progress& progress) {
  Layout layout(graph, places, options);
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    if (epoch % 8 == 0) {
      Report(progress, "layout",
             static_cast<double>(epoch) / static_cast<double>(options.epochs));
    }
    layout.Move(pool, epoch);
  }
  return layout.Places();
}

}  // namespace malmoi::learn
