#include "picture/scatter_place.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace malmoi::picture {

namespace {

bool Continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

double Median(std::vector<double> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

bool Free(const Box& box, const Box& area, const std::vector<Box>& taken) {
  return box.left >= area.left && box.right <= area.right &&
         box.top >= area.top && box.bottom <= area.bottom &&
         std::none_of(taken.begin(), taken.end(),
                      [&](const Box& other) { return box.Meets(other); });
}

}  // namespace

Frame::Frame(const Scatter& scatter, const Box& area) : scatter_(scatter) {
  if (scatter.x.empty()) return;
  const auto [x0, x1] = std::minmax_element(scatter.x.begin(), scatter.x.end());
  const auto [y0, y1] = std::minmax_element(scatter.y.begin(), scatter.y.end());
  const double wide = std::max(*x1 - *x0, 1e-12),
               high = std::max(*y1 - *y0, 1e-12);
  scale_ = std::min((area.right - area.left) / wide,
                    (area.bottom - area.top) / high);
  x_ = (area.left + area.right) / 2 - scale_ * (*x0 + *x1) / 2;
  y_ = (area.top + area.bottom) / 2 + scale_ * (*y0 + *y1) / 2;
}

double TextWidth(const std::string& text, double size) {
  double width = 0;
  for (const char c : text) {
    if (Continues(c)) continue;
    // Three bytes and more: mostly Hangul, Han and Kana, which are wide.
    width += static_cast<unsigned char>(c) >= 0xE0 ? 0.97 : 0.62;
  }
  return width * size;
}

std::string Shortened(const std::string& text, size_t most) {
  size_t characters = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!Continues(text[at]) && characters++ == most) {
      return text.substr(0, at) + "…";
    }
  }
  return text;
}

double DotRadius(const Scatter& scatter) {
  const double share =
      scatter.width * scatter.height /
      std::max<double>(1, static_cast<double>(scatter.x.size()));
  return std::clamp(std::sqrt(share) * 0.15, 1.3, 5.0);
}

std::vector<Label> PointLabels(const Scatter& scatter, const Frame& frame,
                               const Box& area, double size) {
  std::vector<Box> taken;
  const double dot = DotRadius(scatter);
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    taken.push_back({frame.X(i) - dot, frame.Y(i) - dot, frame.X(i) + dot,
                     frame.Y(i) + dot});
  }
  std::vector<Label> labels;
  for (size_t i = 0; i < scatter.texts.size(); ++i) {
    const std::string text = Shortened(scatter.texts[i], 28);
    const double width = TextWidth(text, size), gap = dot + 3;
    const double x = frame.X(i), y = frame.Y(i);
    // Right, left, above, below, and the corners.
    const double places[][2] = {{x + gap, y},
                                {x - gap - width, y},
                                {x - width / 2, y - gap - size / 2},
                                {x - width / 2, y + gap + size / 2},
                                {x + gap * 0.8, y - size * 0.8},
                                {x + gap * 0.8, y + size * 0.8},
                                {x - gap * 0.8 - width, y - size * 0.8},
                                {x - gap * 0.8 - width, y + size * 0.8}};
    for (const auto& [left, middle] : places) {
      const Box box = {left, middle - size * 0.55, left + width,
                       middle + size * 0.55};
      if (!Free(box, area, taken)) continue;
      taken.push_back(box);
      labels.push_back({left, middle, text, static_cast<int32_t>(i)});
      break;
    }
  }
  return labels;
}

std::vector<Label> ClassLabels(const Scatter& scatter, const Frame& frame,
                               const Box& area, double size) {
  const size_t count = scatter.class_names.size();
  std::vector<std::vector<double>> xs(count), ys(count);
  for (size_t i = 0; i < scatter.classes.size(); ++i) {
    const auto own = static_cast<size_t>(scatter.classes[i]);
    xs[own].push_back(frame.X(i));
    ys[own].push_back(frame.Y(i));
  }
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return xs[a].size() > xs[b].size();
  });
  std::vector<Box> taken;
  std::vector<Label> labels;
  for (const size_t c : order) {
    if (xs[c].empty()) continue;
    const std::string text = Shortened(scatter.class_names[c], 36);
    const double width = TextWidth(text, size);
    const double x = std::clamp(Median(xs[c]) - width / 2, area.left,
                                std::max(area.left, area.right - width));
    const double y = Median(ys[c]);
    for (const double shift : {0.0, -1.1, 1.1, -2.2, 2.2}) {
      const double middle = y + shift * size;
      const Box box = {x, middle - size * 0.55, x + width,
                       middle + size * 0.55};
      if (!Free(box, area, taken)) continue;
      taken.push_back(box);
      labels.push_back({x, middle, text, static_cast<int32_t>(c)});
      break;
    }
  }
  return labels;
}

}  // namespace malmoi::picture
