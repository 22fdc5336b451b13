// Methods of lists and dicts, and the global functions.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>

#include "base/error.h"
#include "base/format.h"
#include "text/template/ast.h"

namespace malmoi::text::jinja {

namespace {

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