// Pictures: escaping, numbers, colours against published values, and pages
// that cannot be broken out of.
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <set>
#include <span>

#include "base/base64.h"
#include "picture/colour.h"
#include "picture/page.h"
#include "picture/scatter.h"
#include "picture/scatter_place.h"
#include "picture/svg.h"

namespace malmoi::picture {
namespace {

TEST(Svg, EscapesMarkupAndWhatXmlDoesNotHave) {
  EXPECT_EQ(Escape("a<b> & \"c\" 'd'"),
            "a&lt;b&gt; &amp; &quot;c&quot; &#39;d&#39;");
  EXPECT_EQ(Escape("말모이 é \xF0\x9F\x98\x80"), "말모이 é \xF0\x9F\x98\x80");
  const std::string no = "\xEF\xBF\xBD";
  EXPECT_EQ(Escape(std::string("\0\x01", 2)), no + no);
  EXPECT_EQ(Escape("\tx\ny"), "\tx\ny");
  EXPECT_EQ(Escape("\xC3"), no);                    // cut off
  EXPECT_EQ(Escape("\xC0\xAF"), no + no);           // overlong
  EXPECT_EQ(Escape("\xED\xA0\x80"), no + no + no);  // a surrogate
  EXPECT_EQ(Escape("\xF4\x90\x80\x80"), no + no + no + no);
  EXPECT_EQ(Escape("\xEF\xBF\xBF"), no + no + no);  // U+FFFF
}

TEST(Svg, WritesNumbersShortly) {
  EXPECT_EQ(Number(3), "3");
  EXPECT_EQ(Number(100), "100");
  EXPECT_EQ(Number(2.50), "2.5");
  EXPECT_EQ(Number(-0.5), "-0.5");
  EXPECT_EQ(Number(-0.001), "0");
  EXPECT_EQ(Number(1.23456, 4), "1.2346");
  EXPECT_EQ(Number(std::nan("")), "0");
}

TEST(Svg, WritesElementsInOrder) {
  Svg svg(20, 10, "a & b", false);
  svg.OpenGroup({.fill = "#ff0000"});
  svg.Circle(1, 2, 3, {.tooltip = "<hi>"});
  svg.CloseGroup();
  svg.Line(0, 0, 5, 5, {.stroke = "#000", .stroke_width = 0.5});
  svg.Text(1, 1, "x<y", {.anchor = "middle"});
  EXPECT_EQ(svg.Finish(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20\" height=\"10"
            "\" viewBox=\"0 0 20 10\" role=\"img\" font-family=\"system-ui,sans"
            "-serif\">\n<title>a &amp; b</title>\n"
            "<g fill=\"#ff0000\">\n"
            "<circle cx=\"1\" cy=\"2\" r=\"3\"><title>&lt;hi&gt;</title>"
            "</circle>\n</g>\n"
            "<line x1=\"0\" y1=\"0\" x2=\"5\" y2=\"5\" stroke=\"#000\" "
            "stroke-width=\"0.5\"/>\n"
            "<text x=\"1\" y=\"1\" font-size=\"12\" text-anchor=\"middle\" "
            "class=\"ink\">x&lt;y</text>\n</svg>\n");
}

// https://bottosson.github.io/posts/oklab/ and the values of CSS Color 4:
// oklch(62.796% 0.25768 29.234) is red.
TEST(Colour, OklchIsThatOfCss) {
  EXPECT_EQ(Oklch(0.62796, 0.25768, 29.234), (Colour{255, 0, 0}));
  EXPECT_EQ(Oklch(0.86644, 0.29483, 142.495), (Colour{0, 255, 0}));
  EXPECT_EQ(Oklch(0.45201, 0.31321, 264.052), (Colour{0, 0, 255}));
  EXPECT_EQ(Oklch(1, 0, 0), (Colour{255, 255, 255}));
  EXPECT_NEAR(Lightness({255, 0, 0}), 0.62796, 1e-4);
  EXPECT_NEAR(Lightness({0, 0, 255}), 0.45201, 1e-4);
}

TEST(Colour, TheScaleGrowsEvenlyLighter) {
  double last = Lightness(Sequential(0));
  EXPECT_LT(last, 0.3);
  for (int i = 1; i <= 100; ++i) {
    const double now = Lightness(Sequential(i / 100.0));
    EXPECT_NEAR(now - last, 0.0068, 0.004) << i;
    last = now;
  }
  EXPECT_GT(last, 0.9);
  EXPECT_EQ(Sequential(-3), Sequential(0));
  EXPECT_EQ(Sequential(7), Sequential(1));
  EXPECT_EQ(Sequential(std::nan("")), (Colour{128, 128, 128}));
  EXPECT_NEAR(Lightness(Diverging(-0.7)), Lightness(Diverging(0.7)), 0.02);
}

TEST(Colour, ClassesDiffer) {
  EXPECT_EQ(Hex(Categorical(0, 2)), "#0072b2");  // Okabe and Ito's blue
  std::set<std::string> seen;
  for (int i = 0; i < 77; ++i) seen.insert(Hex(Categorical(i, 77)));
  EXPECT_EQ(seen.size(), 77u);
}

TEST(Page, CannotBeBrokenOutOf) {
  const std::string html =
      HtmlPage({.title = "a</title><script>",
                .script = "let x=1;",
                .data = {{"t", "</script><script>alert(1)//"}}});
  EXPECT_EQ(html.find("alert(1)"), html.rfind("alert(1)"));
  EXPECT_NE(html.find("\\u003c/script>\\u003cscript>alert"), html.npos);
  EXPECT_NE(html.find("a&lt;/title&gt;"), html.npos);
  // printf 'let x=1;' | openssl dgst -sha256 -binary | base64
  EXPECT_NE(
      html.find(
          "script-src 'sha256-Prh/12wWwzNvqAOgRFldocqxvkDDpvaeGBJvSNWzbds='"),
      html.npos);
  EXPECT_NE(html.find("default-src 'none'"), html.npos);
}

// Labels of a map meet neither each other nor the dots.
TEST(Scatter, LabelsDoNotOverlap) {
  Scatter scatter;
  for (int i = 0; i < 60; ++i) {
    scatter.x.push_back(std::cos(i * 0.7) * (i % 7));
    scatter.y.push_back(std::sin(i * 1.3) * (i % 5));
    scatter.texts.push_back("label " + std::to_string(i));
  }
  const Box area = {0, 0, 1000, 800};
  const Frame frame(scatter, {40, 40, 960, 760});
  const auto labels = PointLabels(scatter, frame, area, 12);
  EXPECT_GT(labels.size(), 30u);
  std::vector<Box> boxes;
  for (const Label& label : labels) {
    boxes.push_back({label.x, label.y - 6, label.x + TextWidth(label.text, 12),
                     label.y + 6});
  }
  const double dot = DotRadius(scatter);
  for (size_t i = 0; i < boxes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_FALSE(boxes[i].Meets(boxes[j]));
    for (size_t p = 0; p < scatter.x.size(); ++p) {
      EXPECT_FALSE(boxes[i].Meets({frame.X(p) - dot, frame.Y(p) - dot,
                                   frame.X(p) + dot, frame.Y(p) + dot}));
    }
  }
}

TEST(Scatter, FitsItsFrameAndCutsCharactersWhole) {
  const Scatter scatter = {.x = {1, 3}, .y = {5, 5}};
  const Frame frame(scatter, {100, 0, 300, 50});
  EXPECT_DOUBLE_EQ(frame.X(0), 100);
  EXPECT_DOUBLE_EQ(frame.X(1), 300);
  EXPECT_DOUBLE_EQ(frame.Y(0), 25);
  EXPECT_EQ(Shortened("말모이 사전", 3), "말모이…");
  EXPECT_EQ(Shortened("말모이", 3), "말모이");
}

// The pixel in the middle has the colour of the point; the corner is paper.
TEST(Scatter, PngIsReadBack) {
  const std::string bytes =
      ScatterPng({.x = {0, 1}, .y = {0, 1}, .width = 100, .height = 60});
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(
      png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
  EXPECT_EQ(image.width, 100u);
  EXPECT_EQ(image.height, 60u);
  image.format = PNG_FORMAT_RGB;
  std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
  ASSERT_TRUE(
      png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr));
  EXPECT_EQ(pixels[0], 255);
  // (0, 0) lies at the left below: 12 pixels a unit, about the middle.
  const size_t at = (35 * 100 + 44) * 3;
  EXPECT_LT(pixels[at], 60);
  EXPECT_NEAR(pixels[at + 2], 178 * 0.8 + 255 * 0.2, 8);
}

// RFC 4648, section 10.
TEST(Base64, HasTheVectorsOfTheRfc) {
  const auto encode = [](std::string_view text) {
    return Base64(std::as_bytes(std::span(text)));
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace malmoi::picture
