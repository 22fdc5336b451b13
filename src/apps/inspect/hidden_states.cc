#include "apps/inspect/hidden_states.h"

#include <algorithm>
#include <charconv>

#include "apps/inspect/layer_names.h"
#include "base/error.h"
#include "base/format.h"

namespace malmoi::apps {

namespace {

// Keeps the rows of a range of what comes in pieces.
class RowKeeper {
 public:
  void Add(std::span<const float> values, int64_t rows, int64_t columns,
           const PositionRange& range, std::vector<float>& to) {
    const int64_t begin = std::clamp<int64_t>(range.from - seen_, 0, rows);
    const int64_t end = std::clamp<int64_t>(range.to - seen_, 0, rows);
    to.insert(to.end(), values.begin() + begin * columns,
              values.begin() + end * columns);
    seen_ += rows;
  }

 private:
  int64_t seen_ = 0;
};

}  // namespace

PositionRange CheckRange(PositionRange range, int64_t tokens) {
  if (range.to < 0) range.to = tokens;
  if (range.from < 0 || range.to > tokens || range.from >= range.to) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--from, --to",
                 .what = "positions out of range",
                 .expected = Format("within 1 to {}", tokens),
                 .got = Format("{} to {}", range.from + 1, range.to)});
  }
  return range;
}

void CheckKept(double bytes, const char* hint) {
  constexpr double kMost = 1 << 30;
  if (bytes <= kMost) return;
  throw Error(ErrorCode::kLimit,
              {.where = "inspect",
               .what = "too much to keep at once",
               .expected = "at most 1024 MiB",
               .got = Format("{:.0f} MiB", bytes / (1 << 20)),
               .hint = hint});
}

std::optional<int64_t> LayerOf(std::string_view name, std::string_view stack,
                               std::string_view kind) {
  if (!name.starts_with(stack)) return std::nullopt;
  name.remove_prefix(stack.size());
  if (!name.starts_with("layer.")) return std::nullopt;
  name.remove_prefix(6);
  int64_t layer = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), layer);
  name.remove_prefix(static_cast<size_t>(end - name.data()));
  if (error != std::errc() || !name.starts_with('.') ||
      name.substr(1) != kind) {
    return std::nullopt;
  }
  return layer;
}

HiddenStates ReadHiddenStates(const InspectedModel& model,
                              std::span<const int32_t> ids,
                              std::span<const int32_t> target,
                              PositionRange range) {
  const bool decoder = !target.empty();
  const std::string stack = model.kind() != ModelKind::kEncoderDecoder ? ""
                            : decoder ? "decoder."
                                      : "encoder.";
  HiddenStates states;
  states.width = model.width();
  states.range = CheckRange(
      range, static_cast<int64_t>(decoder ? target.size() : ids.size()));
  const auto layers = static_cast<size_t>(model.shape(decoder).layers);
  CheckKept(static_cast<double>(layers + 2) *
                static_cast<double>(states.range.size() * states.width) * 4,
            "--from, --to");
  states.layers.resize(layers + 1);
  std::vector<RowKeeper> keepers(layers + 2);
  Tap tap = [&](std::string_view name, std::span<const float> values,
                int64_t rows, int64_t columns) {
    size_t at = layers + 2;
    if (name == stack + "embedding") {
      at = 0;
    } else if (name == (stack.empty() ? "final_norm" : stack + "output")) {
      at = layers + 1;
    } else if (const auto layer = LayerOf(name, stack, "output")) {
      at = static_cast<size_t>(*layer) + 1;
    }
    if (at == layers + 2) return;
    keepers[at].Add(values, rows, columns, states.range,
                    at <= layers ? states.layers[at] : states.normed);
  };
  tap.inputs = false;
  model.Run(ids, target, tap);
  // What a stack leaves is its last layer's where no norm stands behind that.
  if (states.normed == states.layers.back()) states.normed.clear();
  return states;
}

}  // namespace malmoi::apps
