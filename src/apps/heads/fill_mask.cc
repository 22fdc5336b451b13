#include "apps/heads/fill_mask.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "base/error.h"

namespace malmoi::apps {

namespace {

constexpr std::string_view kSpellings[] = {"[MASK]", "<mask>"};

// The spelling of the model's own mask.
std::string MaskOf(const HeadModel& model) {
  for (const char* name :
       {"tokenizer_config.json", "special_tokens_map.json"}) {
    const Json config = ReadJsonIfThere(model.path() / name);
    if (!config.is_object() || !config.contains("mask_token")) continue;
    Json mask = config["mask_token"];
    if (mask.is_object()) mask = mask.value("content", Json(nullptr));
    if (mask.is_string() &&
        model.tokenizer().TokenId(mask.get<std::string>())) {
      return mask.get<std::string>();
    }
  }
  for (std::string_view spelling : kSpellings) {
    if (model.tokenizer().TokenId(spelling)) return std::string(spelling);
  }
  throw Error(ErrorCode::kUnsupported, {.where = model.path().string(),
                                        .what = "the tokenizer has no mask",
                                        .expected = "[MASK] or <mask>"});
}

std::string WithMask(std::string text, const std::string& mask) {
  for (std::string_view spelling : kSpellings) {
    if (spelling == mask) continue;
    for (size_t at = 0; (at = text.find(spelling, at)) != std::string::npos;
         at += mask.size()) {
      text.replace(at, spelling.size(), mask);
    }
  }
  return text;
}

}  // namespace

std::vector<std::vector<Filling>> FillMasks(HeadModel& model,
                                            const std::string& text, size_t top,
                                            const std::string& where) {
  const std::string mask = MaskOf(model);
  const int32_t mask_id = *model.tokenizer().TokenId(mask);
  bool truncated = false;
  const text::Encoding encoding =
      model.Encode({WithMask(text, mask)}, where, false, truncated);
  std::vector<size_t> places;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.ids[i] == mask_id) places.push_back(i);
  }
  if (places.empty()) {
    throw Error(
        ErrorCode::kInvalidArgument,
        {.where = where, .what = "a text without a mask", .expected = mask});
  }
  const std::vector<float> logits =
      model.Run({&encoding, 1}, std::span(&places, 1));
  const auto size = static_cast<size_t>(model.spec().outputs);
  std::vector<std::vector<Filling>> result;
  for (size_t m = 0; m < places.size(); ++m) {
    const auto scores = Softmax(std::span(logits).subspan(m * size, size));
    std::vector<int32_t> order(size);
    std::iota(order.begin(), order.end(), 0);
    const size_t count = std::min(top, size);
    std::partial_sort(order.begin(),
                      order.begin() + static_cast<std::ptrdiff_t>(count),
                      order.end(), [&](int32_t a, int32_t b) {
                        const double x = scores[static_cast<size_t>(a)];
                        const double y = scores[static_cast<size_t>(b)];
                        return x != y ? x > y : a < b;
                      });
    std::vector<Filling> best;
    for (size_t i = 0; i < count; ++i) {
      const int32_t id = order[i];
      std::vector<int32_t> filled = encoding.ids;
      filled[places[m]] = id;
      best.push_back({id, model.tokenizer().Decode({&id, 1}),
                      scores[static_cast<size_t>(id)],
                      model.tokenizer().Decode(filled, places.size() == 1)});
    }
    result.push_back(std::move(best));
  }
  return result;
}

}  // namespace malmoi::apps
