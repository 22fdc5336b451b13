#include "text/tokenize/transform.h"

#include <algorithm>
#include <string>

#include "text/unicode/properties.h"

namespace malmoi::text {

AlignedText Transform(const AlignedText& text,
                      std::span<const Change> changes) {
  AlignedText out;
  out.text.reserve(text.text.size());
  out.sources.reserve(text.text.size());
  size_t at = 0;
  SourceRange source = {0, 0};  // of the character before `at`
  const auto next = [&] {
    if (at >= text.text.size()) return;
    const auto point = DecodeAt(text.text, at);
    const size_t end = at + (point ? static_cast<size_t>(point->bytes) : 1);
    source = {text.sources[at].begin, text.sources[end - 1].end};
    at = end;
  };
  std::string bytes;
  for (const Change& change : changes) {
    if (change.added <= 0) next();
    bytes.clear();
    AppendUtf8(bytes, change.character);
    out.Append(bytes, source);
    for (int left_out = change.added; left_out < 0; ++left_out) next();
  }
  return out;
}

void AppendChanges(std::string_view characters, int count,
                   std::vector<Change>& changes) {
  const size_t before = changes.size();
  for (size_t at = 0; at < characters.size();) {
    const auto point = DecodeAt(characters, at);
    if (!point) break;
    changes.push_back({point->value, 0});
    at += static_cast<size_t>(point->bytes);
  }
  const int more = static_cast<int>(changes.size() - before) - count;
  for (int i = 0; i < more; ++i) {
    changes[changes.size() - 1 - static_cast<size_t>(i)].added = 1;
  }
  // If nothing is left, the character before takes the others with it.
  if (more < 0 && !changes.empty()) changes.back().added += more;
}

AlignedText Decompose(const AlignedText& text, NormalForm form) {
  std::vector<Change> changes;
  changes.reserve(text.text.size());
  std::vector<std::pair<int, Change>> marks;  // with their classes
  const auto put_marks = [&] {
    std::stable_sort(
        marks.begin(), marks.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [order, mark] : marks) changes.push_back(mark);
    marks.clear();
  };
  std::u32string parts;
  for (size_t at = 0; at < text.text.size();) {
    const auto point = DecodeAt(text.text, at);
    const char32_t c = point ? point->value : U'\uFFFD';
    at += point ? static_cast<size_t>(point->bytes) : 1;
    parts.clear();
    AppendDecomposition(parts, c, form);
    for (size_t i = 0; i < parts.size(); ++i) {
      const int order = CombiningClass(parts[i], form);
      const Change change = {parts[i], i == 0 ? 0 : 1};
      if (order > 0) {
        marks.emplace_back(order, change);
      } else {
        put_marks();
        changes.push_back(change);
      }
    }
  }
  put_marks();
  return Transform(text, changes);
}

}  // namespace malmoi::text
