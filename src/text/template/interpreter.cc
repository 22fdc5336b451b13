// Walking the tree: scopes, loops, macros, operators.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"
#include "text/template/nodes.h"

namespace malmoi::text {

Template::Template(std::string source, std::string where, TemplateLimits limits)
    : where_(std::move(where)), limits_(limits) {
  if (source.size() > limits_.max_source_bytes) {
    throw Error(
        ErrorCode::kLimit,
        {.where = where_,
         .what = "the template is too long",
         .expected = Format("at most {} bytes", limits_.max_source_bytes),
         .got = std::to_string(source.size())});
  }
  root_ = jinja::Parse(source, where_, limits_);
}
Template::~Template() = default;

std::string Template::Render(const Json& variables,
                             std::optional<int64_t> now) const {
  jinja::Interpreter run(where_, limits_, now);
  jinja::Scope globals(nullptr);
  jinja::DefineGlobals(globals);
  jinja::Scope scope(&globals);
  for (const auto& [name, value] : variables.items()) {
    scope.variables[name] = jinja::Value::FromJson(value);
  }
  std::string out;
  run.scope = &scope;
  run.out = &out;
  root_->Execute(run);
  return out;
}

std::string RenderChat(const Template& chat, const Json& messages,
                       const ChatRenderOptions& options) {
  Json variables =
      options.extra.is_object() ? options.extra : Json(Json::object());
  variables["messages"] = messages;
  variables["tools"] = options.tools;
  variables["documents"] = options.documents;
  variables["add_generation_prompt"] = options.add_generation_prompt;
  return chat.Render(variables, options.now);
}

namespace jinja {

void Interpreter::Step() {
  if (++steps_ > limits_.max_steps) {
    throw Error(ErrorCode::kLimit,
                {.where = std::string(where_),
                 .what = "the template takes too many steps",
                 .expected = Format("at most {}", limits_.max_steps)});
  }
}

void Interpreter::Enter() {
  if (++depth_ > limits_.max_depth * 4) {
    --depth_;
    throw Error(ErrorCode::kLimit,
                {.where = std::string(where_),
                 .what = "the template calls itself too deeply"});
  }
}

void Interpreter::KeepScopes() {
  for (Scope* s = scope; s != nullptr; s = s->outer) {
    auto shared = s->weak_from_this().lock();
    if (shared == nullptr) break;  // the template's own scope
    kept_.push_back(std::move(shared));
  }
}

void Interpreter::Charge(size_t bytes) {
  charged_ += bytes;
  if (bytes > limits_.max_output_bytes ||
      charged_ > limits_.max_output_bytes * 16) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where_),
         .what = "the template builds too much text",
         .expected = Format("at most {} bytes", limits_.max_output_bytes)});
  }
}

void Interpreter::Write(std::string_view text) {
  if (out->size() + text.size() > limits_.max_output_bytes) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where_),
         .what = "the template writes too much",
         .expected = Format("at most {} bytes", limits_.max_output_bytes)});
  }
  *out += text;
}

void Interpreter::Fail(std::string what, std::string got) const {
  throw Error(ErrorCode::kInvalidArgument,
              {.where = Format("{}, line {}", where_, line),
               .what = std::move(what),
               .got = std::move(got)});
}

Value Interpreter::Attribute(const Value& object, const std::string& name) {
  if (object.IsUndefined()) {
    Fail(Format("{} is undefined", object.undefined_name()), "." + name);
  }
  if (object.IsObject()) {
    const auto value = object.object().Attribute(name);
    return value ? *value : Value::Named(name);
  }
  if (auto method = FindMethod(object, name)) return *method;
  if (object.IsDict()) {
    if (const Value* value = object.dict().Find(Value(name))) return *value;
  }
  return Value::Named(name);
}

namespace {

// Byte ranges of the characters of a string.
std::vector<size_t> Characters(const std::string& text) {
  std::vector<size_t> starts;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      starts.push_back(i);
    }
  }
  starts.push_back(text.size());
  return starts;
}

}  // namespace

