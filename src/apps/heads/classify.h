// Labels for texts and pairs of texts, by an encoder that was trained for it;
// and scores of pairs, for reranking (Nogueira & Cho 2019).
#ifndef MALMOI_APPS_HEADS_CLASSIFY_H_
#define MALMOI_APPS_HEADS_CLASSIFY_H_

#include <string>
#include <vector>

#include "apps/heads/head_model.h"

namespace malmoi::apps {

// What a classifier's numbers become, as transformers' pipeline decides it:
// one label or labels that do not exclude each other take a sigmoid each,
// others a softmax, a regression nothing.
enum class Scores { kSoftmax, kSigmoid, kRaw };
Scores ScoresOf(const HeadModel& model);

// The score of each label, in the model's order.
std::vector<double> LabelScores(const HeadModel& model,
                                std::span<const float> logits);

// How well each text answers `query`, in their order: the score of the only
// label, or its raw value where config.json says that sentence-transformers
// shall leave it. Throws kUnsupported for a model with several labels.
std::vector<double> PairScores(HeadModel& model, std::string_view query,
                               std::span<const std::string> texts,
                               bool truncate, std::vector<bool>& truncated);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_HEADS_CLASSIFY_H_
