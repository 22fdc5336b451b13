// malmoi inspect attention and states.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/inspect/attention_maps.h"
#include "apps/inspect/token_labels.h"
#include "base/error.h"
#include "base/format.h"
#include "cli/inspect.h"
#include "cli/terminal.h"
#include "formats/npy.h"
#include "represent/contextual/embedder.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

using apps::AttentionKind;
using apps::AttentionMap;
using apps::AttentionMaps;

AttentionKind KindOption(const Invocation& call, bool target) {
  const auto name = call.Text("--attention");
  if (!name) return target ? AttentionKind::kCross : AttentionKind::kEncoder;
  if (*name == "encoder") return AttentionKind::kEncoder;
  if (*name == "decoder") return AttentionKind::kDecoder;
  if (*name == "cross") return AttentionKind::kCross;
  throw Error(ErrorCode::kUsage, {.where = "--attention",
                                  .what = "value out of range",
                                  .expected = "encoder, decoder or cross",
                                  .got = *name});
}

void CheckOptions(const Invocation& call) {
  const bool layer = call.Text("--layer").has_value();
  const bool head = call.Text("--head").has_value();
  const auto refuse = [](const char* where, const char* expected) {
    throw Error(ErrorCode::kUsage, {.where = where,
                                    .what = "options that do not go together",
                                    .expected = expected});
  };
  if (head && !layer) refuse("--head", "with --layer");
  if (call.Flag("--all") && head) refuse("--all", "without --head");
  if (call.Flag("--rollout") && (layer || call.Flag("--all"))) {
    refuse("--rollout", "without --layer, --head, --all");
  }
}

// Rows and columns of a range: of cross-attention the rows only.
void Cut(AttentionMaps& maps, const apps::PositionRange& range, bool columns) {
  const apps::PositionRange wide =
      columns ? range : apps::PositionRange{0, maps.columns};
  for (AttentionMap& map : maps.maps) {
    std::vector<float> kept;
    for (int64_t r = range.from; r < range.to; ++r) {
      const auto row = map.values.begin() + r * maps.columns;
      kept.insert(kept.end(), row + wide.from, row + wide.to);
    }
    map.values = std::move(kept);
  }
  maps.rows = range.size();
  maps.columns = wide.size();
}

std::vector<std::string> Part(const std::vector<std::string>& labels,
                              const apps::PositionRange& range) {
  return {labels.begin() + range.from, labels.begin() + range.to};
}

