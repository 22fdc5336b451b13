// One HTML file that holds all it needs: no network, and a policy in it that
// forbids any; light or dark as the reader has it.
#ifndef MALMOI_PICTURE_PAGE_H_
#define MALMOI_PICTURE_PAGE_H_

#include <string>

#include "base/json.h"

namespace malmoi::picture {

struct Page {
  std::string title;  // plain text
  std::string language = "en";
  // Markup, style and script are written as they are: texts of others belong
  // into `data`, or through Escape() (svg.h).
  std::string style;  // beside a plain one with --paper, --ink, --faint, --rule
  std::string body;   // as an Svg, or elements that the script fills
  std::string script;  // the only one that the page's policy lets run
  // Null, or what the script reads with
  // JSON.parse(document.getElementById("data").textContent).
  Json data;
};

// A failed check where the script or style holds its own end tag.
std::string HtmlPage(const Page& page);

}  // namespace malmoi::picture

#endif  // MALMOI_PICTURE_PAGE_H_
