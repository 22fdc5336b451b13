#include "apps/heads/extract.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::apps {

namespace {

struct Window {
  text::Encoding encoding;
  size_t first = 0, count = 0;  // the tokens that are of the text
};

std::vector<Window> CutWindows(const HeadModel& model,
                               const std::string& question,
                               const std::string& text,
                               const ExtractOptions& options) {
  text::EncodeOptions encode;
  encode.parse_special = false;
  const text::Encoding all =
      model.tokenizer().EncodePair(question, text, encode);
  const auto begin = std::find(all.text_of.begin(), all.text_of.end(), 1);
  const auto first = static_cast<size_t>(begin - all.text_of.begin());
  const auto count = static_cast<size_t>(
      std::count(all.text_of.begin(), all.text_of.end(), 1));
  const size_t around = all.ids.size() - count;
  const auto most =
      static_cast<size_t>(std::min(model.max_tokens(), options.window));
  const size_t step_back =
      std::min(static_cast<size_t>(options.overlap), most / 2);
  if (around + step_back >= most) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = "question",
                 .what = "too long to be read together with the text",
                 .expected = Format("at most {} tokens", most - step_back - 1),
                 .got = std::to_string(around)});
  }
  const size_t room = most - around;
  std::vector<Window> windows;
  for (size_t at = 0; count > 0; at += room - step_back) {
    Window window;
    window.first = first;
    window.count = std::min(room, count - at);
    const auto take = [&](const auto& from, auto& to) {
      const auto cut = from.begin() + static_cast<std::ptrdiff_t>(first);
      to.assign(from.begin(), cut);
      const auto own = cut + static_cast<std::ptrdiff_t>(at);
      to.insert(to.end(), own, own + static_cast<std::ptrdiff_t>(window.count));
      to.insert(to.end(), cut + static_cast<std::ptrdiff_t>(count), from.end());
    };
    take(all.ids, window.encoding.ids);
    take(all.offsets, window.encoding.offsets);
    take(all.type_ids, window.encoding.type_ids);
    windows.push_back(std::move(window));
    if (at + room >= count) break;
  }
  return windows;
}

// Probabilities over the text's tokens and the first one, which stands for "no
// answer".
std::vector<double> Probabilities(const Window& window,
                                  std::span<const float> logits, size_t which) {
  std::vector<float> chosen = {logits[which]};
  for (size_t i = 0; i < window.count; ++i) {
    chosen.push_back(logits[(window.first + i) * 2 + which]);
  }
  std::vector<double> scores = Softmax(chosen);
  scores.erase(scores.begin());
  return scores;
}

}  // namespace

std::vector<Passage> Extract(HeadModel& model, const std::string& question,
                             const std::string& text,
                             const ExtractOptions& options) {
  std::vector<Window> windows = CutWindows(model, question, text, options);
  std::vector<Passage> passages;
  for (Window& window : windows) {
    const std::vector<float> logits = model.Run({&window.encoding, 1});
    const auto begins = Probabilities(window, logits, 0);
    const auto ends = Probabilities(window, logits, 1);
    const auto better = [](const Passage& a, const Passage& b) {
      return a.score > b.score;
    };
    std::vector<Passage> own;
    for (size_t i = 0; i < window.count; ++i) {
      const size_t last =
          std::min(window.count, i + static_cast<size_t>(options.max_answer));
      for (size_t j = i; j < last; ++j) {
        Passage passage;
        passage.score = begins[i] * ends[j];
        if (own.size() >= options.top && !better(passage, own.back())) continue;
        passage.begin = window.encoding.offsets[window.first + i].first;
        passage.end = window.encoding.offsets[window.first + j].second;
        own.insert(std::upper_bound(own.begin(), own.end(), passage, better),
                   passage);
        if (own.size() > options.top) own.pop_back();
      }
    }
    // Overlaps are read twice.
    for (Passage& passage : own) {
      const auto same =
          std::find_if(passages.begin(), passages.end(), [&](const Passage& p) {
            return p.begin == passage.begin && p.end == passage.end;
          });
      if (same == passages.end()) {
        passage.text = text.substr(passage.begin, passage.end - passage.begin);
        passages.push_back(std::move(passage));
      } else {
        same->score = std::max(same->score, passage.score);
      }
    }
  }
  std::stable_sort(
      passages.begin(), passages.end(),
      [](const Passage& a, const Passage& b) { return a.score > b.score; });
  if (passages.size() > options.top) passages.resize(options.top);
  return passages;
}

}  // namespace malmoi::apps
