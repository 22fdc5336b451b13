#include "apps/inspect/attention_maps.h"

#include <algorithm>
#include <cmath>

#include "apps/inspect/layer_names.h"
#include "base/check.h"
#include "base/error.h"
#include "base/format.h"

namespace malmoi::apps {

namespace {

// One attention of a model: how its taps are called, and its sizes.
struct Site {
  std::string stack, name;
  StackShape shape;
  int64_t rows = 0, columns = 0;
};

Site SiteOf(const InspectedModel& model, AttentionKind kind, size_t ids,
            size_t target) {
  const bool two = model.kind() == ModelKind::kEncoderDecoder;
  const bool decoder = two && kind != AttentionKind::kEncoder;
  Site site;
  site.stack = !two ? "" : decoder ? "decoder." : "encoder.";
  site.name =
      two && kind == AttentionKind::kCross ? "cross_attention" : "attention";
  site.shape = model.shape(decoder);
  if (!two && kind == AttentionKind::kCross) {
    throw Error(ErrorCode::kUnsupported,
                {.where = model.path().string(),
                 .what = "the model has no cross-attention",
                 .expected = "an encoder-decoder",
                 .got = model.architecture()});
  }
  if (decoder && target == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--target",
                 .what = "the decoder has nothing to read",
                 .expected = "the text that the model writes"});
  }
  site.rows = static_cast<int64_t>(decoder ? target : ids);
  site.columns =
      kind == AttentionKind::kCross ? static_cast<int64_t>(ids) : site.rows;
  const auto& attends = site.shape.attends;
  if (std::find(attends.begin(), attends.end(), true) == attends.end()) {
    throw Error(ErrorCode::kUnsupported,
                {.where = model.path().string(),
                 .what = "the model has no attention",
                 .expected = "layers that attend",
                 .got = model.architecture() + ", a state space",
                 .hint = "malmoi inspect layers"});
  }
  return site;
}

void CheckNumber(const char* option, std::optional<int64_t> value,
                 int64_t most) {
  if (!value || (*value >= 1 && *value <= most)) return;
  throw Error(ErrorCode::kInvalidArgument, {.where = option,
                                            .what = "value out of range",
                                            .expected = Format("1 to {}", most),
                                            .got = std::to_string(*value)});
}

void CheckChoice(const InspectedModel& model, const Site& site,
                 const AttentionChoice& choice) {
  CheckNumber("--layer", choice.layer, site.shape.layers);
  CheckNumber("--head", choice.head, site.shape.heads);
  if (choice.layer &&
      !site.shape.attends[static_cast<size_t>(*choice.layer - 1)]) {
    std::string others;
    for (int64_t i = 0; i < site.shape.layers; ++i) {
      if (!site.shape.attends[static_cast<size_t>(i)]) continue;
      others += Format("{}{}", others.empty() ? "" : ", ", i + 1);
    }
    throw Error(ErrorCode::kUnsupported,
                {.where = Format("layer {}", *choice.layer),
                 .what = "the layer has no attention",
                 .expected = "one of " + others,
                 .got = "a state space of " + model.architecture()});
  }
}

// Runs and shows use(layer from 0, values, first row) the attention of chosen
// layers: values [rows][heads][positions] of the rows from `first` on.
template <typename F>
void Watch(const InspectedModel& model, std::span<const int32_t> ids,
           std::span<const int32_t> target, const Site& site,
           std::optional<int64_t> layer, F&& use) {
  std::vector<int64_t> seen(static_cast<size_t>(site.shape.layers));
  Tap tap = [&](std::string_view name, std::span<const float> values,
                int64_t rows, int64_t columns) {
    const auto at = LayerOf(name, site.stack, site.name);
    if (!at) return;
    int64_t& first = seen[static_cast<size_t>(*at)];
    use(*at, values, first, columns);
    first += rows / site.shape.heads;
  };
  tap.inputs = false;
  tap.attention = [&](std::string_view name) {
    const auto at = LayerOf(name, site.stack, site.name);
    return at && (!layer || *layer == *at + 1);
  };
  model.Run(ids, target, tap);
}

}  // namespace

AttentionMaps ReadAttention(const InspectedModel& model,
                            std::span<const int32_t> ids,
                            std::span<const int32_t> target,
                            const AttentionChoice& choice) {
  const Site site = SiteOf(model, choice.kind, ids.size(), target.size());
  CheckChoice(model, site, choice);
  const int64_t heads = site.shape.heads;
  const bool one = choice.mean || choice.head;
  AttentionMaps result;
  result.rows = site.rows;
  result.columns = site.columns;
  std::vector<int64_t> first_map(static_cast<size_t>(site.shape.layers));
  int64_t count = 0;
  for (int64_t i = 0; i < site.shape.layers; ++i) {
    first_map[static_cast<size_t>(i)] = count;
    if (!site.shape.attends[static_cast<size_t>(i)]) continue;
    if (choice.layer && *choice.layer != i + 1) continue;
    count += one ? 1 : heads;
  }
  CheckKept(static_cast<double>(count) * static_cast<double>(site.rows) *
                static_cast<double>(site.columns) * 4,
            "--layer, --head");
  result.maps.resize(static_cast<size_t>(count));
  const auto size = static_cast<size_t>(site.rows * site.columns);
  for (int64_t i = 0; i < site.shape.layers; ++i) {
    const int64_t end = i + 1 < site.shape.layers
                            ? first_map[static_cast<size_t>(i) + 1]
                            : count;
    const int64_t begin = first_map[static_cast<size_t>(i)];
    for (int64_t m = begin; m < end; ++m) {
      AttentionMap& map = result.maps[static_cast<size_t>(m)];
      map.layer = i + 1;
      map.head = choice.mean ? 0 : choice.head ? *choice.head : m - begin + 1;
      map.values.assign(size, 0.0f);
    }
  }
  Watch(model, ids, target, site, choice.layer,
        [&](int64_t layer, std::span<const float> values, int64_t first,
            int64_t columns) {
          const int64_t rows =
              static_cast<int64_t>(values.size()) / (columns * heads);
          const float share = 1.0f / static_cast<float>(heads);
          for (int64_t r = 0; r < rows; ++r) {
            for (int64_t h = 0; h < heads; ++h) {
              if (choice.head && !choice.mean && *choice.head != h + 1)
                continue;
              const float* from = values.data() + (r * heads + h) * columns;
              AttentionMap& map = result.maps[static_cast<size_t>(
                  first_map[static_cast<size_t>(layer)] + (one ? 0 : h))];
              float* to = map.values.data() + (first + r) * site.columns;
              for (int64_t p = 0; p < columns; ++p) {
                to[p] += choice.mean ? from[p] * share : from[p];
              }
            }
          }
        });
  return result;
}

