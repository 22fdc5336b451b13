// Jinja's built-in filters and tests, as far as templates of models use them.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/format.h"
#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

namespace {

// The text of a string or what prints as one.
std::string TextOf(const Value& value) { return value.Text(); }

Value CallMethod(Interpreter& run, const Value& text, const char* name,
                 Arguments& arguments) {
  const Value string = text.IsString() ? text : Value(text.Text());
  return run.CallValue(*FindMethod(string, name), arguments);
}

// Looks up "a.b.0" on a value, as map(attribute=...) does.
Value Path(Interpreter& run, const Value& value, const std::string& path) {
  Value at = value;
  size_t start = 0;
  while (start <= path.size()) {
    const size_t dot = std::min(path.find('.', start), path.size());
    const std::string part = path.substr(start, dot - start);
    const bool number =
        !part.empty() && part.size() < 10 &&
        part.find_first_not_of("0123456789") == std::string::npos;
    if (at.IsUndefined()) return at;
    at = run.Item(at, number ? Value(static_cast<int64_t>(std::stoi(part)))
                             : Value(part));
    start = dot + 1;
  }
  return at;
}

Value Lowered(const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.IsString()) return value;
  return Lowercase(value.string());
}

void SortValues(Interpreter& run, std::vector<std::pair<Value, Value>>& keyed,
                bool reverse) {
  std::stable_sort(
      keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
        const auto& x = reverse ? b : a;
        const auto& y = reverse ? a : b;
        const auto order = Compare(x.first, y.first);
        if (!order) {
          run.Fail("cannot compare",
                   Format("{} and {}", x.first.TypeName(), y.first.TypeName()));
        }
        return *order < 0;
      });
}

// The key that sort, unique, min, max and groupby compare by.
Value KeyOf(Interpreter& run, const Value& item, const Value* attribute,
            bool case_sensitive) {
  if (attribute == nullptr || attribute->IsNone()) {
    return Lowered(item, case_sensitive);
  }
  return Lowered(Path(run, item, attribute->Text()), case_sensitive);
}

Value Sort(Interpreter& run, const Value& input, Arguments& a) {
  const bool reverse = ArgumentFlag(a, 0, "reverse");
  const bool case_sensitive = ArgumentFlag(a, 1, "case_sensitive");
  const Value* attribute = Argument(a, 2, "attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : run.Iterate(input)) {
    keyed.emplace_back(KeyOf(run, item, attribute, case_sensitive), item);
  }
  SortValues(run, keyed, reverse);
  List out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return Value::FromList(std::move(out));
}

template <int kSign>
Value Extreme(Interpreter& run, const Value& input, Arguments& a) {
  const bool case_sensitive = ArgumentFlag(a, 0, "case_sensitive");
  const Value* attribute = Argument(a, 1, "attribute");
  std::optional<std::pair<Value, Value>> best;
  for (Value& item : run.Iterate(input)) {
    Value key = KeyOf(run, item, attribute, case_sensitive);
    if (best) {
      const auto order = Compare(key, best->first);
      if (!order) run.Fail("cannot compare");
      if (*order * kSign <= 0) continue;
    }
    best = {std::move(key), std::move(item)};
  }
  return best ? best->second : Value::Named("no items");
}

Value Unique(Interpreter& run, const Value& input, Arguments& a) {
  const bool case_sensitive = ArgumentFlag(a, 0, "case_sensitive");
  const Value* attribute = Argument(a, 1, "attribute");
  List seen, out;
  for (Value& item : run.Iterate(input)) {
    Value key = KeyOf(run, item, attribute, case_sensitive);
    const bool known =
        std::any_of(seen.begin(), seen.end(), [&](const Value& s) {
          run.Step();
          return Equal(s, key);
        });
    if (known) continue;
    seen.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return Value::FromList(std::move(out));
}

Value GroupBy(Interpreter& run, const Value& input, Arguments& a) {
  const Value* attribute = Argument(a, 0, "attribute");
  const Value* fallback = Argument(a, 1, "default");
  if (attribute == nullptr) run.Fail("groupby needs an attribute");
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : run.Iterate(input)) {
    Value key = Path(run, item, attribute->Text());
    if (key.IsUndefined() && fallback != nullptr) key = *fallback;
    keyed.emplace_back(std::move(key), std::move(item));
  }
  for (auto& [key, item] : keyed) item = Value::FromList({key, item}, true);
  std::vector<std::pair<Value, Value>> sorted;
  for (auto& [key, item] : keyed) {
    sorted.emplace_back(Lowered(key, false), item);
  }
  SortValues(run, sorted, false);
  List out, group;
  size_t first = 0;  // whose key, as it is written, names the group
  for (size_t i = 0; i < sorted.size(); ++i) {
    group.push_back(sorted[i].second.list()[1]);
    if (i + 1 < sorted.size() && Equal(sorted[i].first, sorted[i + 1].first)) {
      continue;
    }
    out.push_back(Value::FromList(
        {sorted[first].second.list()[0], Value::FromList(std::move(group))},
        true));
    group.clear();
    first = i + 1;
  }
  return Value::FromList(std::move(out));
}

