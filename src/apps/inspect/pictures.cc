#include "apps/inspect/pictures.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "apps/inspect/token_labels.h"
#include "base/error.h"
#include "base/format.h"
#include "picture/colour.h"
#include "picture/page.h"
#include "picture/svg.h"
#include "text/unicode/utf8.h"

namespace malmoi::apps {

using picture::Colour;
using picture::Hex;
using picture::Look;
using picture::Svg;
using picture::TextLook;

namespace {

void NeedRoom(int64_t count, int64_t most, const char* what) {
  if (count <= most) return;
  throw Error(ErrorCode::kLimit,
              {.where = "picture",
               .what = "too much for a picture",
               .expected = Format("at most {} {}", most, what),
               .got = std::to_string(count),
               .hint = "--from, --to, or .json"});
}

double WidthOf(std::string_view text, double size) {
  return 0.58 * size * static_cast<double>(text::DisplayWidth(text));
}

void Heading(Svg& svg, const PictureText& text) {
  svg.Text(16, 26, text.title, {.size = 16, .bold = true});
  svg.Text(16, 44, text.subtitle, {.size = 11}, {.css_class = "faint"});
}

std::string Percent(double share) { return Format("{:.1f} %", 100 * share); }

std::string MapName(const PictureText& text, const AttentionMap& map) {
  if (map.layer == 0) return text.mean;  // a rollout's
  return map.head == 0 ? Format("{} {}, {}", text.layer, map.layer, text.mean)
                       : Format("{} {}, {} {}", text.layer, map.layer,
                                text.head, map.head);
}

// One map with its tokens.
std::string OneMap(const PictureText& text, const AttentionMaps& maps,
                   const std::vector<std::string>& rows,
                   const std::vector<std::string>& columns) {
  NeedRoom(std::max(maps.rows, maps.columns), 200, "tokens");
  const double cell = maps.columns > 60 ? 10 : 20;
  const double size = std::min(12.0, cell - 1);
  double left = 40, top = 40;
  for (const auto& label : rows) left = std::max(left, WidthOf(label, size));
  for (const auto& label : columns) top = std::max(top, WidthOf(label, size));
  left += 28;
  top += 66;
  const double width = left + cell * static_cast<double>(maps.columns) + 24;
  Svg svg(std::max(width, WidthOf(text.subtitle, 11) + 40),
          top + cell * static_cast<double>(maps.rows) + 24, text.title);
  Heading(svg, text);
  for (int64_t c = 0; c < maps.columns; ++c) {
    const double x = left + cell * (static_cast<double>(c) + 0.5) + size / 3;
    svg.Text(x, top - 6, columns[static_cast<size_t>(c)],
             {.size = size, .rotate = -90});
  }
  const std::vector<float>& values = maps.maps.at(0).values;
  for (int64_t r = 0; r < maps.rows; ++r) {
    const double y = top + cell * static_cast<double>(r);
    svg.Text(left - 6, y + cell / 2, rows[static_cast<size_t>(r)],
             {.size = size, .anchor = "end", .baseline = "middle"});
    for (int64_t c = 0; c < maps.columns; ++c) {
      const double p = static_cast<double>(
          values[static_cast<size_t>(r * maps.columns + c)]);
      if (p <= 0) continue;
      svg.Rect(
          left + cell * static_cast<double>(c), y, cell - 1, cell - 1,
          {.fill = Hex(picture::Sequential(std::sqrt(p))),
           .tooltip = Format("{} → {}: {}", rows[static_cast<size_t>(r)],
                             columns[static_cast<size_t>(c)], Percent(p))});
    }
  }
  return svg.Finish();
}

// Layers below one another, heads side by side.
std::string ManyMaps(const PictureText& text, const AttentionMaps& maps) {
  const auto count = std::ssize(maps.maps);
  NeedRoom(count * maps.rows * maps.columns, 150'000, "cells");
  std::map<int64_t, std::vector<const AttentionMap*>> layers;
  size_t widest = 1;
  for (const AttentionMap& map : maps.maps) {
    auto& row = layers[map.layer];
    row.push_back(&map);
    widest = std::max(widest, row.size());
  }
  const double cell = std::clamp(
      90.0 / static_cast<double>(std::max(maps.rows, maps.columns)), 1.0, 10.0);
  const double wide = cell * static_cast<double>(maps.columns);
  const double high = cell * static_cast<double>(maps.rows);
  constexpr double kGap = 10, kLeft = 70, kTop = 76;
  Svg svg(std::max(kLeft + static_cast<double>(widest) * (wide + kGap) + 16,
                   WidthOf(text.subtitle, 11) + 40),
          kTop + static_cast<double>(layers.size()) * (high + kGap) + 16,
          text.title);
  Heading(svg, text);
  const AttentionMap& sample = *layers.begin()->second.front();
  for (size_t h = 0; h < widest && sample.head > 0; ++h) {
    svg.Text(
        kLeft + static_cast<double>(h) * (wide + kGap) + wide / 2, kTop - 8,
        Format("{}",
               layers.begin()
                   ->second.at(std::min(h, layers.begin()->second.size() - 1))
                   ->head),
        {.size = 10, .anchor = "middle"});
  }
  double y = kTop;
  for (const auto& [layer, row] : layers) {
    svg.Text(kLeft - 8, y + high / 2, Format("{} {}", text.layer, layer),
             {.size = 10, .anchor = "end", .baseline = "middle"});
    double x = kLeft;
    for (const AttentionMap* map : row) {
      svg.OpenGroup({});
      svg.Rect(x, y, wide, high,
               {.fill = Hex(picture::Sequential(0)),
                .tooltip = MapName(text, *map)});
      for (int64_t r = 0; r < maps.rows; ++r) {
        for (int64_t c = 0; c < maps.columns; ++c) {
          const double p = static_cast<double>(
              map->values[static_cast<size_t>(r * maps.columns + c)]);
          if (p < 0.005) continue;
          svg.Rect(x + cell * static_cast<double>(c),
                   y + cell * static_cast<double>(r), cell, cell,
                   {.fill = Hex(picture::Sequential(std::sqrt(p)))});
        }
      }
      svg.CloseGroup();
      x += wide + kGap;
    }
    y += high + kGap;
  }
  return svg.Finish();
}

}  // namespace

std::string AttentionSvg(const PictureText& text, const AttentionMaps& maps,
                         const std::vector<std::string>& rows,
                         const std::vector<std::string>& columns) {
  return maps.maps.size() == 1 ? OneMap(text, maps, rows, columns)
                               : ManyMaps(text, maps);
}

std::string LensSvg(const PictureText& text, const Lens& lens,
                    const std::vector<std::string>& labels,
                    const InspectedModel& model) {
  NeedRoom(lens.range.size(), 100, "positions");
  constexpr double kWide = 78, kHigh = 20, kLeft = 64, kTop = 80;
  const auto layers = static_cast<double>(lens.layers.size());
  const auto positions = static_cast<double>(lens.range.size());
  Svg svg(
      std::max(kLeft + kWide * positions + 16, WidthOf(text.subtitle, 11) + 40),
      kTop + kHigh * (layers + 1) + 20, text.title);
  Heading(svg, text);
  for (size_t i = 0; i < labels.size(); ++i) {
    const double x = kLeft + kWide * (static_cast<double>(i) + 0.5);
    const TextLook look = {.size = 11, .anchor = "middle", .bold = true};
    svg.Text(x, kTop - 8, CutToWidth(labels[i], 11), look);
  }
  for (size_t k = 0; k < lens.layers.size(); ++k) {
    const double y = kTop + kHigh * (layers - 1 - static_cast<double>(k));
    svg.Text(kLeft - 8, y + kHigh / 2,
             k == 0 ? "0" : Format("{} {}", text.layer, k),
             {.size = 10, .anchor = "end", .baseline = "middle"});
    for (size_t i = 0; i < lens.layers[k].size(); ++i) {
      const Prediction& cell = lens.layers[k][i];
      const double x = kLeft + kWide * static_cast<double>(i);
      const double p = cell.top.at(0).probability;
      const Colour colour = picture::Sequential(std::sqrt(p));
      std::string told;
      for (const TokenProbability& one : cell.top) {
        told +=
            Format("{} {}\n", model.Label(one.id), Percent(one.probability));
      }
      if (cell.next) {
        told += Format("→ {} {} (#{})", model.Label(*cell.next),
                       Percent(cell.probability), cell.rank);
      }
      svg.Rect(x, y, kWide - 1, kHigh - 1,
               {.fill = Hex(colour), .tooltip = told});
      const bool right = cell.next && cell.rank == 1;
      svg.Text(
          x + kWide / 2, y + kHigh / 2,
          CutToWidth(model.Label(cell.top[0].id), 11),
          {.size = 11, .anchor = "middle", .baseline = "middle", .bold = right},
          {.fill = Hex(picture::TextOn(colour)),
           .attributes = "pointer-events=\"none\""});
    }
  }
  return svg.Finish();
}

double SurprisalShare(double bits) { return std::clamp(bits / 16, 0.0, 1.0); }

std::string SurprisalPage(const PictureText& text, const Surprisal& surprisal,
                          const InspectedModel& model) {
  picture::Page page;
  page.title = text.title;
  page.style =
      "body{margin:2rem;max-width:60rem}h1{font-size:1.4rem}#text{font-size:1."
      "15rem;line-height:2;white-space:pre-wrap;"
      "overflow-wrap:anywhere}#text span{border-radius:3px;padding:2px 0}";
  page.body = "<h1>" + picture::Escape(text.title) + "</h1><p>" +
              picture::Escape(text.subtitle) + "</p><div id=\"text\">";
  const ReadText& read = surprisal.text;
  for (const auto& [first, count] : read.units) {
    const std::vector<int32_t> ids(
        read.ids.begin() + static_cast<std::ptrdiff_t>(first),
        read.ids.begin() + static_cast<std::ptrdiff_t>(first + count));
    double bits = 0;
    std::string told;
    for (size_t k = first; k < first + count; ++k) {
      const TokenSurprisal& token = surprisal.tokens[k];
      if (!token.bits) continue;
      bits += *token.bits;
      told += Format("{}: {:.2f} bits, #{}; {} {}\n", read.labels[k],
                     *token.bits, token.rank, model.Label(token.expected.id),
                     Percent(token.expected.probability));
    }
    const double share = SurprisalShare(bits);
    page.body += Format(
        "<span title=\"{}\" style=\"background:rgba(230,97,0,{:.2f})\">{}"
        "</span>",
        picture::Escape(told), share * 0.85,
        picture::Escape(model.tokenizer().Decode(ids, true)));
  }
  page.body += "</div>";
  return picture::HtmlPage(page);
}

std::string PicturePage(const PictureText& text, const std::string& svg,
                        const Json& data) {
  picture::Page page;
  page.title = text.title;
  page.style = "main,svg{max-width:none}body{overflow-x:auto}";
  page.body = svg;
  page.data = data;
  return picture::HtmlPage(page);
}

}  // namespace malmoi::apps
