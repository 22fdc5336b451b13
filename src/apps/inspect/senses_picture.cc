// The picture of a word's uses: a small map for each layer, and under them how
// far apart its senses are.
#include <algorithm>
#include <cmath>

#include "apps/inspect/pictures.h"
#include "apps/inspect/token_labels.h"
#include "base/error.h"
#include "base/format.h"
#include "picture/colour.h"
#include "picture/svg.h"

namespace malmoi::apps {

using picture::Hex;
using picture::Number;
using picture::Svg;

namespace {

constexpr double kPanel = 200, kGap = 16, kLeft = 16, kTop = 76;
constexpr size_t kAcross = 4;

// Senses in the order in which they come; "" is none.
std::vector<std::string> SenseNames(const WordSenses& senses) {
  std::vector<std::string> names;
  for (const SenseSentence& sentence : senses.sentences) {
    if (std::find(names.begin(), names.end(), sentence.sense) == names.end()) {
      names.push_back(sentence.sense);
    }
  }
  return names;
}

// Axes turned so that points stay where they were a layer before.
void Align(std::vector<std::array<double, 2>>& map,
           const std::vector<std::array<double, 2>>& before) {
  for (size_t k = 0; k < 2; ++k) {
    double agreement = 0;
    for (size_t i = 0; i < map.size(); ++i) {
      agreement += map[i][k] * before[i][k];
    }
    if (agreement >= 0) continue;
    for (auto& point : map) point[k] = -point[k];
  }
}

class SensesPicture {
 public:
  SensesPicture(const PictureText& text, const WordSenses& senses)
      : text_(text), senses_(senses), names_(SenseNames(senses)) {}

  std::string Draw() {
    const size_t panels = senses_.layers.size();
    const size_t down = (panels + kAcross - 1) / kAcross;
    const double maps = static_cast<double>(down) * (kPanel + kGap + 14);
    const double curve = senses_.compared ? 190 : 0;
    const double lines = 20 * static_cast<double>(senses_.sentences.size());
    Svg svg(kLeft + kAcross * (kPanel + kGap), kTop + maps + curve + lines + 40,
            text_.title);
    svg.Text(16, 26, text_.title, {.size = 16, .bold = true});
    svg.Text(16, 44, text_.subtitle, {.size = 11}, {.css_class = "faint"});
    Legend(svg);
    std::vector<std::array<double, 2>> before;
    for (size_t k = 0; k < panels; ++k) {
      auto map = senses_.layers[k].map;
      if (!before.empty()) Align(map, before);
      Panel(svg, senses_.layers[k], map,
            kLeft + static_cast<double>(k % kAcross) * (kPanel + kGap),
            kTop + static_cast<double>(k / kAcross) * (kPanel + kGap + 14));
      before = std::move(map);
    }
    if (senses_.compared) Curve(svg, kTop + maps + 8);
    Sentences(svg, kTop + maps + curve + 20);
    return svg.Finish();
  }

 private:
  std::string Colour(size_t sentence) const {
    const auto at = std::find(names_.begin(), names_.end(),
                              senses_.sentences[sentence].sense);
    return Hex(picture::Categorical(at - names_.begin(), std::ssize(names_)));
  }

  void Legend(Svg& svg) {
    double x = 20;
    for (size_t k = 0; k < names_.size(); ++k) {
      if (names_[k].empty()) continue;
      svg.Circle(x, 60, 5,
                 {.fill = Hex(picture::Categorical(static_cast<int64_t>(k),
                                                   std::ssize(names_)))});
      svg.Text(x + 9, 64, names_[k], {.size = 12});
      x += 34 + 9 * static_cast<double>(names_[k].size());
    }
  }

