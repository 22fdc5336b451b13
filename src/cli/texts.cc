#include "cli/texts.h"

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "cli/terminal.h"

namespace malmoi::cli {

std::string TextOf(const std::string& line) {
  if (line.starts_with('"') || line.starts_with('{')) {
    try {
      const Json value = ParseJson(line, "line");
      if (value.is_string()) return value.get<std::string>();
      if (value.is_object() && value.contains("text") &&
          value["text"].is_string()) {
        return value["text"].get<std::string>();
      }
    } catch (const Error&) {
    }
  }
  return line;
}

void ForLines(const std::function<void(const std::vector<std::string>& lines,
                                       size_t first)>& use) {
  constexpr size_t kLines = 1024, kBytes = size_t{1} << 20;
  std::vector<std::string> lines;
  size_t done = 0, bytes = 0;
  const auto flush = [&] {
    if (lines.empty()) return;
    use(lines, done);
    Flush();
    done += lines.size();
    bytes = 0;
    lines.clear();
  };
  while (auto line = ReadLine()) {
    bytes += line->size();
    lines.push_back(std::move(*line));
    if (lines.size() == kLines || bytes >= kBytes || !LineWaits()) flush();
  }
  flush();
}

void ForTexts(const std::vector<std::string>& given,
              const std::function<void(const std::vector<std::string>& texts,
                                       size_t first)>& use) {
  if (!given.empty()) return use(given, 0);
  ForLines([&](const std::vector<std::string>& lines, size_t first) {
    std::vector<std::string> texts;
    for (const std::string& line : lines) texts.push_back(TextOf(line));
    use(texts, first);
  });
}

std::vector<std::string> AllTexts() {
  std::vector<std::string> all;
  ForTexts({}, [&](const std::vector<std::string>& texts, size_t) {
    all.insert(all.end(), texts.begin(), texts.end());
  });
  return all;
}

void NoteTruncated(size_t number, int64_t tokens) {
  Note(Format("{} {}: {} {}", Translate("text"), number,
              Translate("cut to the tokens that the model reads:"), tokens));
}

}  // namespace malmoi::cli