Json MapJson(const AttentionMaps& maps, const AttentionMap& map) {
  Json rows = Json::array();
  for (int64_t r = 0; r < maps.rows; ++r) {
    Json row = Json::array();
    for (int64_t c = 0; c < maps.columns; ++c) {
      row.push_back(Digits(static_cast<double>(
          map.values[static_cast<size_t>(r * maps.columns + c)])));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// What was asked for, as all outputs read it.
struct Shown {
  AttentionMaps maps;
  std::vector<std::string> rows, columns;
  bool rollout = false;
  apps::PositionRange range;
  std::string model;
};

Json ShownJson(const Shown& shown, const Inputs& inputs) {
  Json json = {{"model", shown.model},
               {"tokens", Labels(inputs.text)},
               {"from", shown.range.from + 1},
               {"to", shown.range.to}};
  if (!inputs.target.ids.empty()) json["target"] = Labels(inputs.target);
  if (shown.rollout) {
    json["rollout"] = MapJson(shown.maps, shown.maps.maps[0]);
    return json;
  }
  json["maps"] = Json::array();
  for (const AttentionMap& map : shown.maps.maps) {
    json["maps"].push_back(
        {{"layer", map.layer},
         {"head", map.head > 0 ? Json(map.head) : Json("mean")},
         {"rows", MapJson(shown.maps, map)}});
  }
  return json;
}

void WriteNpz(const Shown& shown, const Inputs& inputs,
              const std::string& path) {
  std::vector<float> values;
  std::vector<int64_t> layers, heads;
  for (const AttentionMap& map : shown.maps.maps) {
    values.insert(values.end(), map.values.begin(), map.values.end());
    layers.push_back(map.layer);
    heads.push_back(map.head);
  }
  const auto count = std::ssize(shown.maps.maps);
  std::vector<formats::NpzItem> items = {
      {"attention",
       formats::NpyBytes<float>(
           DType::kF32, {count, shown.maps.rows, shown.maps.columns}, values)},
      {"layers", formats::NpyBytes<int64_t>(DType::kI64, {count}, layers)},
      {"heads", formats::NpyBytes<int64_t>(DType::kI64, {count}, heads)},
      {"ids", formats::NpyBytes<int32_t>(DType::kI32, {inputs.text.size()},
                                         inputs.text.ids)}};
  if (!inputs.target.ids.empty()) {
    items.push_back({"target_ids", formats::NpyBytes<int32_t>(
                                       DType::kI32, {inputs.target.size()},
                                       inputs.target.ids)});
  }
  formats::WriteNpz(path, items);
}

// One row a line: shades of all columns where there is room, then the three
// columns that most goes to.
void PrintMap(const Shown& shown, const AttentionMap& map) {
  const auto columns = static_cast<size_t>(shown.maps.columns);
  int label = 4;
  for (const auto& row : shown.rows) {
    label = std::max(label, std::min(14, text::DisplayWidth(row)));
  }
  const bool shades =
      static_cast<int>(columns) + label + 50 <= TerminalColumns();
  static constexpr const char* kShades[] = {" ", "░", "▒", "▓", "█"};
  for (size_t r = 0; r < shown.rows.size(); ++r) {
    const float* row = map.values.data() + r * columns;
    std::string line =
        Format("{:>4} {} ", static_cast<size_t>(shown.range.from) + r + 1,
               apps::PadToWidth(shown.rows[r], label));
    if (shades) {
      std::string drawn;
      for (size_t c = 0; c < columns; ++c) {
        const double p = std::sqrt(static_cast<double>(row[c]));
        drawn += kShades[std::min(4, static_cast<int>(p * 5))];
      }
      line += Paint("36", drawn, STDOUT_FILENO) + "  ";
    }
    std::vector<size_t> order(columns);
    std::iota(order.begin(), order.end(), size_t{0});
    const size_t most = std::min<size_t>(3, columns);
    std::partial_sort(order.begin(),
                      order.begin() + static_cast<std::ptrdiff_t>(most),
                      order.end(), [&](size_t a, size_t b) {
                        return row[a] != row[b] ? row[a] > row[b] : a < b;
                      });
    for (size_t k = 0; k < most; ++k) {
      const double p = static_cast<double>(row[order[k]]);
      if (p < 0.005) break;
      line += Format(" {} {:.0f}%",
                     apps::CutToWidth(shown.columns[order[k]], 12), 100 * p);
    }
    Print(line + "\n");
  }
}

std::string MapTitle(const Shown& shown, const AttentionMap& map) {
  if (shown.rollout) return Translate("attention rollout");
  return Format("{} {}, {}", Translate("layer"), map.layer,
                map.head > 0 ? Format("{} {}", Translate("head"), map.head)
                             : Translate("mean of heads"));
}

// The head of a layer that does most of something.
std::string Most(const std::vector<apps::HeadSummary>& heads, int64_t layer,
                 double apps::HeadSummary::* what) {
  const apps::HeadSummary* best = nullptr;
  for (const auto& head : heads) {
    if (head.layer == layer && (!best || head.*what > best->*what)) {
      best = &head;
    }
  }
  return Format("{:>3} {:>3.0f}%", best->head, 100 * (best->*what));
}

int Overview(const Invocation& call, const apps::InspectedModel& model,
             const Inputs& inputs, AttentionKind kind,
             const InspectOutput& output) {
  const auto heads =
      apps::SummarizeHeads(model, inputs.text.ids, inputs.target.ids, kind);
  const bool cross = kind == AttentionKind::kCross;
  if (output.json()) {
    Json list = Json::array();
    for (const auto& head : heads) {
      Json one = {{"layer", head.layer},
                  {"head", head.head},
                  {"entropy", Digits(head.entropy)},
                  {"first", Digits(head.first)}};
      if (!cross) {
        one["self"] = Digits(head.self);
        one["previous"] = Digits(head.previous);
        one["next"] = Digits(head.next);
      }
      list.push_back(std::move(one));
    }
    Json json = {{"model", call.positionals[1]},
                 {"tokens", Labels(inputs.text)}};
    if (!inputs.target.ids.empty()) json["target"] = Labels(inputs.target);
    json["heads"] = std::move(list);
    output.Write(json);
    return 0;
  }
  Print(Format("{}: {}\n", Translate("tokens"), inputs.text.size()));
  Print(Translate("the head of each layer that looks most at a place, and its "
                  "share; entropy in bits, over heads") +
        "\n");
  Print(Format("{:>5}  {:>13}  {:>8}{}\n", Translate("layer"), "entropy",
               "first", cross ? "" : "   previous      self      next"));
  for (size_t i = 0; i < heads.size();) {
    const int64_t layer = heads[i].layer;
    double least = 1e9, most = 0;
    for (; i < heads.size() && heads[i].layer == layer; ++i) {
      least = std::min(least, heads[i].entropy);
      most = std::max(most, heads[i].entropy);
    }
    using H = apps::HeadSummary;
    std::string line = Format("{:>5}  {:>5.2f} … {:>5.2f}  {}", layer, least,
                              most, Most(heads, layer, &H::first));
    if (!cross) {
      line +=
          Format("   {}  {}  {}", Most(heads, layer, &H::previous),
                 Most(heads, layer, &H::self), Most(heads, layer, &H::next));
    }
    Print(line + "\n");
  }
  return 0;
}

}  // namespace

int InspectAttention(const Invocation& call) {
  CheckOptions(call);
  const InspectOutput output(call, ".svg .html .json .npz");
  const std::string text = InspectedText(call, 2);
  const auto model = OpenInspected(call, false);
  const Inputs inputs = ReadInputs(call, *model, text);
  const AttentionKind kind = KindOption(call, !inputs.target.ids.empty());
  const bool decoder = model->kind() == apps::ModelKind::kEncoderDecoder &&
                       kind != AttentionKind::kEncoder;
  const bool cross = kind == AttentionKind::kCross;
  const auto layer = call.Integer("--layer");
  const bool all = call.Flag("--all");
  if (!layer && !all && !call.Flag("--rollout") &&
      (output.text() || output.json())) {
    return Overview(call, *model, inputs, kind, output);
  }
  Shown shown;
  shown.model = call.positionals[1];
  shown.rollout = call.Flag("--rollout");
  if (shown.rollout) {
    shown.maps.rows = shown.maps.columns =
        decoder ? inputs.target.size() : inputs.text.size();
    shown.maps.maps = {
        {0, 0,
         apps::ReadRollout(*model, inputs.text.ids, inputs.target.ids, kind)}};
  } else {
    const auto head = call.Integer("--head");
    shown.maps = apps::ReadAttention(*model, inputs.text.ids, inputs.target.ids,
                                     {.kind = kind,
                                      .layer = layer,
                                      .head = head,
                                      .mean = layer && !head && !all});
  }
  const auto& row_text = decoder ? inputs.target : inputs.text;
  const auto& column_text = decoder && !cross ? inputs.target : inputs.text;
  shown.range = RangeOption(call, shown.maps.rows);
  Cut(shown.maps, shown.range, !cross);
  shown.rows = Part(row_text.labels, shown.range);
  shown.columns = cross ? column_text.labels : shown.rows;
  if (output.json()) {
    output.Write(ShownJson(shown, inputs));
  } else if (output.Is(".npz")) {
    WriteNpz(shown, inputs, output.path());
  } else if (!output.text()) {
    const std::string title = shown.maps.maps.size() == 1
                                  ? MapTitle(shown, shown.maps.maps[0])
                                  : Translate("attention");
    const apps::PictureText words =
        PictureWords(title, Format("{} · {}", shown.model,
                                   Translate("each row looks at the columns")));
    if (output.Is(".html") && shown.maps.maps.size() > 1) {
      output.WriteBytes(
          apps::AttentionPage(words, shown.maps, shown.rows, shown.columns));
    } else {
      output.WritePicture(
          words,
          apps::AttentionSvg(words, shown.maps, shown.rows, shown.columns),
          output.Is(".html") ? ShownJson(shown, inputs) : Json());
    }
  } else {
    for (const AttentionMap& map : shown.maps.maps) {
      if (shown.maps.maps.size() > 1 && &map != &shown.maps.maps[0])
        Print("\n");
      Print(MapTitle(shown, map) + "\n");
      PrintMap(shown, map);
    }
  }
  return 0;
}

int InspectStates(const Invocation& call) {
  const InspectOutput output(call, ".json .npz");
  const std::string text = InspectedText(call, 2);
  const auto model = OpenInspected(call, false);
  const Inputs inputs = ReadInputs(call, *model, text);
  const auto range = RangeOption(call, inputs.own().size());
  const auto states =
      apps::ReadHiddenStates(*model, inputs.text.ids, inputs.target.ids, range);
  std::vector<std::pair<std::string, const std::vector<float>*>> layers;
  for (size_t k = 0; k < states.layers.size(); ++k) {
    layers.emplace_back(std::to_string(k), &states.layers[k]);
  }
  if (!states.normed.empty()) layers.emplace_back("norm", &states.normed);
  const auto width = static_cast<size_t>(states.width);
  const auto rows = static_cast<size_t>(range.size());
  if (output.Is(".npz")) {
    std::vector<float> stacked;
    for (const auto& layer : states.layers) {
      stacked.insert(stacked.end(), layer.begin(), layer.end());
    }
    std::vector<formats::NpzItem> items = {
        {"hidden_states",
         formats::NpyBytes<float>(
             DType::kF32,
             {std::ssize(states.layers), range.size(), states.width}, stacked)},
        {"ids", formats::NpyBytes<int32_t>(DType::kI32, {inputs.own().size()},
                                           inputs.own().ids)}};
    if (!states.normed.empty()) {
      items.push_back({"normed", formats::NpyBytes<float>(
                                     DType::kF32, {range.size(), states.width},
                                     states.normed)});
    }
    formats::WriteNpz(output.path(), items);
    return 0;
  }
  if (output.json()) {
    Json list = Json::array();
    for (const auto& [name, values] : layers) {
      Json vectors = Json::array();
      for (size_t r = 0; r < rows; ++r) {
        Json row = Json::array();
        for (size_t d = 0; d < width; ++d) {
          row.push_back(Digits(static_cast<double>((*values)[r * width + d])));
        }
        vectors.push_back(std::move(row));
      }
      list.push_back({{"layer", name}, {"vectors", std::move(vectors)}});
    }
    output.Write({{"model", call.positionals[1]},
                  {"tokens", Labels(inputs.own())},
                  {"from", range.from + 1},
                  {"to", range.to},
                  {"layers", std::move(list)}});
    return 0;
  }
  Print(Format("{} {} × {}\n", range.size(), Translate("tokens"), width));
  Print(Format("{:>5}  {:>11}  {:>11}  {:<16}  {}\n", Translate("layer"),
               Translate("mean length"), Translate("longest"), "",
               Translate("cosine with the layer before")));
  for (size_t k = 0; k < layers.size(); ++k) {
    double mean = 0, longest = -1, cosine = 0;
    size_t where = 0;
    for (size_t r = 0; r < rows; ++r) {
      const auto row = std::span(*layers[k].second).subspan(r * width, width);
      double square = 0;
      for (const float v : row) square += static_cast<double>(v) * v;
      const double length = std::sqrt(square);
      mean += length / static_cast<double>(rows);
      if (length > longest) {
        longest = length;
        where = r;
      }
      if (k > 0) {
        cosine +=
            represent::Cosine(
                row,
                std::span(*layers[k - 1].second).subspan(r * width, width)) /
            static_cast<double>(rows);
      }
    }
    Print(Format(
        "{:>5}  {:>11.3f}  {:>11.3f}  {}  {}\n", layers[k].first, mean, longest,
        apps::PadToWidth(
            inputs.own().labels[static_cast<size_t>(range.from) + where], 16),
        k > 0 ? Format("{:.4f}", cosine) : ""));
  }
  return 0;
}

}  // namespace malmoi::cli
