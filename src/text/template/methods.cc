// Tests, methods of strings, lists and dicts, and the global functions.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>

#include "base/error.h"
#include "base/format.h"
#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

namespace {

// ---- tests

template <typename Predicate>
bool ByOrder(Interpreter& run, const Value& value, Arguments& a,
             Predicate&& holds) {
  if (a.positional.empty()) run.Fail("a test needs an operand");
  const auto order = Compare(value, a.positional[0]);
  if (!order) run.Fail("cannot compare");
  return holds(*order);
}
bool IsEqual(Interpreter& run, const Value& value, Arguments& a) {
  if (a.positional.empty()) run.Fail("a test needs an operand");
  return Equal(value, a.positional[0]);
}
int64_t Whole(Interpreter& run, const Value& value) {
  if (!value.IsIntegral()) run.Fail("an integer is needed");
  return value.integer();
}
bool Divisible(Interpreter& run, const Value& value, Arguments& a) {
  if (a.positional.empty()) run.Fail("divisibleby needs a number");
  const int64_t by = Whole(run, a.positional[0]);
  if (by == 0) run.Fail("division by zero");
  return by == -1 || Whole(run, value) % by == 0;
}

bool IsCase(const Value& value, bool upper) {
  const std::string text = value.Text();
  bool cased = false;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    if (!point) return false;
    const std::string one = text.substr(at, static_cast<size_t>(point->bytes));
    const bool is_lower = Lowercase(one) == one;
    if (upper ? !is_lower
              : is_lower && std::isalpha(static_cast<unsigned char>(one[0]))) {
      cased = true;
    }
    if (upper && is_lower && std::islower(static_cast<unsigned char>(one[0]))) {
      return false;
    }
    if (!upper && !is_lower) return false;
    at += static_cast<size_t>(point->bytes);
  }
  return cased;
}

// ---- string methods

const std::string& Text(const Value& value) { return value.string(); }

std::string StringArgument(Interpreter& run, const Arguments& a, size_t index,
                           std::string_view name) {
  const Value* value = Argument(a, index, name);
  if (value == nullptr || !value->IsString()) {
    run.Fail("a string argument is needed", std::string(name));
  }
  return value->string();
}

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

// ---- dict and list methods

Value DictItems(Interpreter&, const Value& self, Arguments&) {
  List out;
  for (const auto& [key, value] : self.dict().items) {
    out.push_back(Value::FromList({key, value}, true));
  }
  return Value::FromList(std::move(out));
}
Value DictKeys(Interpreter& run, const Value& self, Arguments&) {
  return Value::FromList(run.Iterate(self));
}
Value DictValues(Interpreter&, const Value& self, Arguments&) {
  List out;
  for (const auto& [key, value] : self.dict().items) out.push_back(value);
  return Value::FromList(std::move(out));
}
Value DictGet(Interpreter& run, const Value& self, Arguments& a) {
  if (a.positional.empty()) run.Fail("get needs a key");
  const Value* value = self.dict().Find(a.positional[0]);
  if (value != nullptr) return *value;
  return a.positional.size() > 1 ? a.positional[1] : Value(nullptr);
}
Value Copy(Interpreter&, const Value& self, Arguments&) { return self; }
Value ListIndex(Interpreter& run, const Value& self, Arguments& a) {
  if (a.positional.empty()) run.Fail("index needs a value");
  const List& items = self.list();
  for (size_t i = 0; i < items.size(); ++i) {
    if (Equal(items[i], a.positional[0])) return static_cast<int64_t>(i);
  }
  run.Fail("value is not in the list");
}
Value ListCount(Interpreter& run, const Value& self, Arguments& a) {
  if (a.positional.empty()) run.Fail("count needs a value");
  return static_cast<int64_t>(
      std::count_if(self.list().begin(), self.list().end(),
                    [&](const Value& v) { return Equal(v, a.positional[0]); }));
}
// The sandbox is immutable: append, pop, update and the like are refused.
Value Refused(Interpreter& run, const Value&, Arguments&) {
  run.Fail("the sandbox does not change lists and dicts");
}

using MethodTable = std::map<std::string_view, Function::Body>;

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

// ---- globals

