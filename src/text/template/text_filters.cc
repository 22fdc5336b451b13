// Filters on text that stand apart for their size.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/format.h"
#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

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

}  // namespace malmoi::text::jinja
