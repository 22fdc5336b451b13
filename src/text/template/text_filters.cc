// Filters on text.
#include <utf8proc.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/format.h"
#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

namespace {

// JSON text with \uXXXX (two for a character past U+FFFF) for all but ASCII.
std::string EscapeToAscii(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    int32_t code = 0;
    const auto length =
        utf8proc_iterate(reinterpret_cast<const uint8_t*>(text.data()) + i,
                         static_cast<utf8proc_ssize_t>(text.size() - i), &code);
    if (length < 1) {  // not UTF-8: ToJson writes none
      out += "\\ufffd";
      ++i;
      continue;
    }
    i += static_cast<size_t>(length);
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x10000) {
      out += Format("\\u{:04x}", code);
    } else {
      code -= 0x10000;
      out += Format("\\u{:04x}\\u{:04x}", 0xD800 + (code >> 10),
                    0xDC00 + (code & 0x3FF));
    }
  }
  return out;
}

}  // namespace

bool ArgumentFlag(const Arguments& arguments, size_t index,
                  std::string_view name) {
  const Value* value = Argument(arguments, index, name);
  return value != nullptr && value->Truth();
}

Value UrlEncode(Interpreter&, const Value& input, Arguments&) {
  std::string out;
  for (char c : input.Text()) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) ||
        std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += Format("%{:02X}", byte);
    }
  }
  return out;
}

Value WordCount(Interpreter&, const Value& input, Arguments&) {
  int64_t count = 0;
  bool inside = false;
  const std::string text = input.Text();
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    const bool word = point && IsWordCharacter(point->value);
    if (word && !inside) ++count;
    inside = word;
    at += point ? static_cast<size_t>(point->bytes) : 1;
  }
  return count;
}

// printf-style formatting, the few conversions templates use.
Value FormatFilter(Interpreter& run, const Value& input, Arguments& a) {
  const std::string format = input.Text();
  std::string out;
  size_t used = 0;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    size_t end = i + 1;
    while (end < format.size() &&
           std::string_view("-+ #0123456789.").find(format[end]) !=
               std::string_view::npos) {
      ++end;
    }
    if (end >= format.size()) run.Fail("incomplete format");
    const char kind = format[end];
    if (kind == '%') {
      out += '%';
      i = end;
      continue;
    }
    if (used >= a.positional.size()) {
      run.Fail("not enough arguments for format string");
    }
    const Value& value = a.positional[used++];
    std::string spec = format.substr(i, end - i);
    if (spec.size() > 12) run.Fail("unsupported format", spec);
    char buffer[512];
    if (kind == 's' || kind == 'r') {
      const std::string text = kind == 's' ? value.Text() : value.Repr();
      if (spec == "%") {
        out += text;
      } else {
        if (std::atoi(spec.c_str() + 1 + (spec[1] == '-')) > 500) {
          run.Fail("unsupported format", spec);
        }
        std::vector<char> wide(text.size() + 512);
        std::snprintf(wide.data(), wide.size(), (spec + "s").c_str(),
                      text.c_str());
        out += wide.data();
      }
    } else if (std::string_view("dixX").find(kind) != std::string_view::npos &&
               value.IsNumber()) {
      const long long number = value.IsFloat()
                                   ? static_cast<long long>(value.number())
                                   : value.integer();
      std::snprintf(buffer, sizeof(buffer),
                    (spec + "ll" + (kind == 'i' ? 'd' : kind)).c_str(), number);
      out += buffer;
    } else if (std::string_view("eEfFgG").find(kind) !=
                   std::string_view::npos &&
               value.IsNumber()) {
      std::snprintf(buffer, sizeof(buffer), (spec + kind).c_str(),
                    value.number());
      out += buffer;
    } else {
      run.Fail("unsupported format", spec + kind);
    }
    i = end;
  }
  if (used < a.positional.size()) {
    run.Fail("not all arguments converted during string formatting");
  }
  run.Charge(out.size());
  return out;
}

Value Indent(Interpreter& run, const Value& input, Arguments& a) {
  const Value* width = Argument(a, 0, "width");
  const bool first = ArgumentFlag(a, 1, "first");
  const bool blank = ArgumentFlag(a, 2, "blank");
  const std::string pad =
      width == nullptr    ? "    "
      : width->IsString() ? width->string()
                          : std::string(static_cast<size_t>(std::clamp<int64_t>(
                                            width->integer(), 0, 10'000)),
                                        ' ');
  const std::string text = input.Text();
  std::string out;
  size_t at = 0;
  for (int line = 0; at <= text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at ? (line > 0 || first)
                 : ((line > 0 && blank) || (line == 0 && first))) {
      out += pad;
    }
    out += text.substr(at, end - at);
    if (end == text.size()) break;
    out += '\n';
    at = end + 1;
  }
  run.Charge(out.size());
  return out;
}

Value ToJsonFilter(Interpreter& run, const Value& input, Arguments& a) {
  // transformers' tojson(x, ensure_ascii=False, indent=None, ...).
  const Value* indent = Argument(a, 1, "indent");
  for (const auto& [name, value] : a.named) {
    if (name == "indent") indent = &value;
  }
  bool sort_keys = false;
  for (const auto& [name, value] : a.named) {
    if (name == "sort_keys") sort_keys = value.Truth();
  }
  int spaces = -1;
  if (indent != nullptr && indent->IsIntegral()) {
    spaces = static_cast<int>(std::clamp<int64_t>(indent->integer(), 0, 100));
  }
  std::string out = ToJson(input, spaces, sort_keys);
  if (ArgumentFlag(a, 0, "ensure_ascii")) out = EscapeToAscii(out);
  run.Charge(out.size());
  return out;
}

Value Escape(Interpreter& run, const Value& input, Arguments&) {
  std::string out;
  for (char c : input.Text()) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  run.Charge(out.size());
  return out;
}

Value Truncate(Interpreter& run, const Value& input, Arguments& a) {
  const Value* length = Argument(a, 0, "length");
  const bool kill = ArgumentFlag(a, 1, "killwords");
  const Value* end = Argument(a, 2, "end");
  const Value* leeway_value = Argument(a, 3, "leeway");
  const int64_t size = length ? length->integer() : 255;
  const int64_t leeway = leeway_value ? leeway_value->integer() : 5;
  const std::string tail = end ? end->Text() : "...";
  const List characters = run.Iterate(Value(input.Text()));
  if (static_cast<int64_t>(characters.size()) <= size + leeway) return input;
  const int64_t keep = std::max<int64_t>(
      0, size - static_cast<int64_t>(run.Iterate(Value(tail)).size()));
  std::string out;
  for (int64_t i = 0; i < keep; ++i) {
    out += characters[static_cast<size_t>(i)].string();
  }
  if (!kill) {
    const size_t space = out.rfind(' ');
    if (space != std::string::npos) out.erase(space);
  }
  return out + tail;
}

}  // namespace malmoi::text::jinja
