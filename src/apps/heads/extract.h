// Extractive question answering: the passage of a text that answers a question
// (Rajpurkar et al. 2016; Devlin et al. 2019, section 4.2).
#ifndef MALMOI_APPS_HEADS_EXTRACT_H_
#define MALMOI_APPS_HEADS_EXTRACT_H_

#include <string>
#include <vector>

#include "apps/heads/head_model.h"

namespace malmoi::apps {

struct ExtractOptions {
  size_t top = 1;
  int64_t max_answer = 15;  // tokens
  // Texts that the model cannot read at once are read in windows of `window`
  // tokens, question included, each with `overlap` of the one before.
  int64_t window = 384;
  int64_t overlap = 128;
};

struct Passage {
  std::string text;
  double score = 0;           // P(begins here)·P(ends there), of its window
  size_t begin = 0, end = 0;  // bytes of the text
};

// The best passages, best first; none of them twice. Throws kContextOverflow
// for a question that leaves no room.
std::vector<Passage> Extract(HeadModel& model, const std::string& question,
                             const std::string& text,
                             const ExtractOptions& options);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_HEADS_EXTRACT_H_
