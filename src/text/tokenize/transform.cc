#include "text/tokenize/transform.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

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

namespace {

// Appends the decomposed text: of a character's parts the first stands for
// it, the others are put in; marks are in their order.
void AppendDecomposed(std::string_view text, NormalForm form,
                      std::vector<Change>& changes) {
  std::vector<std::pair<int, Change>> marks;  // with their classes
  const auto put_marks = [&] {
    std::stable_sort(
        marks.begin(), marks.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [order, mark] : marks) changes.push_back(mark);
    marks.clear();
  };
  std::u32string parts;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
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
}

// What two characters compose to.
std::optional<char32_t> Composed(char32_t first, char32_t second,
                                 NormalForm form) {
  if (!ContinuesCluster(second, NormalForm::kNfc) || IsOpaque(first, form) ||
      IsOpaque(second, form)) {
    return std::nullopt;
  }
  std::string pair;
  AppendUtf8(pair, first);
  AppendUtf8(pair, second);
  const std::string normal = Normalize(pair, NormalForm::kNfc);
  const auto point = DecodeAt(normal, 0);
  if (!point || static_cast<size_t>(point->bytes) != normal.size()) {
    return std::nullopt;
  }
  return point->value;
}

}  // namespace

AlignedText Decompose(const AlignedText& text, NormalForm form) {
  std::vector<Change> changes;
  changes.reserve(text.text.size());
  AppendDecomposed(text.text, form, changes);
  return Transform(text, changes);
}

AlignedText Compose(const AlignedText& text, NormalForm form) {
  std::vector<Change> parts;
  AppendDecomposed(text.text, form, parts);
  std::vector<Change> changes;
  std::optional<size_t> starter;  // among the changes
  int last_class = 0;             // of the marks after it
  for (const Change& part : parts) {
    const int order = CombiningClass(part.character, form);
    const bool blocked = last_class > 0 && last_class >= order;
    if (starter && !blocked) {
      Change& base = changes[*starter];
      if (const auto c = Composed(base.character, part.character, form)) {
        base = {*c, base.added + part.added - 1};
        continue;
      }
    }
    changes.push_back(part);
    if (order == 0) {
      starter = changes.size() - 1;
      last_class = 0;
    } else if (starter) {
      last_class = order;
    }
  }
  return Transform(text, changes);
}

}  // namespace malmoi::text
