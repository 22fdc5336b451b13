#include "text/tokenize/lengths.h"

#include <algorithm>
#include <string>
#include <utility>

#include "text/tokenize/stage_json.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

namespace {

template <typename T>
void Keep(size_t count, Side side, std::vector<T>& list) {
  if (list.size() <= count) return;
  const auto most = static_cast<std::ptrdiff_t>(list.size() - count);
  if (side == Side::kRight) {
    list.erase(list.end() - most, list.end());
  } else {
    list.erase(list.begin(), list.begin() + most);
  }
}

template <typename T>
void Fill(size_t count, Side side, T value, std::vector<T>& list) {
  list.insert(side == Side::kRight ? list.end() : list.begin(), count, value);
}

Side ReadSide(const Json& json, std::string_view where) {
  const std::string side = Text(json, "direction", "Right", where);
  if (side != "Right" && side != "Left") {
    ThrowCorrupt(where, "unknown direction of truncation or padding", side);
  }
  return side == "Left" ? Side::kLeft : Side::kRight;
}

}  // namespace

void Truncate(size_t max_tokens, Side side, Encoding& encoding) {
  const size_t size = encoding.ids.size();
  if (size <= max_tokens) return;
  encoding.truncated_tokens += size - max_tokens;
  Keep(max_tokens, side, encoding.ids);
  Keep(max_tokens, side, encoding.offsets);
  Keep(max_tokens, side, encoding.type_ids);
  Keep(max_tokens, side, encoding.text_of);
}

void TruncatePair(size_t max_tokens, const Truncation& truncation,
                  Encoding& first, Encoding& second) {
  size_t sizes[2] = {first.ids.size(), second.ids.size()};
  if (sizes[0] + sizes[1] <= max_tokens) return;
  if (truncation.strategy == Truncation::Strategy::kLongestFirst) {
    size_t& shorter = sizes[sizes[0] > sizes[1] ? 1 : 0];
    size_t& longer = sizes[sizes[0] > sizes[1] ? 0 : 1];
    longer = shorter > max_tokens ? shorter
                                  : std::max(shorter, max_tokens - shorter);
    if (shorter + longer > max_tokens) {
      shorter = max_tokens / 2;
      longer = shorter + max_tokens % 2;
    }
  } else if (max_tokens == 0) {  // as the library: both go
    sizes[0] = sizes[1] = 0;
  } else {
    const bool is_first =
        truncation.strategy == Truncation::Strategy::kOnlyFirst;
    const size_t other = sizes[is_first ? 1 : 0];
    if (other >= max_tokens) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "truncation",
                   .what = "the text to cut is too short",
                   .expected = Format("{} tokens for both texts", max_tokens),
                   .got = Format("{} in the other text", other),
                   .hint = "cutting the longest first"});
    }
    sizes[is_first ? 0 : 1] = max_tokens - other;
  }
  Truncate(sizes[0], truncation.side, first);
  Truncate(sizes[1], truncation.side, second);
}

void Pad(const Padding& padding, std::span<Encoding> batch) {
  size_t length = padding.length;
  if (length == 0) {
    for (const Encoding& encoding : batch) {
      length = std::max(length, encoding.ids.size());
    }
  }
  if (padding.multiple_of > 0 && length % padding.multiple_of > 0) {
    length += padding.multiple_of - length % padding.multiple_of;
  }
  for (Encoding& encoding : batch) {
    const size_t size = encoding.ids.size();
    const size_t more = length > size ? length - size : 0;
    encoding.attention_mask.assign(size, 1);
    encoding.type_ids.resize(size, 0);
    encoding.text_of.resize(size, 0);
    Fill<int32_t>(more, padding.side, padding.id, encoding.ids);
    Fill<std::pair<size_t, size_t>>(more, padding.side, {0, 0},
                                    encoding.offsets);
    Fill<int32_t>(more, padding.side, padding.type_id, encoding.type_ids);
    Fill<int8_t>(more, padding.side, -1, encoding.text_of);
    Fill<int8_t>(more, padding.side, 0, encoding.attention_mask);
  }
}

std::optional<Truncation> ReadTruncation(const Json& json,
                                         std::string_view where) {
  if (json.is_null()) return std::nullopt;
  if (!json.is_object()) ThrowCorrupt(where, "senseless truncation");
  static constexpr std::pair<std::string_view, Truncation::Strategy> kNames[] =
      {{"LongestFirst", Truncation::Strategy::kLongestFirst},
       {"OnlyFirst", Truncation::Strategy::kOnlyFirst},
       {"OnlySecond", Truncation::Strategy::kOnlySecond}};
  Truncation out;
  out.max_tokens = Count(json, "max_length", out.max_tokens, where);
  out.side = ReadSide(json, where);
  const std::string name = Text(json, "strategy", "LongestFirst", where);
  const auto it = std::find_if(std::begin(kNames), std::end(kNames),
                               [&](const auto& k) { return k.first == name; });
  if (it == std::end(kNames)) {
    ThrowCorrupt(where, "unknown strategy of truncation", name);
  }
  out.strategy = it->second;
  return out;
}

std::optional<Padding> ReadPadding(const Json& json, std::string_view where) {
  if (json.is_null()) return std::nullopt;
  if (!json.is_object()) ThrowCorrupt(where, "senseless padding");
  Padding out;
  const auto strategy = json.find("strategy");
  if (strategy != json.end() && strategy->is_object()) {
    out.length = Count(*strategy, "Fixed", 0, where);
  }
  out.multiple_of = Count(json, "pad_to_multiple_of", 0, where);
  out.side = ReadSide(json, where);
  const auto id = [&](const char* key) {
    const size_t value = Count(json, key, 0, where);
    if (value > INT32_MAX) ThrowCorrupt(where, "senseless padding", key);
    return static_cast<int32_t>(value);
  };
  out.id = id("pad_id");
  out.type_id = id("pad_type_id");
  return out;
}

}  // namespace malmoi::text