// select, reject, selectattr, rejectattr; as in Jinja2, these and map make
// nothing of anything false, none too.
template <bool kKeep, bool kAttribute>
Value Select(Interpreter& run, const Value& input, Arguments& a) {
  size_t used = 0;
  std::string attribute;
  if (kAttribute) {
    if (a.positional.empty()) run.Fail("an attribute is needed");
    attribute = a.positional[used++].Text();
  }
  std::string test;
  if (used < a.positional.size()) test = a.positional[used++].Text();
  Arguments rest;
  rest.positional.assign(a.positional.begin() + static_cast<long>(used),
                         a.positional.end());
  rest.named = a.named;
  List out;
  if (!input.Truth()) return Value::FromList(std::move(out));
  for (Value& item : run.Iterate(input)) {
    run.Step();
    const Value value = kAttribute ? Path(run, item, attribute) : item;
    const bool holds =
        test.empty() ? value.Truth() : run.Test(test, value, rest);
    if (holds == kKeep) out.push_back(std::move(item));
  }
  return Value::FromList(std::move(out));
}

Value Map(Interpreter& run, const Value& input, Arguments& a) {
  List out;
  if (!input.Truth()) return Value::FromList(std::move(out));
  const Value* attribute = nullptr;
  const Value* fallback = nullptr;
  for (const auto& [name, value] : a.named) {
    if (name == "attribute") attribute = &value;
    if (name == "default") fallback = &value;
  }
  if (attribute == nullptr && a.positional.empty()) {
    run.Fail("map needs a filter or an attribute");
  }
  Arguments rest;
  if (attribute == nullptr) {
    rest.positional.assign(a.positional.begin() + 1, a.positional.end());
    rest.named = a.named;
  }
  for (const Value& item : run.Iterate(input)) {
    run.Step();
    if (attribute != nullptr) {
      Value value = Path(run, item, attribute->Text());
      if (value.IsUndefined() && fallback != nullptr) value = *fallback;
      out.push_back(std::move(value));
    } else {
      Arguments copy = rest;
      out.push_back(run.Filter(a.positional[0].Text(), item, copy));
    }
  }
  return Value::FromList(std::move(out));
}

Value Join(Interpreter& run, const Value& input, Arguments& a) {
  if (a.positional.size() > 2) run.Fail("too many arguments of a filter");
  const Value* separator = Argument(a, 0, "d");
  const Value* attribute = Argument(a, 1, "attribute");
  const std::string between = separator ? separator->Text() : "";
  std::string out;
  bool first = true;
  for (const Value& item : run.Iterate(input)) {
    run.Step();
    if (!first) out += between;
    first = false;
    out += (attribute ? Path(run, item, attribute->Text()) : item).Text();
    run.Charge(0);
    if (out.size() > (size_t{64} << 20)) run.Charge(out.size() * 16);
  }
  run.Charge(out.size());
  return out;
}

Value Length(Interpreter& run, const Value& input, Arguments&) {
  if (input.IsDict()) return static_cast<int64_t>(input.dict().items.size());
  if (input.IsString() || input.IsSequence() || input.IsUndefined()) {
    return static_cast<int64_t>(run.Iterate(input).size());
  }
  run.Fail("a value without a length", std::string(input.TypeName()));
}

Value Default(Interpreter&, const Value& input, Arguments& a) {
  const Value* fallback = Argument(a, 0, "default_value");
  const bool falsy_too = ArgumentFlag(a, 1, "boolean");
  if (input.IsUndefined() || (falsy_too && !input.Truth())) {
    return fallback != nullptr ? *fallback : Value("");
  }
  return input;
}

