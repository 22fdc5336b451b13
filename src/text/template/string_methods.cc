// The methods of strings in templates, with Python's behaviour.
#include <algorithm>
#include <cctype>

#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

std::string StringArgument(Interpreter& run, const Arguments& a, size_t index,
                           std::string_view name) {
  const Value* value = Argument(a, index, name);
  if (value == nullptr || !value->IsString()) {
    run.Fail("a string argument is needed", std::string(name));
  }
  return value->string();
}

namespace {

const std::string& Text(const Value& value) { return value.string(); }

// Strips the characters of the argument, or whitespace, from the ends.
Value StripEnds(Interpreter& run, const Value& self, Arguments& a, bool left,
                bool right) {
  const Value* chars = Argument(a, 0, "chars");
  const List characters = run.Iterate(self);
  const auto strip = [&](const Value& c) {
    if (chars != nullptr && chars->IsString()) {
      return chars->string().find(c.string()) != std::string::npos;
    }
    const auto point = DecodeAt(c.string(), 0);
    return point && (IsWhitespace(point->value) ||
                     (point->value >= 0x1c && point->value <= 0x1f));
  };
  size_t begin = 0;
  size_t end = characters.size();
  while (left && begin < end && strip(characters[begin])) ++begin;
  while (right && end > begin && strip(characters[end - 1])) --end;
  std::string out;
  for (size_t i = begin; i < end; ++i) out += characters[i].string();
  return out;
}
Value Strip(Interpreter& run, const Value& self, Arguments& a) {
  return StripEnds(run, self, a, true, true);
}
Value LeftStrip(Interpreter& run, const Value& self, Arguments& a) {
  return StripEnds(run, self, a, true, false);
}
Value RightStrip(Interpreter& run, const Value& self, Arguments& a) {
  return StripEnds(run, self, a, false, true);
}

Value SplitText(Interpreter& run, const Value& self, Arguments& a) {
  const Value* separator = Argument(a, 0, "sep");
  const Value* limit = Argument(a, 1, "maxsplit");
  int64_t left = limit && limit->IsIntegral() ? limit->integer() : -1;
  const std::string& text = Text(self);
  run.Charge(text.size() * 4);
  List out;
  if (separator == nullptr || separator->IsNone()) {
    size_t at = 0;
    const auto space = [&](size_t i) {
      const auto point = DecodeAt(text, i);
      return point && IsWhitespace(point->value)
                 ? static_cast<size_t>(point->bytes)
                 : size_t{0};
    };
    while (true) {
      while (at < text.size() && space(at) > 0) at += space(at);
      if (at >= text.size()) break;
      if (left == 0) {
        std::string rest = text.substr(at);
        Arguments none;
        out.push_back(RightStrip(run, Value(rest), none));
        break;
      }
      size_t end = at;
      while (end < text.size() && space(end) == 0) ++end;
      out.emplace_back(text.substr(at, end - at));
      at = end;
      --left;
    }
    return Value::FromList(std::move(out));
  }
  const std::string cut = separator->Text();
  if (cut.empty()) run.Fail("empty separator");
  size_t at = 0;
  while (left != 0) {
    const size_t end = text.find(cut, at);
    if (end == std::string::npos) break;
    out.emplace_back(text.substr(at, end - at));
    at = end + cut.size();
    --left;
  }
  out.emplace_back(text.substr(at));
  return Value::FromList(std::move(out));
}

// From the right; without a separator only as often as split().
Value SplitRight(Interpreter& run, const Value& self, Arguments& a) {
  const Value* separator = Argument(a, 0, "sep");
  const Value* limit = Argument(a, 1, "maxsplit");
  if (limit == nullptr || !limit->IsIntegral() || limit->integer() < 0) {
    return SplitText(run, self, a);
  }
  if (separator == nullptr || separator->IsNone()) {
    run.Fail("rsplit with a limit needs a separator");
  }
  const std::string cut = separator->Text();
  if (cut.empty()) run.Fail("empty separator");
  std::string text = Text(self);
  run.Charge(text.size() * 4);
  List out;
  for (int64_t left = limit->integer(); left > 0; --left) {
    const size_t at = text.rfind(cut);
    if (at == std::string::npos) break;
    out.emplace_back(text.substr(at + cut.size()));
    text.resize(at);
  }
  out.emplace_back(text);
  std::reverse(out.begin(), out.end());
  return Value::FromList(std::move(out));
}

Value SplitLines(Interpreter& run, const Value& self, Arguments&) {
  run.Charge(Text(self).size() * 4);
  List out;
  const std::string& text = Text(self);
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find_first_of("\n\r", at), text.size());
    out.emplace_back(text.substr(at, end - at));
    at = end + 1;
    if (end < text.size() && text[end] == '\r' && at < text.size() &&
        text[at] == '\n') {
      ++at;
    }
  }
  return Value::FromList(std::move(out));
}

