// The tests of templates: what may follow `is`.
#include <algorithm>
#include <cctype>
#include <map>

#include "text/template/ast.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

int64_t Whole(Interpreter& run, const Value& value) {
  if (!value.IsIntegral()) run.Fail("an integer is needed");
  return value.integer();
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

namespace {

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
bool Divisible(Interpreter& run, const Value& value, Arguments& a) {
  if (a.positional.empty()) run.Fail("divisibleby needs a number");
  const int64_t by = Whole(run, a.positional[0]);
  if (by == 0) run.Fail("division by zero");
  return by == -1 || Whole(run, value) % by == 0;
}

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

}  // namespace malmoi::text::jinja
