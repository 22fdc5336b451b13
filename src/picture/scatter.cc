#include "picture/scatter.h"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "picture/colour.h"
#include "picture/scatter_place.h"
#include "picture/svg.h"

namespace malmoi::picture {

namespace {

constexpr size_t kMostLegend = 20, kMostTooltips = 2000, kMostLabels = 80;
constexpr double kMargin = 24, kLegendWidth = 220;

Colour ColourOf(const Scatter& scatter, int32_t index) {
  return Categorical(
      index,
      std::max<int64_t>(1, static_cast<int64_t>(scatter.class_names.size())));
}

int32_t ClassOf(const Scatter& scatter, size_t point) {
  return scatter.classes.empty() ? 0 : scatter.classes[point];
}

bool HasLegend(const Scatter& scatter) {
  return !scatter.classes.empty() && scatter.class_names.size() <= kMostLegend;
}

Box AreaOf(const Scatter& scatter) {
  const double top = scatter.title.empty() ? kMargin : 48;
  const double right = HasLegend(scatter) ? kLegendWidth : kMargin;
  return {kMargin, top, scatter.width - right, scatter.height - kMargin};
}

// Rounded dots of no length: ten bytes a point.
void DrawPaths(Svg& svg, const Scatter& scatter, const Frame& frame) {
  const auto count = std::max<size_t>(1, scatter.class_names.size());
  std::vector<std::string> paths(count);
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    paths[static_cast<size_t>(ClassOf(scatter, i))] +=
        Format("M{} {}h0", Number(frame.X(i), 1), Number(frame.Y(i), 1));
  }
  svg.OpenGroup({.fill = "none",
                 .stroke_width = 2 * DotRadius(scatter),
                 .opacity = 0.75,
                 .attributes = "stroke-linecap=\"round\""});
  for (size_t c = 0; c < count; ++c) {
    if (paths[c].empty()) continue;
    svg.Path(
        paths[c],
        {.stroke = ClassColour(scatter, static_cast<int32_t>(c)),
         .tooltip = scatter.class_names.empty() ? "" : scatter.class_names[c]});
  }
  svg.CloseGroup();
}

void DrawDots(Svg& svg, const Scatter& scatter, const Frame& frame) {
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    std::string tooltip = scatter.texts.empty() ? "" : scatter.texts[i];
    if (!scatter.classes.empty()) {
      tooltip += (tooltip.empty() ? "" : "\n") +
                 scatter.class_names[static_cast<size_t>(scatter.classes[i])];
    }
    svg.Circle(frame.X(i), frame.Y(i), DotRadius(scatter),
               {.fill = ClassColour(scatter, ClassOf(scatter, i)),
                .opacity = 0.85,
                .tooltip = tooltip});
  }
}

void DrawLegend(Svg& svg, const Scatter& scatter) {
  const double x = scatter.width - kLegendWidth + 16;
  double y = 56;
  for (size_t c = 0; c < scatter.class_names.size(); ++c, y += 20) {
    svg.Circle(x, y, 5,
               {.fill = ClassColour(scatter, static_cast<int32_t>(c))});
    svg.Text(x + 12, y, Shortened(scatter.class_names[c], 28),
             {.size = 12, .baseline = "middle"});
  }
}

}  // namespace

std::string ClassColour(const Scatter& scatter, int32_t index) {
  return Hex(ColourOf(scatter, index));
}