std::vector<HeadSummary> SummarizeHeads(const InspectedModel& model,
                                        std::span<const int32_t> ids,
                                        std::span<const int32_t> target,
                                        AttentionKind kind) {
  const Site site = SiteOf(model, kind, ids.size(), target.size());
  const int64_t heads = site.shape.heads;
  const bool cross = kind == AttentionKind::kCross;
  std::vector<HeadSummary> all;
  for (int64_t i = 0; i < site.shape.layers; ++i) {
    for (int64_t h = 0; h < heads; ++h) {
      all.push_back({.layer = i + 1, .head = h + 1});
    }
  }
  const int64_t skipped = site.shape.causal && !cross && site.rows > 1 ? 1 : 0;
  Watch(
      model, ids, target, site, {},
      [&](int64_t layer, std::span<const float> values, int64_t first,
          int64_t columns) {
        const int64_t rows =
            static_cast<int64_t>(values.size()) / (columns * heads);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = first + r;
          if (at < skipped) continue;
          for (int64_t h = 0; h < heads; ++h) {
            const auto row =
                values.subspan(static_cast<size_t>((r * heads + h) * columns),
                               static_cast<size_t>(columns));
            HeadSummary& own = all[static_cast<size_t>(layer * heads + h)];
            for (const float p : row) {
              if (p > 0) own.entropy -= static_cast<double>(p * std::log2(p));
            }
            const auto share = [&](int64_t column) {
              return column >= 0 && column < columns
                         ? static_cast<double>(row[static_cast<size_t>(column)])
                         : 0.0;
            };
            own.first += share(0);
            if (cross) continue;  // rows and columns are not of one text
            own.self += share(at);
            own.previous += share(at - 1);
            own.next += share(at + 1);
          }
        }
      });
  std::vector<HeadSummary> kept;
  const double count = static_cast<double>(site.rows - skipped);
  for (HeadSummary& head : all) {
    if (!site.shape.attends[static_cast<size_t>(head.layer - 1)]) continue;
    for (double* value :
         {&head.entropy, &head.self, &head.previous, &head.next, &head.first}) {
      *value /= count;
    }
    kept.push_back(head);
  }
  return kept;
}

std::vector<float> ReadRollout(const InspectedModel& model,
                               std::span<const int32_t> ids,
                               std::span<const int32_t> target,
                               AttentionKind kind) {
  const Site site = SiteOf(model, kind, ids.size(), target.size());
  const auto& attends = site.shape.attends;
  const char* why =
      kind == AttentionKind::kCross ? "two texts"
      : std::find(attends.begin(), attends.end(), false) != attends.end()
          ? "layers with a state space in the place of attention"
          : nullptr;
  if (why != nullptr) {
    throw Error(ErrorCode::kUnsupported,
                {.where = "--rollout",
                 .what = "rollout follows attention through all layers of a "
                         "text",
                 .got = why});
  }
  return Rollout(
      ReadAttention(model, ids, target, {.kind = kind, .mean = true}));
}

std::vector<float> Rollout(const AttentionMaps& means) {
  MALMOI_CHECK(means.rows == means.columns);
  const size_t n = static_cast<size_t>(means.rows);
  std::vector<double> flow(n * n), next(n * n);
  for (size_t i = 0; i < n; ++i) flow[i * n + i] = 1;
  for (const AttentionMap& map : means.maps) {
    std::fill(next.begin(), next.end(), 0.0);
    for (size_t r = 0; r < n; ++r) {
      const float* row = map.values.data() + r * n;
      double total = 0;
      for (size_t p = 0; p < n; ++p) total += static_cast<double>(row[p]);
      double* to = next.data() + r * n;
      for (size_t k = 0; k < n; ++k) {
        double weight =
            total > 0 ? 0.5 * static_cast<double>(row[k]) / total : 0.0;
        if (k == r) weight += total > 0 ? 0.5 : 1.0;
        if (weight == 0) continue;
        const double* from = flow.data() + k * n;
        for (size_t p = 0; p < n; ++p) to[p] += weight * from[p];
      }
    }
    flow.swap(next);
  }
  return {flow.begin(), flow.end()};
}

}  // namespace malmoi::apps