Value ReplaceText(Interpreter& run, const Value& self, Arguments& a) {
  const Value* count = Argument(a, 2, "count");
  const Value* old_value = Argument(a, 0, "old");
  const Value* new_value = Argument(a, 1, "new");
  if (old_value == nullptr || new_value == nullptr) {
    run.Fail("replace needs two strings");
  }
  const std::string old = old_value->Text();
  const std::string with = new_value->Text();
  int64_t left = count && count->IsIntegral() ? count->integer() : -1;
  const std::string& text = Text(self);
  std::string out;
  if (old.empty()) {
    const List characters = run.Iterate(self);
    run.Charge((characters.size() + 1) * (with.size() + 4));
    for (const Value& c : characters) {
      if (left != 0) {
        out += with;
        --left;
      }
      out += c.string();
    }
    if (left != 0) out += with;
    return out;
  }
  size_t at = 0;
  while (left != 0) {
    const size_t found = text.find(old, at);
    if (found == std::string::npos) break;
    out += text.substr(at, found - at) + with;
    at = found + old.size();
    --left;
    if (out.size() > (size_t{64} << 20)) run.Charge(out.size() * 16);
  }
  out += text.substr(at);
  run.Charge(out.size());
  return out;
}

template <bool kStart>
Value StartsOrEnds(Interpreter& run, const Value& self, Arguments& a) {
  if (a.positional.empty()) run.Fail("a string is needed");
  const Value& what = a.positional[0];
  const List options =
      what.IsSequence() && what.tuple() ? what.list() : List{what};
  for (const Value& option : options) {
    if (!option.IsString()) {
      run.Fail("a string is needed", std::string(option.TypeName()));
    }
    if (kStart ? Text(self).starts_with(option.string())
               : Text(self).ends_with(option.string())) {
      return true;
    }
  }
  return false;
}

Value Lower(Interpreter&, const Value& self, Arguments&) {
  return Lowercase(Text(self));
}

std::string UpperText(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    if (!point) {
      out += text[at++];
      continue;
    }
    if (point->value == 0xdf) {
      out += "SS";
    } else {
      AppendUtf8(out, Uppercase(point->value));
    }
    at += static_cast<size_t>(point->bytes);
  }
  return out;
}
Value Upper(Interpreter&, const Value& self, Arguments&) {
  return UpperText(Text(self));
}
Value Capitalize(Interpreter& run, const Value& self, Arguments&) {
  const List characters = run.Iterate(self);
  if (characters.empty()) return "";
  const std::string& first = characters[0].string();
  return UpperText(first) + Lowercase(Text(self).substr(first.size()));
}
Value Title(Interpreter& run, const Value& self, Arguments&) {
  std::string out;
  bool inside = false;
  for (const Value& c : run.Iterate(self)) {
    const std::string& one = c.string();
    const auto point = DecodeAt(one, 0);
    const bool letter = point && IsWordCharacter(point->value) &&
                        !IsNumeric(point->value) && point->value != '_';
    out += letter ? (inside ? Lowercase(one) : UpperText(one)) : one;
    inside = letter;
  }
  return out;
}

