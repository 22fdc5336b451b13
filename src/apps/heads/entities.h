// Names in texts: labels of tokens, joined to words and to entities as
// transformers' token-classification pipeline does.
#ifndef MALMOI_APPS_HEADS_ENTITIES_H_
#define MALMOI_APPS_HEADS_ENTITIES_H_

#include <string>
#include <string_view>
#include <vector>

#include "apps/heads/head_model.h"

namespace malmoi::apps {

// What is joined: nothing; tokens of one label; before that, tokens of a word,
// which takes the label of its first token, of the mean of all, or of the
// surest one.
enum class Joining { kNone, kSimple, kFirst, kAverage, kMax };
// By name; throws kUsage with all names.
Joining FindJoining(std::string_view name);

struct Entity {
  std::string label;  // without B- and I-, but for kNone
  double score = 0;
  size_t begin = 0, end = 0;  // bytes of the text
};

// "O" is left out. `logits`: [tokens][labels].
std::vector<Entity> JoinEntities(const HeadModel& model, std::string_view text,
                                 const text::Encoding& encoding,
                                 std::span<const float> logits,
                                 Joining joining);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_HEADS_ENTITIES_H_