Value Range(Interpreter& run, const Value&, Arguments& a) {
  int64_t bounds[3] = {0, 0, 1};
  const size_t count = a.positional.size();
  if (count < 1 || count > 3) run.Fail("range needs 1 to 3 numbers");
  for (size_t i = 0; i < count; ++i) {
    const int64_t value = Whole(run, a.positional[i]);
    bounds[count == 1 ? 1 : i] = value;
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) run.Fail("range step cannot be zero");
  constexpr int64_t kMaxRange = 100'000;  // Jinja's sandbox has the same
  List out;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<int64_t>(out.size()) >= kMaxRange) {
      throw Error(ErrorCode::kLimit, {.where = "chat template",
                                      .what = "range is too large",
                                      .expected = "at most 100000"});
    }
    out.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return Value::FromList(std::move(out));
}

Value MakeNamespace(Interpreter&, const Value&, Arguments& a) {
  auto space = std::make_shared<Namespace>();
  for (const Value& dict : a.positional) {
    if (!dict.IsDict()) continue;
    for (const auto& [key, value] : dict.dict().items) {
      space->values[key.Text()] = value;
    }
  }
  for (const auto& [name, value] : a.named) space->values[name] = value;
  return Value(std::shared_ptr<Object>(space));
}

Value MakeDict(Interpreter&, const Value&, Arguments& a) {
  auto dict = std::make_shared<Dict>();
  if (!a.positional.empty() && a.positional[0].IsDict()) {
    dict->items = a.positional[0].dict().items;
  }
  for (const auto& [name, value] : a.named) dict->Set(Value(name), value);
  return dict;
}

Value RaiseException(Interpreter& run, const Value&, Arguments& a) {
  run.Fail("the chat template refused the conversation",
           a.positional.empty() ? "" : a.positional[0].Text());
}

Value StrftimeNow(Interpreter& run, const Value&, Arguments& a) {
  const std::string format = StringArgument(run, a, 0, "format");
  const std::time_t now =
      run.now() ? static_cast<std::time_t>(*run.now()) : std::time(nullptr);
  std::tm local = {};
  localtime_r(&now, &local);
  char buffer[1024];
  const size_t size =
      std::strftime(buffer, sizeof(buffer), format.c_str(), &local);
  return std::string(buffer, size);
}

class Joiner : public Object {
 public:
  explicit Joiner(std::string separator) : separator_(std::move(separator)) {}
  Value Call(Interpreter&, Arguments&) override {
    return std::exchange(used_, true) ? separator_ : std::string();
  }
  std::string_view TypeName() const override { return "joiner"; }

 private:
  std::string separator_;
  bool used_ = false;
};

class Cycler : public Object {
 public:
  explicit Cycler(List items) : items_(std::move(items)) {}
  std::optional<Value> Attribute(std::string_view name) override {
    if (name == "current") return items_[at_];
    if (name == "next") {
      return Value(std::make_shared<Next>(shared_from(), false));
    }
    if (name == "reset") {
      return Value(std::make_shared<Next>(shared_from(), true));
    }
    return std::nullopt;
  }
  std::string_view TypeName() const override { return "cycler"; }
  std::weak_ptr<Cycler> self;

 private:
  struct Next : Object {
    Next(std::shared_ptr<Cycler> cycler, bool reset)
        : cycler(std::move(cycler)), reset(reset) {}
    Value Call(Interpreter&, Arguments&) override {
      if (reset) {
        cycler->at_ = 0;
        return nullptr;
      }
      Value value = cycler->items_[cycler->at_];
      cycler->at_ = (cycler->at_ + 1) % cycler->items_.size();
      return value;
    }
    std::string_view TypeName() const override { return "method"; }
    std::shared_ptr<Cycler> cycler;
    bool reset;
  };
  std::shared_ptr<Cycler> shared_from() { return self.lock(); }

  List items_;
  size_t at_ = 0;
};

}  // namespace

