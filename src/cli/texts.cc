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

void ForTexts(const std::vector<std::string>& given,
              const std::function<void(const std::vector<std::string>& texts,
                                       size_t first)>& use) {
  if (!given.empty()) return use(given, 0);
  constexpr size_t kBatch = 256;  // lines read before they are used
  std::vector<std::string> texts;
  size_t done = 0;
  const auto flush = [&] {
    if (texts.empty()) return;
    use(texts, done);
    Flush();
    done += texts.size();
    texts.clear();
  };
  while (auto line = ReadLine()) {
    texts.push_back(TextOf(*line));
    if (texts.size() == kBatch) flush();
  }
  flush();
}

void NoteTruncated(size_t number, int64_t tokens) {
  Note(Format("{} {}: {} {}", Translate("text"), number,
              Translate("cut to the tokens that the model reads:"), tokens));
}

}  // namespace malmoi::cli