Value ToInt(Interpreter&, const Value& input, Arguments& a) {
  const Value* fallback = Argument(a, 0, "default");
  const Value otherwise = fallback ? *fallback : Value(0);
  if (input.IsIntegral()) return input.integer();
  double number = 0;
  if (input.IsFloat()) {
    number = input.number();
  } else if (input.IsString()) {
    const std::string& text = input.string();
    char* end = nullptr;
    errno = 0;
    const long long whole = std::strtoll(text.c_str(), &end, 10);
    while (*end == ' ' || *end == '\n' || *end == '\t') ++end;
    if (!text.empty() && *end == '\0' && errno == 0) {
      return static_cast<int64_t>(whole);
    }
    number = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') return otherwise;
  } else {
    return otherwise;
  }
  if (!(std::fabs(number) < 9e18)) return otherwise;
  return static_cast<int64_t>(number);
}

Value ToFloat(Interpreter&, const Value& input, Arguments& a) {
  const Value* fallback = Argument(a, 0, "default");
  if (input.IsNumber()) return input.number();
  if (input.IsString() && !input.string().empty()) {
    char* end = nullptr;
    const double number = std::strtod(input.string().c_str(), &end);
    if (*end == '\0') return number;
  }
  return fallback ? *fallback : Value(0.0);
}

Value Abs(Interpreter& run, const Value& input, Arguments&) {
  if (!input.IsNumber()) {
    run.Fail("abs needs a number", std::string(input.TypeName()));
  }
  if (input.IsFloat()) return std::fabs(input.number());
  if (input.integer() == INT64_MIN) run.Fail("a number that is too large");
  return std::abs(input.integer());
}

Value Round(Interpreter& run, const Value& input, Arguments& a) {
  const Value* precision = Argument(a, 0, "precision");
  const Value* method = Argument(a, 1, "method");
  if (!input.IsNumber()) run.Fail("round needs a number");
  const double factor =
      std::pow(10.0, precision && precision->IsIntegral()
                         ? static_cast<double>(precision->integer())
                         : 0.0);
  const std::string how = method ? method->Text() : "common";
  const double scaled = input.number() * factor;
  const double rounded = how == "ceil"    ? std::ceil(scaled)
                         : how == "floor" ? std::floor(scaled)
                                          : std::nearbyint(scaled);
  return rounded / factor;
}

Value Sum(Interpreter& run, const Value& input, Arguments& a) {
  const Value* attribute = Argument(a, 0, "attribute");
  const Value* start = Argument(a, 1, "start");
  bool whole = start == nullptr || start->IsIntegral();
  double total = start != nullptr && start->IsNumber() ? start->number() : 0;
  int64_t integer = whole && start ? start->integer() : 0;
  for (const Value& item : run.Iterate(input)) {
    const Value value = attribute && !attribute->IsNone()
                            ? Path(run, item, attribute->Text())
                            : item;
    if (!value.IsNumber()) run.Fail("sum of what are no numbers");
    whole = whole && value.IsIntegral();
    if (whole) {
      if (__builtin_add_overflow(integer, value.integer(), &integer)) {
        run.Fail("a number that is too large");
      }
    }
    total += value.number();
  }
  return whole ? Value(integer) : Value(total);
}

Value DictSort(Interpreter& run, const Value& input, Arguments& a) {
  const bool case_sensitive = ArgumentFlag(a, 0, "case_sensitive");
  const Value* by = Argument(a, 1, "by");
  const bool reverse = ArgumentFlag(a, 2, "reverse");
  if (!input.IsDict()) run.Fail("dictsort needs a dict");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.dict().items) {
    const Value& k = by && by->Text() == "value" ? value : key;
    keyed.emplace_back(Lowered(k, case_sensitive),
                       Value::FromList({key, value}, true));
  }
  SortValues(run, keyed, reverse);
  List out;
  for (auto& [key, item] : keyed) out.push_back(std::move(item));
  return Value::FromList(std::move(out));
}

Value Items(Interpreter& run, const Value& input, Arguments&) {
  if (input.IsUndefined()) return Value::FromList({});
  if (!input.IsDict()) run.Fail("items needs a dict");
  List out;
  for (const auto& [key, value] : input.dict().items) {
    out.push_back(Value::FromList({key, value}, true));
  }
  return Value::FromList(std::move(out));
}