TestFunction FindTest(std::string_view name) {
  static const std::map<std::string_view, TestFunction> kTests = {
      {"boolean",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsBool(); }},
      {"callable",
       [](Interpreter&, const Value& v, Arguments&) {
         return v.IsObject() && v.TypeName() != "namespace";
       }},
      {"defined", [](Interpreter&, const Value& v,
                     Arguments&) { return !v.IsUndefined(); }},
      {"divisibleby", Divisible},
      {"eq", IsEqual},
      {"equalto", IsEqual},
      {"==", IsEqual},
      {"even", [](Interpreter& r, const Value& v,
                  Arguments&) { return Whole(r, v) % 2 == 0; }},
      {"false", [](Interpreter&, const Value& v,
                   Arguments&) { return v.IsBool() && !v.integer(); }},
      {"filter", [](Interpreter&, const Value& v,
                    Arguments&) { return FindFilter(v.Text()) != nullptr; }},
      {"float",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsFloat(); }},
      {"ge",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o >= 0; });
       }},
      {"gt",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o > 0; });
       }},
      {"greaterthan",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o > 0; });
       }},
      {"in",
       [](Interpreter& r, const Value& v, Arguments& a) {
         if (a.positional.empty()) r.Fail("in needs a container");
         return r.Contains(a.positional[0], v);
       }},
      {"integer",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsInt(); }},
      {"iterable",
       [](Interpreter&, const Value& v, Arguments&) {
         return v.IsSequence() || v.IsDict() || v.IsString() || v.IsUndefined();
       }},
      {"le",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o <= 0; });
       }},
      {"lessthan",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o < 0; });
       }},
      {"lower", [](Interpreter&, const Value& v,
                   Arguments&) { return IsCase(v, false); }},
      {"lt",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return ByOrder(r, v, a, [](int o) { return o < 0; });
       }},
      {"mapping",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsDict(); }},
      {"ne", [](Interpreter& r, const Value& v,
                Arguments& a) { return !IsEqual(r, v, a); }},
      {"none",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsNone(); }},
      {"number",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsNumber(); }},
      {"odd", [](Interpreter& r, const Value& v,
                 Arguments&) { return Whole(r, v) % 2 != 0; }},
      {"sameas",
       [](Interpreter& r, const Value& v, Arguments& a) {
         return IsEqual(r, v, a) && v.TypeName() == a.positional[0].TypeName();
       }},
      {"sequence",
       [](Interpreter&, const Value& v, Arguments&) {
         return v.IsSequence() || v.IsDict() || v.IsString() || v.IsUndefined();
       }},
      {"string",
       [](Interpreter&, const Value& v, Arguments&) { return v.IsString(); }},
      {"test", [](Interpreter&, const Value& v,
                  Arguments&) { return FindTest(v.Text()) != nullptr; }},
      {"true", [](Interpreter&, const Value& v,
                  Arguments&) { return v.IsBool() && v.integer() != 0; }},
      {"undefined", [](Interpreter&, const Value& v,
                       Arguments&) { return v.IsUndefined(); }},
      {"upper", [](Interpreter&, const Value& v,
                   Arguments&) { return IsCase(v, true); }},
  };
  const auto it = kTests.find(name);
  return it == kTests.end() ? nullptr : it->second;
}

std::optional<Value> FindMethod(const Value& object, std::string_view name) {
  static const MethodTable kDict = {
      {"items", DictItems},   {"keys", DictKeys},   {"values", DictValues},
      {"get", DictGet},       {"copy", Copy},       {"update", Refused},
      {"pop", Refused},       {"popitem", Refused}, {"clear", Refused},
      {"setdefault", Refused}};
  static const MethodTable kList = {
      {"index", ListIndex}, {"count", ListCount}, {"copy", Copy},
      {"append", Refused},  {"extend", Refused},  {"insert", Refused},
      {"pop", Refused},     {"remove", Refused},  {"reverse", Refused},
      {"sort", Refused},    {"clear", Refused}};
  static const MethodTable kTuple = {{"index", ListIndex},
                                     {"count", ListCount}};
  static const MethodTable kNone;
  const MethodTable& table = object.IsString() ? StringMethods()
                             : object.IsDict() ? kDict
                             : object.IsSequence()
                                 ? (object.tuple() ? kTuple : kList)
                                 : kNone;
  const auto it = table.find(name);
  if (it == table.end()) return std::nullopt;
  return Value(
      std::shared_ptr<Object>(std::make_shared<Function>(object, it->second)));
}

void DefineGlobals(Scope& scope) {
  const auto define = [&](const char* name, Function::Body body) {
    scope.variables[name] = Value(
        std::shared_ptr<Object>(std::make_shared<Function>(Value(), body)));
  };
  define("range", Range);
  define("namespace", MakeNamespace);
  define("dict", MakeDict);
  define("raise_exception", RaiseException);
  define("strftime_now", StrftimeNow);
  define("joiner", [](Interpreter&, const Value&, Arguments& a) {
    const Value* separator = Argument(a, 0, "sep");
    return Value(std::shared_ptr<Object>(
        std::make_shared<Joiner>(separator ? separator->Text() : ", ")));
  });
  define("cycler", [](Interpreter& run, const Value&, Arguments& a) {
    if (a.positional.empty()) run.Fail("at least one item has to be provided");
    auto cycler = std::make_shared<Cycler>(a.positional);
    cycler->self = cycler;
    return Value(std::shared_ptr<Object>(cycler));
  });
}

}  // namespace malmoi::text::jinja
