#include "apps/inspect/token_labels.h"

#include "base/format.h"
#include "text/unicode/utf8.h"

namespace malmoi::apps {

namespace {

std::string Hex(std::string_view bytes) {
  std::string out = "<";
  for (const char c : bytes) {
    out += Format("{:02x}", static_cast<unsigned char>(c));
  }
  return out + ">";
}

// The tokens from `first` on that are one or more whole characters together:
// their number and bytes. One token whose bytes are none stays alone.
size_t UnitAt(const std::vector<std::string>& bytes, size_t first,
              std::string& whole) {
  constexpr size_t kMost = 4;  // the bytes of the longest character
  std::string joined = bytes[first];
  for (size_t count = 1;; ++count) {
    if (!text::FindInvalidUtf8(joined)) {
      whole = joined;
      return count;
    }
    const size_t tail = text::IncompleteTail(joined);
    const bool open =
        tail > 0 && !text::FindInvalidUtf8(std::string_view(joined).substr(
                        0, joined.size() - tail));
    if (!open || count == kMost || first + count == bytes.size()) break;
    joined += bytes[first + count];
  }
  return 0;
}

}  // namespace

std::string Visible(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto point = text::DecodeAt(text, i);
    if (!point) {
      out += "\xEF\xBF\xBD";
      ++i;
      continue;
    }
    if (point->value == ' ' && i == 0) {
      out += "▁";
    } else if (point->value < 0x20) {
      text::AppendUtf8(out, 0x2400 + point->value);
    } else if (point->value == 0x7F) {
      out += "␡";
    } else {
      out += text.substr(i, static_cast<size_t>(point->bytes));
    }
    i += static_cast<size_t>(point->bytes);
  }
  return out;
}

std::string LabelOf(const text::Tokenizer& tokenizer, int32_t id) {
  if (tokenizer.IsSpecial(id)) return Visible(tokenizer.TokenText(id));
  // WordPiece spells what goes on in a word itself: "##ing".
  const bool marked = !tokenizer.continuing_prefix().empty();
  const std::string bytes =
      marked ? tokenizer.TokenText(id) : tokenizer.TokenBytes(id);
  if (bytes.empty()) return Visible(tokenizer.TokenText(id));
  return text::FindInvalidUtf8(bytes) ? Hex(bytes) : Visible(bytes);
}

void LabelTokens(const text::Tokenizer& tokenizer, ReadText& read) {
  std::vector<std::string> bytes;
  for (const int32_t id : read.ids) {
    bytes.push_back(tokenizer.IsSpecial(id) ? tokenizer.TokenText(id)
                                            : tokenizer.TokenBytes(id));
  }
  read.labels.clear();
  read.units.clear();
  for (size_t at = 0; at < bytes.size();) {
    std::string whole;
    const size_t count = UnitAt(bytes, at, whole);
    if (count <= 1) {
      read.labels.push_back(LabelOf(tokenizer, read.ids[at]));
    } else {
      for (size_t k = 0; k < count; ++k) {
        read.labels.push_back(Format("{} {}/{}", Visible(whole), k + 1, count));
      }
    }
    read.units.emplace_back(at, std::max<size_t>(count, 1));
    at += std::max<size_t>(count, 1);
  }
}

std::string CutToWidth(std::string_view text, int columns) {
  if (text::DisplayWidth(text) <= columns) return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const auto point = text::DecodeAt(text, i);
    const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
    const std::string next = out + std::string(text.substr(i, bytes));
    if (text::DisplayWidth(next) > columns - 1) break;
    out = next;
    i += bytes;
  }
  return out + "…";
}

std::string PadToWidth(std::string_view text, int columns) {
  std::string out = CutToWidth(text, columns);
  const int width = text::DisplayWidth(out);
  if (width < columns) out.append(static_cast<size_t>(columns - width), ' ');
  return out;
}

}  // namespace malmoi::apps
