// The names that taps are called by, read.
#ifndef MALMOI_APPS_INSPECT_LAYER_NAMES_H_
#define MALMOI_APPS_INSPECT_LAYER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace malmoi::apps {

// 3 for "decoder.layer.3.output" with the stack "decoder." and kind "output".
std::optional<int64_t> LayerOf(std::string_view name, std::string_view stack,
                               std::string_view kind);
// Throws kLimit for more than 1 GiB of what a view keeps.
void CheckKept(double bytes, const char* hint);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_LAYER_NAMES_H_
