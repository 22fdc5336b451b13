#include "text/template/value.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::text::jinja {

namespace {

constexpr int kMaxPrintDepth = 100;

void CheckDepth(int depth) {
  if (depth > kMaxPrintDepth) {
    throw Error(ErrorCode::kLimit, {.where = "chat template",
                                    .what = "values are nested too deeply"});
  }
}

std::string Quoted(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const bool has_double = text.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  std::string out(1, quote);
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == quote || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += Format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + quote;
}

std::string JsonString(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += Format("\\u{:04x}", static_cast<unsigned char>(c));
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

void WriteJson(const Value& value, int indent, bool sort_keys, int depth,
               std::string& out);

template <typename Items, typename Write>
void WriteItems(const Items& items, char open, char close, int indent,
                int depth, std::string& out, Write&& write) {
  out += open;
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += indent < 0 ? ", " : ",";
    if (indent >= 0) {
      out += '\n';
      out.append(static_cast<size_t>(indent * (depth + 1)), ' ');
    }
    first = false;
    write(item);
  }
  if (indent >= 0 && !first) {
    out += '\n';
    out.append(static_cast<size_t>(indent * depth), ' ');
  }
  out += close;
}

void WriteJson(const Value& value, int indent, bool sort_keys, int depth,
               std::string& out) {
  CheckDepth(depth);
  if (value.IsNone()) {
    out += "null";
  } else if (value.IsBool()) {
    out += value.integer() ? "true" : "false";
  } else if (value.IsInt()) {
    out += std::to_string(value.integer());
  } else if (value.IsFloat()) {
    const double number = value.number();
    out += std::isnan(number)   ? "NaN"
           : std::isinf(number) ? (number > 0 ? "Infinity" : "-Infinity")
                                : FloatText(number);
  } else if (value.IsString()) {
    out += JsonString(value.string());
  } else if (value.IsSequence()) {
    WriteItems(value.list(), '[', ']', indent, depth, out,
               [&](const Value& item) {
                 WriteJson(item, indent, sort_keys, depth + 1, out);
               });
  } else if (value.IsDict()) {
    auto items = value.dict().items;
    if (sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [](const auto& a, const auto& b) {
                         return Compare(a.first, b.first).value_or(0) < 0;
                       });
    }
    WriteItems(items, '{', '}', indent, depth, out, [&](const auto& item) {
      const Value& key = item.first;
      out += key.IsString() ? JsonString(key.string())
                            : JsonString(ToJson(key, -1, false));
      out += ": ";
      WriteJson(item.second, indent, sort_keys, depth + 1, out);
    });
  } else {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "chat template",
                 .what = "a value that JSON cannot hold",
                 .got = std::string(value.TypeName())});
  }
}

}  // namespace

std::optional<Value> Object::Attribute(std::string_view) {
  return std::nullopt;
}

Value Object::Call(Interpreter&, Arguments&) {
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "chat template",
               .what = "a value that cannot be called",
               .got = std::string(TypeName())});
}

Value Value::FromJson(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return nullptr;
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_unsigned: {
      const uint64_t value = json.get<uint64_t>();
      if (value > INT64_MAX) return static_cast<double>(value);
      return static_cast<int64_t>(value);
    }
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return json.get<std::string>();
    case Json::value_t::array: {
      List items;
      for (const Json& item : json) items.push_back(FromJson(item));
      return FromList(std::move(items));
    }
    case Json::value_t::object: {
      auto dict = std::make_shared<Dict>();
      for (const auto& [key, item] : json.items()) {
        dict->items.emplace_back(Value(key), FromJson(item));
      }
      return dict;
    }
    default:
      return nullptr;
  }
}

bool Value::Truth() const {
  if (IsUndefined() || IsNone()) return false;
  if (IsIntegral()) return integer() != 0;
  if (IsFloat()) return number() != 0;
  if (IsString()) return !string().empty();
  if (IsSequence()) return !list().empty();
  if (IsDict()) return !dict().items.empty();
  return true;
}

std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = Format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string Value::Text() const {
  if (IsString()) return string();
  if (IsUndefined()) return "";
  return Repr();
}

