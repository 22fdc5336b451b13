#include "text/tokenize/charsmap.h"

#include "text/tokenize/stage_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

// A unit of Darts: 8 bits of label, the leaf flag, an offset to the children
// (22 bits, in steps of 256 if bit 9 is set). Bit 31 marks a unit that holds a
// value, which no byte equals as a label.
constexpr uint32_t kLabelBits = 0x800000ff;
constexpr uint32_t kValueBits = 0x7fffffff;
constexpr uint32_t kLeafBit = 0x100;

uint32_t OffsetOf(uint32_t unit) {
  return (unit >> 10) << ((unit & 0x200) >> 6);
}

}  // namespace

Charsmap::Charsmap(std::string_view data, std::string_view where)
    : where_(where) {
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;) {
      value = (value << 8) | static_cast<unsigned char>(data[at + i]);
    }
    return value;
  };
  if (data.size() < 4) ThrowBroken();
  const size_t bytes = word(0);
  if (bytes < 4 || bytes % 4 != 0 || bytes > data.size() - 4) ThrowBroken();
  units_.reserve(bytes / 4);
  for (size_t at = 4; at < 4 + bytes; at += 4) units_.push_back(word(at));
  texts_ = data.substr(4 + bytes);
  if (FindInvalidUtf8(texts_)) ThrowBroken();
}

void Charsmap::ThrowBroken() const {
  ThrowCorrupt(where_, "a broken precompiled_charsmap");
}

uint32_t Charsmap::Unit(size_t at) const {
  if (at >= units_.size()) ThrowBroken();
  return units_[at];
}

template <typename Visit>
void Charsmap::ForEachKey(std::string_view text, const Visit& visit) const {
  size_t node = OffsetOf(units_[0]);
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == 0) return;
    node ^= byte;
    const uint32_t unit = Unit(node);
    if ((unit & kLabelBits) != byte) return;
    node ^= OffsetOf(unit);
    if ((unit & kLeafBit) == 0) continue;
    const size_t begin = Unit(node) & kValueBits;
    if (begin > texts_.size() ||
        (begin < texts_.size() &&
         (static_cast<unsigned char>(texts_[begin]) & 0xc0) == 0x80)) {
      ThrowBroken();
    }
    const std::string_view found = std::string_view(texts_).substr(begin);
    if (!visit(at + 1, found.substr(0, found.find('\0')))) return;
  }
}

std::optional<std::string_view> Charsmap::Find(std::string_view text) const {
  std::optional<std::string_view> found;
  ForEachKey(text, [&](size_t, std::string_view replacement) {
    found = replacement;
    return false;
  });
  return found;
}

std::optional<Charsmap::Rule> Charsmap::FindLongest(
    std::string_view text) const {
  std::optional<Rule> found;
  ForEachKey(text, [&](size_t bytes, std::string_view replacement) {
    found = {replacement, bytes};
    return true;
  });
  return found;
}

std::optional<std::string> DecodeBase64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  int8_t values[256];
  for (int8_t& value : values) value = -1;
  for (size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  }
  if (text.size() % 4 != 0) return std::nullopt;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int value = values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return out;
}

}  // namespace malmoi::text
