// Values of the template language, with Python's truth, equality and
// printing.
#ifndef MALMOI_TEXT_TEMPLATE_VALUE_H_
#define MALMOI_TEXT_TEMPLATE_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"

namespace malmoi::text::jinja {

class Value;
class Interpreter;
struct Dict;

using List = std::vector<Value>;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Something with attributes or that can be called: loop, namespace, macro,
// bound method.
class Object {
 public:
  virtual ~Object() = default;
  virtual std::optional<Value> Attribute(std::string_view name);
  virtual Value Call(Interpreter& run, Arguments& arguments);
  virtual std::string_view TypeName() const = 0;
};

struct Undefined {
  std::string name;
};
struct Sequence {  // a list or a tuple
  std::shared_ptr<List> items;
  bool tuple = false;
};

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(std::nullptr_t) : data_(nullptr) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<int64_t>(value)) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string value)
      : data_(std::make_shared<const std::string>(std::move(value))) {}
  Value(std::string_view value) : Value(std::string(value)) {}
  Value(const char* value) : Value(std::string(value)) {}
  Value(std::shared_ptr<Dict> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<Object> value) : data_(std::move(value)) {}
  static Value Named(std::string name) {  // undefined, with a name to report
    Value value;
    value.data_ = Undefined{std::move(name)};
    return value;
  }
  static Value FromList(List items, bool tuple = false) {
    Value value;
    value.data_ = Sequence{std::make_shared<List>(std::move(items)), tuple};
    return value;
  }
  static Value FromJson(const Json& json);

  bool IsUndefined() const { return Is<Undefined>(); }
  bool IsNone() const { return Is<std::nullptr_t>(); }
  bool IsBool() const { return Is<bool>(); }
  bool IsInt() const { return Is<int64_t>(); }
  bool IsFloat() const { return Is<double>(); }
  bool IsNumber() const { return IsInt() || IsFloat() || IsBool(); }
  bool IsIntegral() const { return IsInt() || IsBool(); }
  bool IsString() const { return Is<std::shared_ptr<const std::string>>(); }
  bool IsSequence() const { return Is<Sequence>(); }
  bool IsDict() const { return Is<std::shared_ptr<Dict>>(); }
  bool IsObject() const { return Is<std::shared_ptr<Object>>(); }

  const std::string& string() const {
    return *std::get<std::shared_ptr<const std::string>>(data_);
  }
  const List& list() const { return *std::get<Sequence>(data_).items; }
  bool tuple() const { return std::get<Sequence>(data_).tuple; }
  const Dict& dict() const { return *std::get<std::shared_ptr<Dict>>(data_); }
  Object& object() const { return *std::get<std::shared_ptr<Object>>(data_); }
  const std::string& undefined_name() const {
    return std::get<Undefined>(data_).name;
  }
  int64_t integer() const {
    return IsBool() ? static_cast<int64_t>(std::get<bool>(data_))
                    : std::get<int64_t>(data_);
  }
  double number() const {
    return IsFloat() ? std::get<double>(data_) : static_cast<double>(integer());
  }

  bool Truth() const;
  // str(): what printing gives. repr(): within lists.
  std::string Text() const;
  std::string Repr(int depth = 0) const;
  std::string_view TypeName() const;

 private:
  template <typename T>
  bool Is() const {
    return std::holds_alternative<T>(data_);
  }
  std::variant<Undefined, std::nullptr_t, bool, int64_t, double,
               std::shared_ptr<const std::string>, Sequence,
               std::shared_ptr<Dict>, std::shared_ptr<Object>>
      data_;
};

// Insertion-ordered, by Python's equality of keys.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  const Value* Find(const Value& key) const;
  void Set(const Value& key, Value value);
};

bool Equal(const Value& a, const Value& b);
// -1, 0, 1; nullopt where Python would refuse.
std::optional<int> Compare(const Value& a, const Value& b);
// Python's json.dumps(ensure_ascii=False); indent < 0: on one line.
std::string ToJson(const Value& value, int indent, bool sort_keys);
std::string FloatText(double value);

}  // namespace malmoi::text::jinja

#endif  // MALMOI_TEXT_TEMPLATE_VALUE_H_
