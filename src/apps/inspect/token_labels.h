// How tokens are shown: byte-level pieces of one character are told together,
// so that Korean reads as Korean whatever a vocabulary cuts it into.
#ifndef MALMOI_APPS_INSPECT_TOKEN_LABELS_H_
#define MALMOI_APPS_INSPECT_TOKEN_LABELS_H_

#include <string>
#include <string_view>

#include "apps/inspect/inspected_model.h"

namespace malmoi::apps {

// A token alone; parts of characters as "<e1>".
std::string LabelOf(const text::Tokenizer& tokenizer, int32_t id);
// Fills labels and units from the ids.
void LabelTokens(const text::Tokenizer& tokenizer, ReadText& read);
// Control characters as pictures, a space at the beginning as "▁".
std::string Visible(std::string_view text);
// The first so many columns of a terminal; "…" ends what was cut.
std::string CutToWidth(std::string_view text, int columns);
// The same, and spaces up to there.
std::string PadToWidth(std::string_view text, int columns);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_TOKEN_LABELS_H_
