#include "generate/calibrate.h"

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "generate/session.h"

namespace malmoi::generate {

namespace {

constexpr size_t kRows = 128;  // of a forward: bounds the memory of the logits

// The text cut into windows, each with the token that begins a text.
std::vector<std::vector<int32_t>> Windows(const LanguageModel& model,
                                          const std::vector<int32_t>& tokens,
                                          size_t size) {
  std::vector<int32_t> begin;
  const text::Tokenizer& tokenizer = model.tokenizer();
  if (tokenizer.adds_bos()) begin.push_back(*tokenizer.bos_id());
  const size_t step = size - begin.size();
  std::vector<std::vector<int32_t>> windows;
  for (size_t at = 0; at < tokens.size(); at += step) {
    const size_t count = std::min(step, tokens.size() - at);
    windows.push_back(begin);
    windows.back().insert(windows.back().end(),
                          tokens.begin() + static_cast<int64_t>(at),
                          tokens.begin() + static_cast<int64_t>(at + count));
  }
  return windows;
}

// At most `count` of them, evenly spread.
void Thin(std::vector<std::vector<int32_t>>& windows, size_t count) {
  if (windows.size() <= count) return;
  for (size_t i = 0; i < count; ++i) {
    std::swap(windows[i], windows[i * windows.size() / count]);
  }
  windows.resize(count);
}

}  // namespace

Calibration Calibrate(std::shared_ptr<const LanguageModel> model,
                      std::string_view text, const CalibrateOptions& options) {
  const std::vector<int32_t> tokens =
      model->tokenizer()
          .Encode(text, {.add_special_tokens = false, .parse_special = false})
          .ids;
  if (tokens.size() < 2) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = options.name,
                 .what = "the text is empty",
                 .expected = "at least 2 tokens",
                 .got = std::to_string(tokens.size())});
  }
  const models::Spec& spec = model->decoder().spec();
  const int64_t size = std::max<int64_t>(
      2,
      std::min({models::kImportanceWindow, spec.context, options.max_tokens}));
  auto windows = Windows(*model, tokens, static_cast<size_t>(size));
  Thin(windows,
       static_cast<size_t>(std::max<int64_t>(1, options.max_tokens / size)));
  int64_t total = 0;
  for (const auto& window : windows) {
    total += static_cast<int64_t>(window.size());
  }
  models::ImportanceCollector collector;
  Session session(model, size);
  session.SetTap(
      [&](std::string_view name, std::span<const float> values, int64_t rows,
          int64_t columns) { collector.See(name, values, rows, columns); });
  Calibration result;
  result.text_tokens = static_cast<int64_t>(tokens.size());
  for (const auto& window : windows) {
    session.Clear();
    for (size_t at = 0; at < window.size(); at += kRows) {
      const size_t count = std::min(kRows, window.size() - at);
      session.ScoreNext(std::span(window).subspan(at, count));
      result.tokens += static_cast<int64_t>(count);
      if (options.progress && !options.progress(result.tokens, total)) {
        throw Error(
            ErrorCode::kCancelled,
            {.where = options.name, .what = "stopped; nothing is kept"});
      }
    }
  }
  result.importance = collector.Result(
      models::FindArchitecture(spec.architecture, options.name), spec);
  result.importance.where = options.name;
  result.importance.datasets = {options.name};
  return result;
}

}  // namespace malmoi::generate
