// The word behind a mask, by an encoder's masked-language head (Devlin et al.
// 2019).
#ifndef MALMOI_APPS_HEADS_FILL_MASK_H_
#define MALMOI_APPS_HEADS_FILL_MASK_H_

#include <string>
#include <vector>

#include "apps/heads/head_model.h"

namespace malmoi::apps {

struct Filling {
  int32_t token = 0;
  std::string text;  // of the token
  double score = 0;  // its probability
  std::string sequence;
};

// For each mask of the text, the `top` most probable tokens. Masks are written
// as the model spells them, or as [MASK] or <mask>. Throws kInvalidArgument for
// a text without one.
std::vector<std::vector<Filling>> FillMasks(HeadModel& model,
                                            const std::string& text, size_t top,
                                            const std::string& where);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_HEADS_FILL_MASK_H_
