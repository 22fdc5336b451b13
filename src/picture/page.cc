#include "picture/page.h"

#include <span>
#include <string_view>

#include "base/base64.h"
#include "base/check.h"
#include "base/sha256.h"
#include "picture/svg.h"

namespace malmoi::picture {

namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#222;--faint:#6a6a6a;
--rule:#ccc;--panel:#f6f6f6}
@media(prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e6e6e6;
--faint:#9a9a9a;--rule:#444;--panel:#1f2226}}
body{margin:0;background:var(--paper);color:var(--ink);
font:14px/1.4 system-ui,sans-serif}
)";

// What a content security policy names a script by.
std::string HashSource(std::string_view script) {
  const std::string hex = Sha256Hex(std::as_bytes(std::span(script)));
  std::string bytes;
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
  }
  return "'sha256-" + Base64(std::as_bytes(std::span(bytes))) + "'";
}

// JSON that no parser of HTML can take for markup.
std::string InertJson(const Json& data) {
  std::string out;
  for (const char c : DumpJson(data)) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string HtmlPage(const Page& page) {
  MALMOI_CHECK(page.script.find("</script") == std::string::npos);
  MALMOI_CHECK(page.style.find("</style") == std::string::npos);
  std::string policy =
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
      "form-action 'none'";
  if (!page.script.empty()) policy += "; script-src " + HashSource(page.script);
  std::string html = "<!DOCTYPE html>\n<html lang=\"" + Escape(page.language) +
                     "\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"" +
                     policy +
                     "\">\n<meta name=\"viewport\" content=\"width=device-width"
                     ",initial-scale=1\">\n<title>" +
                     Escape(page.title) + "</title>\n<style>";
  html += kStyle;
  html += page.style;
  html += "</style>\n</head>\n<body>\n";
  html += page.body;
  if (!page.data.is_null()) {
    html += "\n<script type=\"application/json\" id=\"data\">" +
            InertJson(page.data) + "</script>\n";
  }
  if (!page.script.empty()) {
    html += "\n<script>" + page.script + "</script>\n";
  }
  html += "</body>\n</html>\n";
  return html;
}

}  // namespace malmoi::picture