std::string ScatterSvg(const Scatter& scatter) {
  Svg svg(scatter.width, scatter.height,
          scatter.title.empty() ? "map" : scatter.title);
  const Box area = AreaOf(scatter);
  const Frame frame(scatter, area);
  if (!scatter.title.empty()) {
    svg.Text(kMargin, 28, scatter.title, {.size = 16, .bold = true});
  }
  if (scatter.x.size() > kMostTooltips) {
    DrawPaths(svg, scatter, frame);
  } else {
    DrawDots(svg, scatter, frame);
  }
  // Letters stand out from the dots behind them.
  const auto draw = [&](const std::vector<Label>& labels, double size) {
    svg.OpenGroup({.css_class = "label"});
    for (const Label& label : labels) {
      svg.Text(label.x, label.y, label.text,
               {.size = size, .baseline = "middle"});
    }
    svg.CloseGroup();
  };
  if (scatter.x.size() <= kMostLabels) {
    const Box all = {4, area.top - 12,
                     area.right + (HasLegend(scatter) ? 0 : 20),
                     scatter.height - 4};
    draw(PointLabels(scatter, frame, all, 12), 12);
  }
  if (HasLegend(scatter)) {
    DrawLegend(svg, scatter);
  } else if (!scatter.classes.empty()) {
    draw(ClassLabels(scatter, frame, area, 10), 10);
  }
  std::string text = svg.Finish();
  // The halo of labels, in the one style there is.
  const std::string_view end = "</style>";
  text.insert(text.find(end),
              ".label text{paint-order:stroke;stroke:#fff;stroke-width:3px;"
              "stroke-linejoin:round}@media(prefers-color-scheme:dark){.label "
              "text{stroke:#15171a}}");
  return text;
}

namespace {

class Raster {
 public:
  Raster(size_t width, size_t height, Colour paper)
      : width_(width), height_(height), pixels_(width * height * 3) {
    for (size_t i = 0; i < pixels_.size(); i += 3) {
      pixels_[i] = paper.red;
      pixels_[i + 1] = paper.green;
      pixels_[i + 2] = paper.blue;
    }
  }

  void Disc(double x, double y, double radius, double opacity, Colour colour) {
    const auto first = [](double v) {
      return static_cast<int64_t>(std::floor(v));
    };
    for (int64_t py = first(y - radius - 1); py <= first(y + radius + 1);
         ++py) {
      for (int64_t px = first(x - radius - 1); px <= first(x + radius + 1);
           ++px) {
        if (px < 0 || py < 0 || px >= static_cast<int64_t>(width_) ||
            py >= static_cast<int64_t>(height_)) {
          continue;
        }
        const double away = std::hypot(static_cast<double>(px) + 0.5 - x,
                                       static_cast<double>(py) + 0.5 - y);
        const double cover = std::clamp(radius - away + 0.5, 0.0, 1.0);
        Blend(static_cast<size_t>(py) * width_ + static_cast<size_t>(px),
              cover * opacity, colour);
      }
    }
  }

  std::string Png() const {
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(width_);
    image.height = static_cast<png_uint_32>(height_);
    image.format = PNG_FORMAT_RGB;
    png_alloc_size_t size = 0;
    std::string bytes;
    // Once for the size, once for the bytes.
    for (int pass = 0; pass < 2; ++pass) {
      bytes.resize(size);
      if (png_image_write_to_memory(&image, pass == 0 ? nullptr : bytes.data(),
                                    &size, 0, pixels_.data(), 0,
                                    nullptr) == 0) {
        throw Error(ErrorCode::kLimit, {.where = "picture",
                                        .what = "cannot make a PNG",
                                        .got = image.message});
      }
    }
    bytes.resize(size);
    return bytes;
  }

 private:
  void Blend(size_t pixel, double share, Colour colour) {
    const uint8_t parts[] = {colour.red, colour.green, colour.blue};
    for (size_t i = 0; i < 3; ++i) {
      uint8_t& value = pixels_[pixel * 3 + i];
      value =
          static_cast<uint8_t>(std::lround(value + share * (parts[i] - value)));
    }
  }

  size_t width_, height_;
  std::vector<uint8_t> pixels_;
};

}  // namespace

std::string ScatterPng(const Scatter& scatter, bool dark) {
  MALMOI_CHECK(scatter.width >= 1 && scatter.height >= 1);
  Raster raster(static_cast<size_t>(scatter.width),
                static_cast<size_t>(scatter.height),
                dark ? Colour{21, 23, 26} : Colour{255, 255, 255});
  const Frame frame(scatter, {kMargin, kMargin, scatter.width - kMargin,
                              scatter.height - kMargin});
  for (size_t i = 0; i < scatter.x.size(); ++i) {
    raster.Disc(frame.X(i), frame.Y(i), DotRadius(scatter), 0.8,
                ColourOf(scatter, ClassOf(scatter, i)));
  }
  return raster.Png();
}

}  // namespace malmoi::picture
