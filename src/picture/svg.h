// A small writer of SVG: shapes, text, tooltips, as few bytes as they need and
// the same bytes on every machine. What is written is what one appended, in
// that order; there is no tree. https://www.w3.org/TR/SVG11/
#ifndef MALMOI_PICTURE_SVG_H_
#define MALMOI_PICTURE_SVG_H_

#include <string>
#include <string_view>

namespace malmoi::picture {

// For text and attributes of XML and HTML: & < > " ' become references;
// invalid UTF-8 and characters that XML 1.0 does not have become U+FFFD.
std::string Escape(std::string_view text);

// With at most `decimals` behind the point and no zeros at the end: "3", "-.5"
// is written "-0.5". Not finite: "0".
std::string Number(double value, int decimals = 2);

// What an element looks like. Empty or 0: the attribute is not written.
// Colours as CSS spells them. The classes "ink", "faint" (a fill), "rule" (a
// stroke) and "paper" follow the reader's light or dark scheme.
struct Look {
  std::string fill;
  std::string stroke;
  double stroke_width = 0;
  double opacity = 0;
  std::string css_class;
  std::string tooltip;     // a <title>: what browsers show on hovering
  std::string attributes;  // further ones, written as they are: `id="a"`
};

struct TextLook {
  double size = 12;
  // start, middle, end; of the baseline: auto, middle (the middle of letters).
  std::string_view anchor = "start";
  std::string_view baseline = "auto";
  bool bold = false;
  double rotate = 0;  // degrees clockwise, around the text's place
};

// Pixels, y downwards. Not for several threads.
class Svg {
 public:
  // `title` is what screen readers say of the whole picture. `scheme`: begin
  // with a style of the classes above, and a background of "paper".
  Svg(double width, double height, std::string_view title, bool scheme = true);

  void Rect(double x, double y, double width, double height, const Look& look);
  void Circle(double x, double y, double radius, const Look& look);
  void Line(double x1, double y1, double x2, double y2, const Look& look);
  // `d`: "M0 0L10 5Z"; made with Number().
  void Path(std::string_view d, const Look& look);
  // Class "ink" unless `look` has a fill or a class.
  void Text(double x, double y, std::string_view text, const TextLook& how = {},
            const Look& look = {});
  // What follows, up to CloseGroup(), inherits the look. `transform`:
  // "translate(10 20)", or empty.
  void OpenGroup(const Look& look, std::string_view transform = "");
  void CloseGroup();

  double width() const { return width_; }
  double height() const { return height_; }
  // The whole picture, ended; the writer is empty afterwards. A failed check
  // where a group is open.
  std::string Finish();

 private:
  void Element(std::string_view name, std::string_view attributes,
               const Look& look, std::string_view content = "");

  double width_, height_;
  int open_ = 0;
  std::string text_;
};

}  // namespace malmoi::picture

#endif  // MALMOI_PICTURE_SVG_H_
