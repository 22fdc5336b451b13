// Rotary positions as configurations state them: GGUF keys and tensors, and
// config.json in its older (rope_theta, rope_scaling) and newer
// (rope_parameters) spelling.
#ifndef MALMOI_MODELS_ROPE_CONFIG_H_
#define MALMOI_MODELS_ROPE_CONFIG_H_

#include <string_view>

#include "models/config.h"
#include "models/spec.h"

namespace malmoi::models {

// Everything but `pairs`. `section` is the part of rope_parameters that holds
// it where there are several ("full_attention"), else "". Scalings linear,
// dynamic, yarn, llama3 and longrope; kUnsupported for another. `round_yarn`:
// whether yarn's range is of whole components where nothing is said about it.
RopeSpec ReadRope(const Config& config, int64_t head_dim, int64_t context,
                  std::string_view section = "", bool round_yarn = true);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_ROPE_CONFIG_H_
