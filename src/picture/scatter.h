// A map of points: as SVG, as PNG, and as a page that zooms, searches and tells
// what each point is. Classes are colours; axes mean nothing on such a map and
// are not drawn.
#ifndef MALMOI_PICTURE_SCATTER_H_
#define MALMOI_PICTURE_SCATTER_H_

#include <cstdint>
#include <string>
#include <vector>

namespace malmoi::picture {

struct Scatter {
  std::string title;
  std::vector<double> x, y;        // one for each point, finite; y upwards
  std::vector<std::string> texts;  // one for each point, or none
  // The class of each point, an index of `class_names`; or none.
  std::vector<int32_t> classes;
  std::vector<std::string> class_names;
  double width = 1000, height = 800;  // pixels
};

// "#0072b2": of a point's class, or of all points.
std::string ClassColour(const Scatter& scatter, int32_t index);

// Up to 2,000 points have their text as a tooltip, up to 80 beside them as far
// as there is room without overlap; more are a path for each class. Up to 20
// classes have a legend, more their names at the middle of their points.
std::string ScatterSvg(const Scatter& scatter);

// The bytes of a PNG: points only, no text. On white, or `dark`.
std::string ScatterPng(const Scatter& scatter, bool dark = false);

// One HTML file. `language`: "en" or "ko".
std::string ScatterHtml(const Scatter& scatter, const std::string& language);

}  // namespace malmoi::picture

#endif  // MALMOI_PICTURE_SCATTER_H_