Value First(Interpreter& run, const Value& input, Arguments&) {
  const List items = run.Iterate(input);
  return items.empty() ? Value::Named("no first item") : items.front();
}
Value Last(Interpreter& run, const Value& input, Arguments&) {
  const List items = run.Iterate(input);
  return items.empty() ? Value::Named("no last item") : items.back();
}
Value Reverse(Interpreter& run, const Value& input, Arguments&) {
  List items = run.Iterate(input);
  std::reverse(items.begin(), items.end());
  if (!input.IsString()) return Value::FromList(std::move(items));
  std::string out;
  for (const Value& item : items) out += item.string();
  return out;
}
Value ToList(Interpreter& run, const Value& input, Arguments&) {
  return Value::FromList(run.Iterate(input));
}

Value Batch(Interpreter& run, const Value& input, Arguments& a) {
  const Value* count = Argument(a, 0, "linecount");
  const Value* fill = Argument(a, 1, "fill_with");
  if (!count || !count->IsIntegral() || count->integer() < 1) {
    run.Fail("batch needs a number");
  }
  const size_t size = static_cast<size_t>(count->integer());
  List out, line;
  for (Value& item : run.Iterate(input)) {
    if (line.size() == size) {
      out.push_back(Value::FromList(std::move(line)));
      line.clear();
    }
    line.push_back(std::move(item));
  }
  if (!line.empty()) {
    if (fill != nullptr && !fill->IsNone() && size < 100'000) {
      while (line.size() < size) line.push_back(*fill);
    }
    out.push_back(Value::FromList(std::move(line)));
  }
  return Value::FromList(std::move(out));
}

template <const char* kName>
Value ViaMethod(Interpreter& run, const Value& input, Arguments& a) {
  return CallMethod(run, input, kName, a);
}
constexpr char kUpper[] = "upper", kLower[] = "lower", kTitle[] = "title",
               kCapitalize[] = "capitalize", kStrip[] = "strip",
               kReplace[] = "replace", kCenter[] = "center";

Value ToString(Interpreter&, const Value& input, Arguments&) {
  return TextOf(input);
}
Value Same(Interpreter&, const Value& input, Arguments&) { return input; }

Value Attr(Interpreter& run, const Value& input, Arguments& a) {
  if (a.positional.empty()) run.Fail("attr needs a name");
  // attr looks at attributes only, never at items.
  if (input.IsObject()) return run.Attribute(input, a.positional[0].Text());
  if (auto method = FindMethod(input, a.positional[0].Text())) return *method;
  return Value::Named(a.positional[0].Text());
}

}  // namespace

FilterFunction FindFilter(std::string_view name) {
  static const std::map<std::string_view, FilterFunction> kFilters = {
      {"abs", Abs},
      {"attr", Attr},
      {"batch", Batch},
      {"capitalize", ViaMethod<kCapitalize>},
      {"center", ViaMethod<kCenter>},
      {"count", Length},
      {"d", Default},
      {"default", Default},
      {"dictsort", DictSort},
      {"e", Escape},
      {"escape", Escape},
      {"first", First},
      {"float", ToFloat},
      {"format", FormatFilter},
      {"groupby", GroupBy},
      {"indent", Indent},
      {"int", ToInt},
      {"items", Items},
      {"join", Join},
      {"last", Last},
      {"length", Length},
      {"list", ToList},
      {"lower", ViaMethod<kLower>},
      {"map", Map},
      {"max", Extreme<1>},
      {"min", Extreme<-1>},
      {"reject", Select<false, false>},
      {"rejectattr", Select<false, true>},
      {"replace", ViaMethod<kReplace>},
      {"reverse", Reverse},
      {"round", Round},
      {"safe", Same},
      {"select", Select<true, false>},
      {"selectattr", Select<true, true>},
      {"sort", Sort},
      {"string", ToString},
      {"sum", Sum},
      {"title", ViaMethod<kTitle>},
      {"tojson", ToJsonFilter},
      {"trim", ViaMethod<kStrip>},
      {"truncate", Truncate},
      {"unique", Unique},
      {"upper", ViaMethod<kUpper>},
      {"urlencode", UrlEncode},
      {"wordcount", WordCount},
  };
  const auto it = kFilters.find(name);
  return it == kFilters.end() ? nullptr : it->second;
}

}  // namespace malmoi::text::jinja