Value Center(Interpreter& run, const Value& self, Arguments& a) {
  const Value* width = Argument(a, 0, "width");
  const int64_t size = static_cast<int64_t>(run.Iterate(self).size());
  const int64_t wanted = std::clamp<int64_t>(
      width && width->IsIntegral() ? width->integer() : 80, 0, 100'000);
  if (wanted <= size) return self;
  const int64_t pad = wanted - size;
  const int64_t left = pad / 2 + (pad & wanted & 1);
  return std::string(static_cast<size_t>(left), ' ') + Text(self) +
         std::string(static_cast<size_t>(pad - left), ' ');
}

Value JoinMethod(Interpreter& run, const Value& self, Arguments& a) {
  if (a.positional.empty()) run.Fail("join needs items");
  std::string out;
  bool first = true;
  for (const Value& item : run.Iterate(a.positional[0])) {
    if (!item.IsString()) run.Fail("join of what are no strings");
    if (!first) out += Text(self);
    first = false;
    out += item.string();
    if (out.size() > (size_t{64} << 20)) run.Charge(out.size() * 16);
  }
  run.Charge(out.size());
  return out;
}

int64_t CharacterIndex(const std::string& text, size_t byte) {
  return std::count_if(
      text.begin(), text.begin() + static_cast<long>(byte),
      [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}
template <bool kLast, bool kMust>
Value FindText(Interpreter& run, const Value& self, Arguments& a) {
  const std::string what = StringArgument(run, a, 0, "sub");
  const size_t at = kLast ? Text(self).rfind(what) : Text(self).find(what);
  if (at == std::string::npos) {
    if (kMust) run.Fail("substring not found", what);
    return -1;
  }
  return CharacterIndex(Text(self), at);
}
Value CountText(Interpreter& run, const Value& self, Arguments& a) {
  const std::string what = StringArgument(run, a, 0, "sub");
  if (what.empty()) {
    return static_cast<int64_t>(run.Iterate(self).size()) + 1;
  }
  int64_t count = 0;
  for (size_t at = Text(self).find(what); at != std::string::npos;
       at = Text(self).find(what, at + what.size())) {
    ++count;
  }
  return count;
}

template <bool (*kHolds)(char32_t)>
Value All(Interpreter&, const Value& self, Arguments&) {
  const std::string& text = Text(self);
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    if (!point || !kHolds(point->value)) return false;
    at += static_cast<size_t>(point->bytes);
  }
  return !text.empty();
}
bool IsLetter(char32_t c) {
  return IsWordCharacter(c) && !IsNumeric(c) && c != '_';
}
bool IsAlphanumeric(char32_t c) { return IsWordCharacter(c) && c != '_'; }

Value RemoveAffix(Interpreter& run, const Value& self, Arguments& a,
                  bool prefix) {
  const std::string what = StringArgument(run, a, 0, "affix");
  const std::string& text = Text(self);
  if (prefix ? text.starts_with(what) : text.ends_with(what)) {
    return prefix ? text.substr(what.size())
                  : text.substr(0, text.size() - what.size());
  }
  return self;
}

// str.format with {}, {0} and {name}.
Value FormatMethod(Interpreter& run, const Value& self, Arguments& a) {
  const std::string& text = Text(self);
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c) {
      out += c;
      ++i;
      continue;
    }
    if (c != '{') {
      out += c;
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string::npos) run.Fail("a cut format field");
    const std::string field = text.substr(i + 1, end - i - 1);
    const Value* value = nullptr;
    if (field.empty()) {
      if (next < a.positional.size()) value = &a.positional[next++];
    } else if (field.find_first_not_of("0123456789") == std::string::npos &&
               field.size() < 6) {
      const size_t index = static_cast<size_t>(std::stoi(field));
      if (index < a.positional.size()) value = &a.positional[index];
    } else {
      value = Argument(a, SIZE_MAX, field);
    }
    if (value == nullptr) run.Fail("unsupported format field", field);
    out += value->Text();
    i = end;
  }
  run.Charge(out.size());
  return out;
}

}  // namespace

const MethodTable& StringMethods() {
  static const MethodTable kMethods = {
      {"capitalize", Capitalize},
      {"center", Center},
      {"count", CountText},
      {"endswith", StartsOrEnds<false>},
      {"find", FindText<false, false>},
      {"format", FormatMethod},
      {"index", FindText<false, true>},
      {"isalnum", All<IsAlphanumeric>},
      {"isalpha", All<IsLetter>},
      {"isdecimal", All<IsNumeric>},
      {"isdigit", All<IsNumeric>},
      {"isnumeric", All<IsNumeric>},
      {"isspace", All<IsWhitespace>},
      {"islower", [](Interpreter&, const Value& s,
                     Arguments&) { return Value(IsCase(s, false)); }},
      {"isupper", [](Interpreter&, const Value& s,
                     Arguments&) { return Value(IsCase(s, true)); }},
      {"join", JoinMethod},
      {"lower", Lower},
      {"casefold", Lower},
      {"lstrip", LeftStrip},
      {"removeprefix",
       [](Interpreter& run, const Value& s, Arguments& a) {
         return RemoveAffix(run, s, a, true);
       }},
      {"removesuffix",
       [](Interpreter& run, const Value& s, Arguments& a) {
         return RemoveAffix(run, s, a, false);
       }},
      {"replace", ReplaceText},
      {"rfind", FindText<true, false>},
      {"rsplit", SplitRight},
      {"rstrip", RightStrip},
      {"split", SplitText},
      {"splitlines", SplitLines},
      {"startswith", StartsOrEnds<true>},
      {"strip", Strip},
      {"title", Title},
      {"upper", Upper},
  };
  return kMethods;
}

}  // namespace malmoi::text::jinja
