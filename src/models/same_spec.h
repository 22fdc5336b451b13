// Whether two checkpoints of one model are computed alike: what a converter has
// written must be read as what it had.
#ifndef MALMOI_MODELS_SAME_SPEC_H_
#define MALMOI_MODELS_SAME_SPEC_H_

#include <string>

#include "models/spec.h"

namespace malmoi::models {

// What is different; empty: nothing that a result depends on. Names, the order
// of rows, what norms' weights lack and the length of a context are not looked
// at. Numbers may have been rounded to f32.
std::string Difference(const Spec& a, const Spec& b);
std::string Difference(const EncoderSpec& a, const EncoderSpec& b);
std::string Difference(const EncoderDecoderSpec& a,
                       const EncoderDecoderSpec& b);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_SAME_SPEC_H_