  void Panel(Svg& svg, const LayerSenses& layer,
             const std::vector<std::array<double, 2>>& map, double x,
             double y) {
    std::string title = Format("{} {}", text_.layer, layer.name);
    if (layer.name == "norm") title = layer.name;
    if (senses_.compared) title += Format(" · {:+.3f}", layer.gap());
    svg.Text(x, y + 10, title, {.size = 11, .bold = true});
    svg.Text(x + kPanel, y + 10,
             Format("{} {:.0f} %", text_.spread,
                    100 * (layer.explained[0] + layer.explained[1])),
             {.size = 9, .anchor = "end"}, {.css_class = "faint"});
    const double top = y + 16;
    svg.Rect(x, top, kPanel, kPanel, {.fill = "none", .css_class = "rule"});
    double most = 0;
    for (const auto& point : map) {
      most = std::max({most, std::fabs(point[0]), std::fabs(point[1])});
    }
    const double scale = most > 0 ? (kPanel / 2 - 16) / most : 0;
    for (size_t i = 0; i < map.size(); ++i) {
      const double px = x + kPanel / 2 + scale * map[i][0];
      const double py = top + kPanel / 2 - scale * map[i][1];
      svg.Circle(px, py, 7,
                 {.fill = Colour(i),
                  .opacity = 0.85,
                  .tooltip = senses_.sentences[i].text});
      svg.Text(px, py, std::to_string(i + 1),
               {.size = 8, .anchor = "middle", .baseline = "middle"},
               {.fill = "#000", .attributes = "pointer-events=\"none\""});
    }
  }

  void Curve(Svg& svg, double y) {
    constexpr double kHigh = 130;
    const double wide = kAcross * (kPanel + kGap) - kGap - 40;
    const double x = kLeft + 40;
    double most = 0.05, least = 0;
    for (const LayerSenses& layer : senses_.layers) {
      most = std::max(most, layer.gap());
      least = std::min(least, layer.gap());
    }
    const auto height = [&](double value) {
      return y + 16 + kHigh * (most - value) / (most - least);
    };
    svg.Text(kLeft, y + 4, text_.gap, {.size = 11, .bold = true});
    const double marks[] = {least, 0.0, most};
    for (const double& value : marks) {
      // On the line of zero, or nearly.
      if (&value == &marks[0] && value > -most / 10) continue;
      svg.Line(x, height(value), x + wide, height(value),
               {.stroke_width = 1, .css_class = "rule"});
      svg.Text(x - 6, height(value), Format("{:.2f}", value),
               {.size = 9, .anchor = "end", .baseline = "middle"});
    }
    const size_t count = senses_.layers.size();
    std::string path;
    for (size_t k = 0; k < count; ++k) {
      const double px = x + wide * (static_cast<double>(k) + 0.5) /
                                static_cast<double>(count);
      const double py = height(senses_.layers[k].gap());
      path += (k == 0 ? "M" : "L") + Number(px) + " " + Number(py);
      svg.Text(px, y + 16 + kHigh + 14, senses_.layers[k].name,
               {.size = 10, .anchor = "middle"});
      svg.Circle(px, py, 3.5,
                 {.fill = "#0072b2",
                  .tooltip = Format("{:.4f}", senses_.layers[k].gap())});
    }
    svg.Path(path, {.fill = "none", .stroke = "#0072b2", .stroke_width = 2});
  }

  void Sentences(Svg& svg, double y) {
    for (size_t i = 0; i < senses_.sentences.size(); ++i) {
      const double line = y + 20 * static_cast<double>(i);
      svg.Circle(24, line, 8, {.fill = Colour(i), .opacity = 0.85});
      svg.Text(24, line, std::to_string(i + 1),
               {.size = 9, .anchor = "middle", .baseline = "middle"},
               {.fill = "#000"});
      svg.Text(40, line, CutToWidth(senses_.sentences[i].text, 118),
               {.size = 12, .baseline = "middle"});
    }
  }

  const PictureText& text_;
  const WordSenses& senses_;
  std::vector<std::string> names_;
};

}  // namespace

std::string SensesSvg(const PictureText& text, const WordSenses& senses) {
  if (senses.sentences.size() > 200) {
    throw Error(ErrorCode::kLimit,
                {.where = "picture",
                 .what = "too much for a picture",
                 .expected = "at most 200 sentences",
                 .got = std::to_string(senses.sentences.size()),
                 .hint = ".json, .npz"});
  }
  return SensesPicture(text, senses).Draw();
}

}  // namespace malmoi::apps
