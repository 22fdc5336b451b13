// Evaluating expressions: lookups, calls, operators with Python's rules.
#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "text/template/nodes.h"

namespace malmoi::text::jinja {

Value Name::Compute(Interpreter& run) const {
  const Value* value = run.scope->Find(name);
  return value != nullptr ? *value : Value::Named(name);
}

Value ListLiteral::Compute(Interpreter& run) const {
  List list;
  for (const auto& item : items) list.push_back(item->Evaluate(run));
  return Value::FromList(std::move(list), tuple);
}

Value DictLiteral::Compute(Interpreter& run) const {
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : items) {
    Value k = key->Evaluate(run);
    if (k.IsDict() || (k.IsSequence() && !k.tuple())) {
      run.Fail("unhashable key of a dict", std::string(k.TypeName()));
    }
    dict->Set(k, value->Evaluate(run));
  }
  return dict;
}

Value GetAttribute::Compute(Interpreter& run) const {
  const Value value = object->Evaluate(run);
  run.line = line;
  return run.Attribute(value, name);
}

Value GetItem::Compute(Interpreter& run) const {
  const Value value = object->Evaluate(run);
  const Value at = key->Evaluate(run);
  run.line = line;
  return run.Item(value, at);
}

Value GetSlice::Compute(Interpreter& run) const {
  const Value value = object->Evaluate(run);
  const auto bound = [&](const ExpressionPtr& part) -> std::optional<int64_t> {
    if (!part) return std::nullopt;
    const Value number = part->Evaluate(run);
    if (number.IsNone()) return std::nullopt;
    if (!number.IsIntegral()) run.Fail("slice bounds are no integers");
    return number.integer();
  };
  const auto from = bound(start);
  const auto to = bound(stop);
  const int64_t by = bound(step).value_or(1);
  if (by == 0) run.Fail("slice step cannot be zero");
  if (value.IsUndefined()) {
    run.Fail(Format("{} is undefined", value.undefined_name()), "a slice");
  }
  if (!value.IsString() && !value.IsSequence()) {
    run.Fail("a value that cannot be sliced", std::string(value.TypeName()));
  }
  const List items = run.Iterate(value);
  const int64_t size = static_cast<int64_t>(items.size());
  // Python's slice.indices().
  const auto clamp = [&](int64_t index) {
    if (index < 0) index = std::max(index + size, int64_t{by < 0 ? -1 : 0});
    return std::min(index, by < 0 ? size - 1 : size);
  };
  const int64_t first = from ? clamp(*from) : (by < 0 ? size - 1 : 0);
  const int64_t last = to ? clamp(*to) : (by < 0 ? -1 : size);
  List out;
  for (int64_t i = first; by > 0 ? i < last : i > last;) {
    out.push_back(items[static_cast<size_t>(i)]);
    if (by > 0 ? by >= last - i : by <= last - i) break;
    i += by;
  }
  if (!value.IsString()) return Value::FromList(std::move(out), value.tuple());
  std::string text;
  for (const Value& item : out) text += item.string();
  return text;
}

Value Call::Compute(Interpreter& run) const {
  const Value callee = function->Evaluate(run);
  Arguments values = arguments.Evaluate(run);
  run.line = line;
  return run.CallValue(callee, values);
}

Value ApplyFilter::Compute(Interpreter& run) const {
  return Apply(run, input->Evaluate(run));
}

Value ApplyFilter::Apply(Interpreter& run, Value value) const {
  Arguments values = arguments.Evaluate(run);
  run.line = line;
  return run.Filter(name, std::move(value), values);
}

Value ApplyTest::Compute(Interpreter& run) const {
  const Value value = input->Evaluate(run);
  Arguments values = arguments.Evaluate(run);
  run.line = line;
  return run.Test(name, value, values) != negated;
}

Value Conditional::Compute(Interpreter& run) const {
  if (condition->Evaluate(run).Truth()) return yes->Evaluate(run);
  return no ? no->Evaluate(run) : Value();
}

Value Unary::Compute(Interpreter& run) const {
  const Value value = operand->Evaluate(run);
  if (op == "not") return !value.Truth();
  run.line = line;
  if (!value.IsNumber()) {
    run.Fail("bad operand of " + op, std::string(value.TypeName()));
  }
  if (op == "+") return value.IsFloat() ? value : Value(value.integer());
  if (value.IsFloat()) return -value.number();
  int64_t result;
  if (__builtin_sub_overflow(int64_t{0}, value.integer(), &result)) {
    run.Fail("a number that is too large");
  }
  return result;
}

namespace {

int64_t FloorDivide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - ((a % b != 0) && ((a < 0) != (b < 0)));
}

