// Where the points and labels of a map lie on a picture.
#ifndef MALMOI_PICTURE_SCATTER_PLACE_H_
#define MALMOI_PICTURE_SCATTER_PLACE_H_

#include <string>
#include <vector>

#include "picture/scatter.h"

namespace malmoi::picture {

struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
  bool Meets(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom &&
           other.top < bottom;
  }
};

// From the map's numbers to pixels, both axes alike, within `area`.
class Frame {
 public:
  Frame(const Scatter& scatter, const Box& area);
  double X(size_t point) const { return x_ + scale_ * scatter_.x[point]; }
  double Y(size_t point) const { return y_ - scale_ * scatter_.y[point]; }

 private:
  const Scatter& scatter_;
  double scale_ = 1, x_ = 0, y_ = 0;
};

// About as wide as it is drawn: letters and wide (East Asian) characters.
double TextWidth(const std::string& text, double size);
// At most `most` characters, then "…". Invalid bytes count as one each.
std::string Shortened(const std::string& text, size_t most);
// Of a dot.
double DotRadius(const Scatter& scatter);

struct Label {
  double x = 0, y = 0;  // the middle of its left edge
  std::string text;
  int32_t index = 0;  // of the point or class
};

// Beside their points, in order, as far as they meet no other label or point.
std::vector<Label> PointLabels(const Scatter& scatter, const Frame& frame,
                               const Box& area, double size);
// At the medians of classes, the larger first, where they meet no other.
std::vector<Label> ClassLabels(const Scatter& scatter, const Frame& frame,
                               const Box& area, double size);

}  // namespace malmoi::picture

#endif  // MALMOI_PICTURE_SCATTER_PLACE_H_