Value Interpreter::Item(const Value& object, const Value& key) {
  if (object.IsUndefined()) {
    Fail(Format("{} is undefined", object.undefined_name()),
         "[" + key.Repr() + "]");
  }
  if (object.IsDict()) {
    if (const Value* value = object.dict().Find(key)) return *value;
  } else if (key.IsIntegral() && (object.IsSequence() || object.IsString())) {
    int64_t index = key.integer();
    if (object.IsSequence()) {
      const int64_t size = static_cast<int64_t>(object.list().size());
      if (index < 0) index += size;
      if (index >= 0 && index < size) {
        return object.list()[static_cast<size_t>(index)];
      }
    } else {
      const auto starts = Characters(object.string());
      const int64_t size = static_cast<int64_t>(starts.size()) - 1;
      if (index < 0) index += size;
      if (index >= 0 && index < size) {
        const size_t begin = starts[static_cast<size_t>(index)];
        const size_t end = starts[static_cast<size_t>(index) + 1];
        return object.string().substr(begin, end - begin);
      }
    }
  }
  if (key.IsString()) return Attribute(object, key.string());
  return Value::Named(key.Text());
}

List Interpreter::Iterate(const Value& value) {
  if (value.IsSequence()) return value.list();
  if (value.IsUndefined()) return {};
  List items;
  if (value.IsDict()) {
    for (const auto& [key, item] : value.dict().items) items.push_back(key);
    return items;
  }
  if (value.IsString()) {
    const auto starts = Characters(value.string());
    Charge(value.string().size() * 8);
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      items.emplace_back(
          value.string().substr(starts[i], starts[i + 1] - starts[i]));
    }
    return items;
  }
  Fail("a value that cannot be iterated", std::string(value.TypeName()));
}

bool Interpreter::Contains(const Value& container, const Value& item) {
  if (container.IsString()) {
    if (!item.IsString()) {
      Fail("'in' of a string needs a string", std::string(item.TypeName()));
    }
    return container.string().find(item.string()) != std::string::npos;
  }
  if (container.IsDict()) return container.dict().Find(item) != nullptr;
  const List items = Iterate(container);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return Equal(item, other); });
}

Value Interpreter::CallValue(const Value& function, Arguments& arguments) {
  if (function.IsUndefined()) {
    Fail(Format("{} is undefined", function.undefined_name()), "a call");
  }
  if (!function.IsObject()) {
    Fail("a value that cannot be called", std::string(function.TypeName()));
  }
  return function.object().Call(*this, arguments);
}

Value Interpreter::Filter(const std::string& name, Value input,
                          Arguments& arguments) {
  const FilterFunction filter = FindFilter(name);
  if (filter == nullptr) Fail("unknown filter", name);
  return filter(*this, input, arguments);
}

bool Interpreter::Test(const std::string& name, const Value& input,
                       Arguments& arguments) {
  const TestFunction test = FindTest(name);
  if (test == nullptr) Fail("unknown test", name);
  return test(*this, input, arguments);
}

const Value* Argument(const Arguments& arguments, size_t index,
                      std::string_view name) {
  if (index < arguments.positional.size()) {
    return &arguments.positional[index];
  }
  for (const auto& [known, value] : arguments.named) {
    if (known == name) return &value;
  }
  return nullptr;
}

Arguments CallArguments::Evaluate(Interpreter& run) const {
  Arguments result;
  for (const auto& value : positional) {
    result.positional.push_back(value->Evaluate(run));
  }
  if (star) {
    for (Value& item : run.Iterate(star->Evaluate(run))) {
      result.positional.push_back(std::move(item));
    }
  }
  for (const auto& [name, value] : named) {
    result.named.emplace_back(name, value->Evaluate(run));
  }
  if (double_star) {
    const Value more = double_star->Evaluate(run);
    if (!more.IsDict()) run.Fail("** needs a dict");
    for (const auto& [name, value] : more.dict().items) {
      result.named.emplace_back(name.Text(), value);
    }
  }
  return result;
}

void Target::Assign(Interpreter& run, const Value& value) const {
  if (!parts.empty()) {
    const List items = run.Iterate(value);
    if (items.size() != parts.size()) {
      run.Fail("cannot unpack",
               Format("{} values into {} names", items.size(), parts.size()));
    }
    for (size_t i = 0; i < parts.size(); ++i) parts[i].Assign(run, items[i]);
    return;
  }
  if (attribute.empty()) {
    run.scope->variables[name] = value;
    return;
  }
  const Value* object = run.scope->Find(name);
  auto* space = object != nullptr && object->IsObject()
                    ? dynamic_cast<Namespace*>(&object->object())
                    : nullptr;
  if (space == nullptr) {
    run.Fail("cannot assign an attribute of what is no namespace", name);
  }
  space->values[attribute] = value;
}