std::string Value::Repr(int depth) const {
  CheckDepth(depth);
  if (IsUndefined()) return "Undefined";
  if (IsNone()) return "None";
  if (IsBool()) return integer() ? "True" : "False";
  if (IsInt()) return std::to_string(integer());
  if (IsFloat()) return FloatText(number());
  if (IsString()) return Quoted(string());
  if (IsSequence()) {
    std::string out(1, tuple() ? '(' : '[');
    bool first = true;
    for (const Value& item : list()) {
      if (!first) out += ", ";
      first = false;
      out += item.Repr(depth + 1);
    }
    if (tuple() && list().size() == 1) out += ',';
    return out + (tuple() ? ')' : ']');
  }
  if (IsDict()) {
    std::string out = "{";
    bool first = true;
    for (const auto& [key, item] : dict().items) {
      if (!first) out += ", ";
      first = false;
      out += key.Repr(depth + 1) + ": " + item.Repr(depth + 1);
    }
    return out + "}";
  }
  return Format("<{}>", object().TypeName());
}

std::string_view Value::TypeName() const {
  if (IsUndefined()) return "undefined";
  if (IsNone()) return "None";
  if (IsBool()) return "bool";
  if (IsInt()) return "int";
  if (IsFloat()) return "float";
  if (IsString()) return "str";
  if (IsSequence()) return tuple() ? "tuple" : "list";
  if (IsDict()) return "dict";
  return object().TypeName();
}

const Value* Dict::Find(const Value& key) const {
  for (const auto& [known, value] : items) {
    if (Equal(known, key)) return &value;
  }
  return nullptr;
}

void Dict::Set(const Value& key, Value value) {
  for (auto& [known, old] : items) {
    if (Equal(known, key)) {
      old = std::move(value);
      return;
    }
  }
  items.emplace_back(key, std::move(value));
}

bool Equal(const Value& a, const Value& b) {
  if (a.IsNumber() && b.IsNumber()) {
    if (a.IsIntegral() && b.IsIntegral()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.IsString() && b.IsString()) return a.string() == b.string();
  if (a.IsNone() || b.IsNone()) return a.IsNone() && b.IsNone();
  if (a.IsUndefined() || b.IsUndefined()) {
    return a.IsUndefined() && b.IsUndefined();
  }
  if (a.IsSequence() && b.IsSequence()) {
    return a.tuple() == b.tuple() && a.list().size() == b.list().size() &&
           std::equal(a.list().begin(), a.list().end(), b.list().begin(),
                      Equal);
  }
  if (a.IsDict() && b.IsDict()) {
    if (a.dict().items.size() != b.dict().items.size()) return false;
    for (const auto& [key, value] : a.dict().items) {
      const Value* other = b.dict().Find(key);
      if (other == nullptr || !Equal(value, *other)) return false;
    }
    return true;
  }
  if (a.IsObject() && b.IsObject()) return &a.object() == &b.object();
  return false;
}

std::optional<int> Compare(const Value& a, const Value& b) {
  if (a.IsIntegral() && b.IsIntegral()) {
    return a.integer() < b.integer() ? -1 : a.integer() > b.integer();
  }
  if (a.IsNumber() && b.IsNumber()) {
    return a.number() < b.number() ? -1 : a.number() > b.number();
  }
  if (a.IsString() && b.IsString()) {
    // UTF-8 sorts as its code points do.
    const int order = a.string().compare(b.string());
    return order < 0 ? -1 : order > 0;
  }
  if (a.IsSequence() && b.IsSequence() && a.tuple() == b.tuple()) {
    const List& x = a.list();
    const List& y = b.list();
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (Equal(x[i], y[i])) continue;
      return Compare(x[i], y[i]);
    }
    return x.size() < y.size() ? -1 : x.size() > y.size();
  }
  return std::nullopt;
}

std::string ToJson(const Value& value, int indent, bool sort_keys) {
  std::string out;
  WriteJson(value, indent, sort_keys, 0, out);
  return out;
}

}  // namespace malmoi::text::jinja
