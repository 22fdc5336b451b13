#include "base/json.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace malmoi {

namespace {

// Nesting of a text.
int MaxDepth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

// Builds the value from the parser's events. nlohmann's own builder looks each
// key of an object up among those before it, which makes a vocabulary of
// 50,000 tokens take a second; here objects are appended to, and repeated keys
// are sorted out (the last one counts) when an object is complete.
class Builder {
 public:
  explicit Builder(int max_depth) : max_depth_(max_depth) {}

  bool null() { return Add(nullptr); }
  bool boolean(bool value) { return Add(value); }
  bool number_integer(int64_t value) { return Add(value); }
  bool number_unsigned(uint64_t value) { return Add(value); }
  bool number_float(double value, const std::string&) { return Add(value); }
  bool string(std::string& value) { return Add(std::move(value)); }
  bool binary(Json::binary_t& value) { return Add(std::move(value)); }
  bool start_object(size_t) { return Open(Json::object()); }
  bool key(std::string& value) {
    keys_.back() = std::move(value);
    return true;
  }
  bool end_object() {
    RemoveRepeatedKeys(open_.back().get_ref<Json::object_t&>());
    return Close();
  }
  bool start_array(size_t) { return Open(Json::array()); }
  bool end_array() { return Close(); }
  bool parse_error(size_t, const std::string&,
                   const nlohmann::json::exception& error) {
    error_ = error.what();
    return false;
  }

  Json& root() { return root_; }
  const std::string& error() const { return error_; }
  bool too_deep() const { return too_deep_; }

 private:
  // What reads or destroys a value may recurse.
  bool Open(Json value) {
    too_deep_ = open_.size() >= static_cast<size_t>(max_depth_);
    if (too_deep_) return false;
    open_.push_back(std::move(value));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    Json value = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return Add(std::move(value));
  }
  bool Add(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_array()) {
      open_.back().push_back(std::move(value));
    } else {
      auto& entries = open_.back().get_ref<Json::object_t&>();
      using Entries = Json::object_t::Container;
      static_cast<Entries&>(entries).emplace_back(std::move(keys_.back()),
                                                  std::move(value));
    }
    return true;
  }
  static std::string_view KeyAt(const Json::object_t& entries, size_t i) {
    return (entries.begin() + static_cast<long>(i))->first;
  }
  static void RemoveRepeatedKeys(Json::object_t& entries) {
    struct Slot {
      size_t hash, place;  // the place plus one; 0: free
    };
    std::vector<Slot> slots(std::bit_ceil(entries.size() * 2 + 2));
    std::vector<std::pair<size_t, size_t>> repeated;  // place, first place
    for (size_t i = 0; i < entries.size(); ++i) {
      const std::string_view key = KeyAt(entries, i);
      const size_t hash = std::hash<std::string_view>()(key);
      size_t at = hash & (slots.size() - 1);
      while (slots[at].place != 0 &&
             (slots[at].hash != hash ||
              KeyAt(entries, slots[at].place - 1) != key)) {
        at = (at + 1) & (slots.size() - 1);
      }
      if (slots[at].place == 0) {
        slots[at] = {hash, i + 1};
      } else {
        repeated.emplace_back(i, slots[at].place - 1);
      }
    }
    if (repeated.empty()) return;
    Json::object_t kept;
    size_t next = 0;
    for (const auto& [later, first] : repeated) {
      (entries.begin() + static_cast<long>(first))->second =
          std::move((entries.begin() + static_cast<long>(later))->second);
    }
    for (size_t i = 0; i < entries.size(); ++i) {
      if (next < repeated.size() && repeated[next].first == i) {
        ++next;
        continue;
      }
      using Entries = Json::object_t::Container;
      static_cast<Entries&>(kept).push_back(
          std::move(*(entries.begin() + static_cast<long>(i))));
    }
    entries = std::move(kept);
  }

  Json root_;
  std::vector<Json> open_;
  std::vector<std::string> keys_;  // of each open object, the key to come
  std::string error_;
  int max_depth_;
  bool too_deep_ = false;
};

}  // namespace

Json ParseJson(std::string_view text, std::string_view where,
               const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where),
         .what = "JSON document is too large",
         .expected = std::to_string(limits.max_bytes) + " bytes at most",
         .got = std::to_string(text.size())});
  }
  Builder builder(limits.max_depth);
  const bool valid = Json::sax_parse(text.begin(), text.end(), &builder);
  if (builder.too_deep()) {
    throw Error(
        ErrorCode::kLimit,
        {.where = std::string(where),
         .what = "JSON document is nested too deeply",
         .expected = std::to_string(limits.max_depth) + " levels at most",
         .got = std::to_string(MaxDepth(text))});
  }
  if (!valid) {
    throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                      .what = "not valid JSON",
                                      .got = builder.error()});
  }
  return std::move(builder.root());
}

Json ReadJson(const std::filesystem::path& path) {
  return ParseJson(ReadFile(path), path.string());
}

Json ReadJsonIfThere(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? ReadJson(path) : Json(nullptr);
}

std::string DumpJson(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace malmoi
