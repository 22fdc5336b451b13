#include "picture/svg.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "base/check.h"
#include "base/format.h"

namespace malmoi::picture {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// The bytes of the valid character that begins at `at`, or 0.
size_t ValidLength(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
  };
  const uint8_t first = byte(at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  uint32_t code = first & (0xFF >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(at + i) & 0x3F);
  }
  const uint32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
  const bool surrogate = code >= 0xD800 && code < 0xE000;
  // XML has no U+FFFE and U+FFFF.
  const bool forbidden = code == 0xFFFE || code == 0xFFFF;
  return code < least || code > 0x10FFFF || surrogate || forbidden ? 0 : length;
}

void AddLook(std::string& out, const Look& look) {
  const auto add = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out += Format(" {}=\"{}\"", name, Escape(value));
  };
  add("class", look.css_class);
  add("fill", look.fill);
  add("stroke", look.stroke);
  if (look.stroke_width > 0) add("stroke-width", Number(look.stroke_width));
  if (look.opacity > 0) add("opacity", Number(look.opacity, 3));
  if (!look.attributes.empty()) out += " " + look.attributes;
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) {
    const size_t length = ValidLength(text, at);
    const char c = text[at];
    if (length == 0) {
      out += kReplacement;
      // One for each wrong byte: a broken text stays as long as it was.
      ++at;
      continue;
    }
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else if (static_cast<uint8_t>(c) < 0x20 && c != '\t' && c != '\n') {
      out += kReplacement;
    } else {
      out += text.substr(at, length);
    }
    at += length;
  }
  return out;
}

std::string Number(double value, int decimals) {
  if (!std::isfinite(value)) return "0";
  std::string text = Format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

Svg::Svg(double width, double height, std::string_view title, bool scheme)
    : width_(width), height_(height) {
  text_ = Format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\" role=\"img\" font-family=\"system-ui,sans-serif"
      "\">\n<title>{2}</title>\n",
      Number(width), Number(height), Escape(title));
  if (!scheme) return;
  text_ +=
      "<style>.paper{fill:#fff}.ink{fill:#222}.faint{fill:#767676}"
      ".rule{stroke:#ccc}@media(prefers-color-scheme:dark){.paper{fill:#15171a}"
      ".ink{fill:#e6e6e6}.faint{fill:#949494}.rule{stroke:#444}}</style>\n";
  Rect(0, 0, width, height, {.css_class = "paper"});
}

void Svg::Element(std::string_view name, std::string_view attributes,
                  const Look& look, std::string_view content) {
  text_ += Format("<{}{}", name, attributes);
  AddLook(text_, look);
  if (look.tooltip.empty() && content.empty()) {
    text_ += "/>\n";
    return;
  }
  text_ += ">";
  if (!look.tooltip.empty()) {
    text_ += "<title>" + Escape(look.tooltip) + "</title>";
  }
  text_ += Format("{}</{}>\n", content, name);
}

void Svg::Rect(double x, double y, double width, double height,
               const Look& look) {
  Element("rect",
          Format(" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", Number(x),
                 Number(y), Number(width), Number(height)),
          look);
}

void Svg::Circle(double x, double y, double radius, const Look& look) {
  Element("circle",
          Format(" cx=\"{}\" cy=\"{}\" r=\"{}\"", Number(x), Number(y),
                 Number(radius)),
          look);
}

void Svg::Line(double x1, double y1, double x2, double y2, const Look& look) {
  Element("line",
          Format(" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"", Number(x1),
                 Number(y1), Number(x2), Number(y2)),
          look);
}

void Svg::Path(std::string_view d, const Look& look) {
  Element("path", Format(" d=\"{}\"", Escape(d)), look);
}

void Svg::Text(double x, double y, std::string_view text, const TextLook& how,
               const Look& look) {
  std::string attributes = Format(" x=\"{}\" y=\"{}\" font-size=\"{}\"",
                                  Number(x), Number(y), Number(how.size));
  if (how.anchor != "start") {
    attributes += Format(" text-anchor=\"{}\"", Escape(how.anchor));
  }
  if (how.baseline != "auto") {
    const auto name = how.baseline == "middle" ? "central" : how.baseline;
    attributes += Format(" dominant-baseline=\"{}\"", Escape(name));
  }
  if (how.bold) attributes += " font-weight=\"bold\"";
  if (how.rotate != 0) {
    attributes += Format(" transform=\"rotate({} {} {})\"", Number(how.rotate),
                         Number(x), Number(y));
  }
  if (look.fill.empty() && look.css_class.empty()) {
    Look own = look;
    own.css_class = "ink";
    return Element("text", attributes, own, Escape(text));
  }
  Element("text", attributes, look, Escape(text));
}

void Svg::OpenGroup(const Look& look, std::string_view transform) {
  text_ += "<g";
  if (!transform.empty()) {
    text_ += Format(" transform=\"{}\"", Escape(transform));
  }
  AddLook(text_, look);
  text_ += ">\n";
  if (!look.tooltip.empty()) {
    text_ += "<title>" + Escape(look.tooltip) + "</title>\n";
  }
  ++open_;
}

void Svg::CloseGroup() {
  MALMOI_CHECK(open_ > 0);
  text_ += "</g>\n";
  --open_;
}

std::string Svg::Finish() {
  MALMOI_CHECK(open_ == 0);
  text_ += "</svg>\n";
  return std::exchange(text_, {});
}

}  // namespace malmoi::picture
