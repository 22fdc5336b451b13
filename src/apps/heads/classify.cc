#include "apps/heads/classify.h"

#include <cmath>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::apps {

namespace {

double Sigmoid(float x) {
  return 1.0 / (1.0 + std::exp(-static_cast<double>(x)));
}

}  // namespace

Scores ScoresOf(const HeadModel& model) {
  const Json type = model.config().value("problem_type", Json(nullptr));
  if (type == "regression") return Scores::kRaw;
  if (type == "multi_label_classification" || model.labels().size() == 1) {
    return Scores::kSigmoid;
  }
  return Scores::kSoftmax;
}

std::vector<double> LabelScores(const HeadModel& model,
                                std::span<const float> logits) {
  const Scores kind = ScoresOf(model);
  if (kind == Scores::kSoftmax) return Softmax(logits);
  std::vector<double> scores;
  for (float logit : logits) {
    scores.push_back(kind == Scores::kRaw ? static_cast<double>(logit)
                                          : Sigmoid(logit));
  }
  return scores;
}

std::vector<double> PairScores(HeadModel& model, std::string_view query,
                               std::span<const std::string> texts,
                               bool truncate, std::vector<bool>& truncated) {
  if (model.labels().size() != 1) {
    throw Error(ErrorCode::kUnsupported,
                {.where = model.path().string(),
                 .what = "not a model that scores pairs",
                 .expected = "one label",
                 .got = std::to_string(model.labels().size()),
                 .hint = "malmoi classify"});
  }
  std::vector<text::Encoding> encodings;
  truncated.clear();
  for (size_t i = 0; i < texts.size(); ++i) {
    bool cut = false;
    encodings.push_back(model.Encode({query, &texts[i]},
                                     Format("text {}", i + 1), truncate, cut));
    truncated.push_back(cut);
  }
  bool raw = ScoresOf(model) == Scores::kRaw;
  const Json& config = model.config();
  if (config.contains("sentence_transformers") &&
      config["sentence_transformers"].is_object()) {
    const Json name =
        config["sentence_transformers"].value("activation_fn", Json(nullptr));
    raw = raw ||
          (name.is_string() && name.get<std::string>().ends_with("Identity"));
  }
  std::vector<double> scores;
  for (float logit : model.Run(encodings)) {
    scores.push_back(raw ? static_cast<double>(logit) : Sigmoid(logit));
  }
  return scores;
}

}  // namespace malmoi::apps