Flow Block::Execute(Interpreter& run) const {
  const Interpreter::Nest nest(run);
  for (const auto& statement : statements) {
    run.Step();
    run.line = statement->line;
    const Flow flow = statement->Execute(run);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

std::string Block::Capture(Interpreter& run) const {
  std::string text;
  std::string* outer = std::exchange(run.out, &text);
  try {
    Execute(run);
  } catch (...) {
    run.out = outer;
    throw;
  }
  run.out = outer;
  run.Charge(text.size());
  return text;
}

// ---- statements

Flow TextStatement::Execute(Interpreter& run) const {
  run.Write(text);
  return Flow::kNext;
}

Flow PrintStatement::Execute(Interpreter& run) const {
  run.Write(value->Evaluate(run).Text());
  return Flow::kNext;
}

Flow IfStatement::Execute(Interpreter& run) const {
  for (const auto& [condition, body] : branches) {
    if (condition->Evaluate(run).Truth()) return body.Execute(run);
  }
  return otherwise.Execute(run);
}

namespace {

// Restores the scope however the block is left.
class Inner {
 public:
  explicit Inner(Interpreter& run)
      : run_(run), owner_(std::make_shared<Scope>(run.scope)), scope(*owner_) {
    run_.scope = &scope;
  }
  ~Inner() { run_.scope = scope.outer; }

 private:
  Interpreter& run_;
  std::shared_ptr<Scope> owner_;

 public:
  Scope& scope;
};

class LoopObject : public Object {
 public:
  LoopObject(const ForStatement& loop, std::shared_ptr<const List> items,
             int depth)
      : loop_(loop), owner_(std::move(items)), items_(*owner_), depth_(depth) {}

  std::optional<Value> Attribute(std::string_view name) override {
    const int64_t size = static_cast<int64_t>(items_.size());
    const int64_t i = static_cast<int64_t>(index);
    if (name == "index") return i + 1;
    if (name == "index0") return i;
    if (name == "revindex") return size - i;
    if (name == "revindex0") return size - i - 1;
    if (name == "first") return i == 0;
    if (name == "last") return i + 1 == size;
    if (name == "length") return size;
    if (name == "depth") return static_cast<int64_t>(depth_ + 1);
    if (name == "depth0") return static_cast<int64_t>(depth_);
    if (name == "previtem") {
      return i > 0 ? items_[index - 1] : Value::Named("previtem");
    }
    if (name == "nextitem") {
      return i + 1 < size ? items_[index + 1] : Value::Named("nextitem");
    }
    if (name == "cycle") {
      return Value(std::make_shared<Function>(
          Value(i), [](Interpreter& run, const Value& self, Arguments& a) {
            if (a.positional.empty()) run.Fail("no items for cycling given");
            return a.positional[static_cast<size_t>(self.integer()) %
                                a.positional.size()];
          }));
    }
    if (name == "changed") return Value(changed);
    return std::nullopt;
  }
  // loop(items) in a recursive loop.
  Value Call(Interpreter& run, Arguments& arguments) override {
    if (!loop_.recursive || arguments.positional.empty()) {
      run.Fail("loop() outside of a recursive loop");
    }
    std::string text;
    std::string* outer = std::exchange(run.out, &text);
    try {
      loop_.Loop(run, arguments.positional[0], depth_ + 1);
    } catch (...) {
      run.out = outer;
      throw;
    }
    run.out = outer;
    run.Charge(text.size());
    return text;
  }
  std::string_view TypeName() const override { return "loop"; }

  size_t index = 0;
  std::shared_ptr<Object> changed;

 private:
  const ForStatement& loop_;
  std::shared_ptr<const List> owner_;
  const List& items_;
  int depth_;
};

class Changed : public Object {
 public:
  Value Call(Interpreter&, Arguments& arguments) override {
    Value now = Value::FromList(arguments.positional);
    const bool changed = !last_ || !Equal(*last_, now);
    last_ = now;
    return changed;
  }
  std::string_view TypeName() const override { return "function"; }

 private:
  std::optional<Value> last_;
};

class MacroObject : public Object {
 public:
  MacroObject(const MacroStatement& macro, Scope* home)
      : macro_(macro), home_(home) {}

  Value Call(Interpreter& run, Arguments& arguments) override {
    const Interpreter::Nest nest(run);
    Scope* caller_scope = std::exchange(run.scope, home_);
    std::string text;
    try {
      Inner inner(run);
      Bind(run, inner.scope, arguments);
      text = macro_.body.Capture(run);
    } catch (...) {
      run.scope = caller_scope;
      throw;
    }
    run.scope = caller_scope;
    return text;
  }
  std::optional<Value> Attribute(std::string_view name) override {
    if (name == "name") return Value(macro_.name);
    return std::nullopt;
  }
  std::string_view TypeName() const override { return "macro"; }

 private:
  void Bind(Interpreter& run, Scope& scope, Arguments& arguments) const {
    List extra;
    auto rest = std::make_shared<Dict>();
    const size_t count = macro_.parameters.size();
    for (size_t i = count; i < arguments.positional.size(); ++i) {
      extra.push_back(arguments.positional[i]);
    }
    for (auto& [name, value] : arguments.named) {
      const bool known = std::any_of(
          macro_.parameters.begin(), macro_.parameters.end(),
          [&](const auto& parameter) { return parameter.first == name; });
      if (name == "caller") {
        scope.variables[name] = value;
      } else if (!known) {
        rest->Set(Value(name), value);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      const auto& [name, fallback] = macro_.parameters[i];
      const Value* given = Argument(arguments, i, name);
      if (given != nullptr) {
        scope.variables[name] = *given;
      } else if (fallback) {
        scope.variables[name] = fallback->Evaluate(run);
      } else {
        scope.variables[name] = Value::Named(name);
      }
    }
    scope.variables["varargs"] = Value::FromList(std::move(extra), true);
    scope.variables["kwargs"] = Value(rest);
  }

  const MacroStatement& macro_;
  Scope* home_;  // kept by the interpreter
};

}  // namespace

Flow ForStatement::Execute(Interpreter& run) const {
  return Loop(run, items->Evaluate(run), 0);
}

Flow ForStatement::Loop(Interpreter& run, const Value& over, int depth) const {
  List list = run.Iterate(over);
  if (condition) {
    List kept;
    for (const Value& item : list) {
      Inner inner(run);
      target.Assign(run, item);
      if (condition->Evaluate(run).Truth()) kept.push_back(item);
    }
    list = std::move(kept);
  }
  if (list.empty()) return otherwise.Execute(run);
  const auto shared = std::make_shared<const List>(std::move(list));
  const auto loop = std::make_shared<LoopObject>(*this, shared, depth);
  loop->changed = std::make_shared<Changed>();
  const Value loop_value = std::shared_ptr<Object>(loop);
  for (size_t i = 0; i < shared->size(); ++i) {
    run.Step();
    loop->index = i;
    Inner inner(run);
    inner.scope.variables["loop"] = loop_value;
    target.Assign(run, (*shared)[i]);
    if (body.Execute(run) == Flow::kBreak) break;
  }
  return Flow::kNext;
}

Flow SetStatement::Execute(Interpreter& run) const {
  if (value) {
    target.Assign(run, value->Evaluate(run));
    return Flow::kNext;
  }
  Value text = [&] {
    Inner inner(run);
    return Value(body.Capture(run));
  }();
  for (const auto& filter : filters) text = filter->Apply(run, text);
  target.Assign(run, text);
  return Flow::kNext;
}

Flow MacroStatement::Execute(Interpreter& run) const {
  run.KeepScopes();
  run.scope->variables[name] =
      Value(std::make_shared<MacroObject>(*this, run.scope));
  return Flow::kNext;
}

Flow CallBlockStatement::Execute(Interpreter& run) const {
  const auto& node = static_cast<const Call&>(*call);
  const Value function = node.function->Evaluate(run);
  Arguments arguments = node.arguments.Evaluate(run);
  run.KeepScopes();
  arguments.named.emplace_back(
      "caller", Value(std::make_shared<MacroObject>(caller, run.scope)));
  run.Write(run.CallValue(function, arguments).Text());
  return Flow::kNext;
}

Flow FilterStatement::Execute(Interpreter& run) const {
  Value text = [&] {
    Inner inner(run);
    return Value(body.Capture(run));
  }();
  for (const auto& filter : filters) text = filter->Apply(run, text);
  run.Write(text.Text());
  return Flow::kNext;
}

Flow WithStatement::Execute(Interpreter& run) const {
  std::vector<Value> evaluated;  // in the outer scope
  for (const auto& [target, expression] : values) {
    evaluated.push_back(expression->Evaluate(run));
  }
  Inner inner(run);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i].first.Assign(run, evaluated[i]);
  }
  return body.Execute(run);
}

}  // namespace jinja
}  // namespace malmoi::text
