// The syntax tree of a template and the interpreter that walks it.
#ifndef MALMOI_TEXT_TEMPLATE_AST_H_
#define MALMOI_TEXT_TEMPLATE_AST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/template/chat_template.h"
#include "text/template/value.h"

namespace malmoi::text::jinja {

// Variables of one scope; lookups go outward.
struct Scope : std::enable_shared_from_this<Scope> {
  explicit Scope(Scope* outer) : outer(outer) {}
  const Value* Find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer) {
      const auto it = scope->variables.find(name);
      if (it != scope->variables.end()) return &it->second;
    }
    return nullptr;
  }
  Scope* outer;
  std::unordered_map<std::string, Value> variables;
};

// How a statement ended: loops have break and continue.
enum class Flow { kNext, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(std::string_view where, const TemplateLimits& limits,
              std::optional<int64_t> now)
      : where_(where), limits_(limits), now_(now) {}

  void Step();  // counts; throws kLimit
  void Write(std::string_view text);
  // Accounts for a new string; throws kLimit.
  void Charge(size_t bytes);
  [[noreturn]] void Fail(std::string what, std::string got = "") const;
  std::optional<int64_t> now() const { return now_; }

  Value Attribute(const Value& object, const std::string& name);
  Value Item(const Value& object, const Value& key);
  Value CallValue(const Value& function, Arguments& arguments);
  Value Filter(const std::string& name, Value input, Arguments& arguments);
  bool Test(const std::string& name, const Value& input, Arguments& arguments);
  // What a for loop would see.
  List Iterate(const Value& value);
  bool Contains(const Value& container, const Value& item);

  // Depth of nesting, bounded.
  class Nest {
   public:
    explicit Nest(Interpreter& run) : run_(run) { run_.Enter(); }
    ~Nest() { --run_.depth_; }

   private:
    Interpreter& run_;
  };

  // Keeps the current scopes until rendering ends: a macro refers to them.
  void KeepScopes();

  int line = 0;
  Scope* scope = nullptr;
  std::string* out = nullptr;

 private:
  void Enter();
  std::string_view where_;
  TemplateLimits limits_;
  std::optional<int64_t> now_;
  int64_t steps_ = 0;
  size_t charged_ = 0;
  int depth_ = 0;
  std::vector<std::shared_ptr<Scope>> kept_;
};

struct Expression {
  int line = 0;
  virtual ~Expression() = default;
  Value Evaluate(Interpreter& run) const {
    run.Step();
    const Interpreter::Nest nest(run);
    return Compute(run);
  }
  virtual Value Compute(Interpreter& run) const = 0;
};
using ExpressionPtr = std::unique_ptr<Expression>;

struct Statement {
  int line = 0;
  virtual ~Statement() = default;
  virtual Flow Execute(Interpreter& run) const = 0;
};

struct Block {
  std::vector<std::unique_ptr<Statement>> statements;
  Flow Execute(Interpreter& run) const;
  // Executes into a string.
  std::string Capture(Interpreter& run) const;
};

// Call arguments as written.
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, double_star;
  Arguments Evaluate(Interpreter& run) const;
};

// Assignment targets: a name, a tuple of targets, namespace.attribute.
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> parts;
  void Assign(Interpreter& run, const Value& value) const;
};

// The tables behind Interpreter::Filter, Test and Attribute.
using FilterFunction = Value (*)(Interpreter& run, const Value& input,
                                 Arguments& arguments);
FilterFunction FindFilter(std::string_view name);
using TestFunction = bool (*)(Interpreter& run, const Value& input,
                              Arguments& arguments);
TestFunction FindTest(std::string_view name);
// A method of a string, list or dict, bound to it.
std::optional<Value> FindMethod(const Value& object, std::string_view name);
// range, namespace, dict, raise_exception, strftime_now, cycler, joiner.
void DefineGlobals(Scope& scope);

// Functions over C++ callables.
class Function : public Object {
 public:
  using Body = Value (*)(Interpreter& run, const Value& self,
                         Arguments& arguments);
  Function(Value self, Body body) : self_(std::move(self)), body_(body) {}
  Value Call(Interpreter& run, Arguments& arguments) override {
    return body_(run, self_, arguments);
  }
  std::string_view TypeName() const override { return "function"; }

 private:
  Value self_;
  Body body_;
};

class Namespace : public Object {
 public:
  std::optional<Value> Attribute(std::string_view name) override {
    const auto it = values.find(std::string(name));
    if (it == values.end()) return std::nullopt;
    return it->second;
  }
  std::string_view TypeName() const override { return "namespace"; }
  std::unordered_map<std::string, Value> values;
};

using MethodTable = std::map<std::string_view, Function::Body>;
const MethodTable& StringMethods();

// The value of an integer; fails for anything else.
int64_t Whole(Interpreter& run, const Value& value);
// str.isupper() and str.islower().
bool IsCase(const Value& value, bool upper);
// A string argument; fails where it is missing.
std::string StringArgument(Interpreter& run, const Arguments& arguments,
                           size_t index, std::string_view name);
// Filters on text.
Value FormatFilter(Interpreter& run, const Value& input, Arguments& a);
Value UrlEncode(Interpreter& run, const Value& input, Arguments& a);
Value WordCount(Interpreter& run, const Value& input, Arguments& a);
Value Indent(Interpreter& run, const Value& input, Arguments& a);
Value ToJsonFilter(Interpreter& run, const Value& input, Arguments& a);
Value Escape(Interpreter& run, const Value& input, Arguments& a);
Value Truncate(Interpreter& run, const Value& input, Arguments& a);

// The argument at `index` or named `name`; null when absent.
const Value* Argument(const Arguments& arguments, size_t index,
                      std::string_view name);
// Whether that argument is there and true.
bool ArgumentFlag(const Arguments& arguments, size_t index,
                  std::string_view name);

std::unique_ptr<Block> Parse(std::string_view source, std::string_view where,
                             const TemplateLimits& limits);

}  // namespace malmoi::text::jinja

#endif  // MALMOI_TEXT_TEMPLATE_AST_H_
