// What an operation runs with: the thread pool, scratch memory, and an
// observer. One Exec per caller; an op takes it as its first argument.
#ifndef MALMOI_OPS_EXEC_H_
#define MALMOI_OPS_EXEC_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

#include "base/thread_pool.h"
#include "tensor/arena.h"

namespace malmoi {

// Sees an activation by name, e.g. "layer.3.output", as f32 [rows, columns].
// Called on the thread that runs the forward, between regions.
using Tap =
    std::function<void(std::string_view name, std::span<const float> values,
                       int64_t rows, int64_t columns)>;

class Tape;  // src/learn/autograd records on it; inference has none

struct Exec {
  ThreadPool& pool;
  Arena& arena;
  Tap tap;               // empty: nothing is observed, fused paths are used
  Tape* tape = nullptr;  // null: inference
};

}  // namespace malmoi

#endif  // MALMOI_OPS_EXEC_H_