Value IntegerOperation(Interpreter& run, const std::string& op, int64_t a,
                       int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "**") {
    if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
    result = 1;
    for (int64_t i = 0; i < b && !overflow; ++i) {
      overflow = __builtin_mul_overflow(result, a, &result);
      if (a == 0 || a == 1) break;
      if (a == -1) {
        result = b % 2 == 0 ? 1 : -1;
        break;
      }
    }
  } else {
    if (b == 0) run.Fail("division by zero");
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    overflow = a == INT64_MIN && b == -1;
    if (!overflow) {
      result = FloorDivide(a, b);
      if (op == "%") result = a - result * b;
    }
  }
  if (overflow) run.Fail("a number that is too large");
  return result;
}

Value FloatOperation(Interpreter& run, const std::string& op, double a,
                     double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "**") return std::pow(a, b);
  if (b == 0) run.Fail("division by zero");
  if (op == "/") return a / b;
  const double quotient = std::floor(a / b);
  if (op == "//") return quotient;
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value Repeat(Interpreter& run, const Value& value, int64_t count) {
  count = std::max<int64_t>(count, 0);
  const size_t size =
      value.IsString() ? value.string().size() : value.list().size() * 16;
  if (size > 0 && static_cast<size_t>(count) > (size_t{1} << 32) / size) {
    run.Charge(SIZE_MAX / 2);
  }
  run.Charge(size * static_cast<size_t>(count));
  if (value.IsString()) {
    std::string text;
    if (size == 0) return text;
    for (int64_t i = 0; i < count; ++i) text += value.string();
    return text;
  }
  List items;
  if (size == 0) return Value::FromList(items, value.tuple());
  for (int64_t i = 0; i < count; ++i) {
    items.insert(items.end(), value.list().begin(), value.list().end());
  }
  return Value::FromList(std::move(items), value.tuple());
}

}  // namespace

Value Binary::Compute(Interpreter& run) const {
  const Value a = left->Evaluate(run);
  if (op == "and") return a.Truth() ? right->Evaluate(run) : a;
  if (op == "or") return a.Truth() ? a : right->Evaluate(run);
  const Value b = right->Evaluate(run);
  run.line = line;
  if (op == "~") {
    std::string text = a.Text() + b.Text();
    run.Charge(text.size());
    return text;
  }
  const bool formats = op == "%" && a.IsString();
  for (const Value* operand : {&a, &b}) {
    if (operand->IsUndefined() && !formats) {
      run.Fail(Format("{} is undefined", operand->undefined_name()), op);
    }
  }
  if (a.IsNumber() && b.IsNumber()) {
    return a.IsIntegral() && b.IsIntegral()
               ? IntegerOperation(run, op, a.integer(), b.integer())
               : FloatOperation(run, op, a.number(), b.number());
  }
  if (op == "+" && a.IsString() && b.IsString()) {
    run.Charge(a.string().size() + b.string().size());
    return a.string() + b.string();
  }
  if (op == "+" && a.IsSequence() && b.IsSequence() && a.tuple() == b.tuple()) {
    List items = a.list();
    run.Charge((items.size() + b.list().size()) * 16);
    items.insert(items.end(), b.list().begin(), b.list().end());
    return Value::FromList(std::move(items), a.tuple());
  }
  if (op == "*") {
    const auto repeatable = [](const Value& v) {
      return v.IsString() || v.IsSequence();
    };
    if (repeatable(a) && b.IsIntegral()) return Repeat(run, a, b.integer());
    if (repeatable(b) && a.IsIntegral()) return Repeat(run, b, a.integer());
  }
  if (formats) {
    // Python takes what can be subscripted for a mapping, which may go unused.
    const bool mapping =
        b.IsDict() || b.IsUndefined() || (b.IsSequence() && !b.tuple());
    if (mapping && a.string().find('%') == std::string::npos) return a;
    Arguments arguments;
    arguments.positional = b.IsSequence() && b.tuple() ? b.list() : List{b};
    return run.Filter("format", a, arguments);
  }
  run.Fail("unsupported operands of " + op,
           Format("{} and {}", a.TypeName(), b.TypeName()));
}

Value Comparison::Compute(Interpreter& run) const {
  Value left = first->Evaluate(run);
  for (const auto& [op, expression] : rest) {
    Value right = expression->Evaluate(run);
    run.line = line;
    bool holds;
    if (op == "==") {
      holds = Equal(left, right);
    } else if (op == "!=") {
      holds = !Equal(left, right);
    } else if (op == "in") {
      holds = run.Contains(right, left);
    } else if (op == "not in") {
      holds = !run.Contains(right, left);
    } else {
      const auto order = Compare(left, right);
      if (!order) {
        run.Fail("cannot compare",
                 Format("{} and {}", left.TypeName(), right.TypeName()));
      }
      holds = op == "<"    ? *order < 0
              : op == "<=" ? *order <= 0
              : op == ">"  ? *order > 0
                           : *order >= 0;
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

}  // namespace malmoi::text::jinja
