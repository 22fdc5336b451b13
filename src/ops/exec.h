// What an operation runs with: the thread pool, scratch memory, and an
// observer. One Exec per caller; an op takes it as its first argument.
#ifndef MALMOI_OPS_EXEC_H_
#define MALMOI_OPS_EXEC_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/thread_pool.h"
#include "tensor/arena.h"

namespace malmoi {

// Sees an activation by name, e.g. "layer.3.output", as f32 [rows, columns].
// Called on the thread that runs the forward, between regions. It changes no
// bit of what is computed.
class Tap {
 public:
  using See =
      std::function<void(std::string_view name, std::span<const float> values,
                         int64_t rows, int64_t columns)>;

  Tap() = default;
  template <typename F>
    requires std::is_constructible_v<See, F>
  Tap(F see) : see_(std::move(see)) {}  // NOLINT: a function is a tap

  explicit operator bool() const { return static_cast<bool>(see_); }
  void operator()(std::string_view name, std::span<const float> values,
                  int64_t rows, int64_t columns) const {
    see_(name, values, rows, columns);
  }

  // Whether it is shown what products read ("layer.3.attention_input"), which
  // is then kept in f32 beside the form that they read.
  bool inputs = true;
  // Whether it is shown the probabilities of this attention, which are computed
  // for it alone: "layer.3.attention", [rows·heads, positions], a row after the
  // other with all its heads; 0 where a row does not look. One call for each
  // text of a batch. Of encoder-decoders "encoder.layer.3.attention",
  // "decoder." likewise, and "decoder.layer.3.cross_attention". Empty: none of
  // them.
  std::function<bool(std::string_view name)> attention;

 private:
  See see_;
};

class Tape;  // src/learn/autograd records on it; inference has none

struct Exec {
  ThreadPool& pool;
  Arena& arena;
  Tap tap;               // empty: nothing is observed, fused paths are used
  Tape* tape = nullptr;  // null: inference
};

}  // namespace malmoi

#endif  // MALMOI_OPS_EXEC_H_
