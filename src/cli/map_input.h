// What malmoi map draws: vectors from any of the files that hold them, or texts
// that a model embeds; beside them texts and labels.
#ifndef MALMOI_CLI_MAP_INPUT_H_
#define MALMOI_CLI_MAP_INPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cli/verbs.h"

namespace malmoi::cli {

struct MapInput {
  std::vector<float> values;  // [rows][columns]
  int64_t rows = 0, columns = 0;
  std::vector<std::string> texts, labels;  // one a row, or none
};

// positionals: a file, or "-" for JSON lines; then words. Throws what reading
// throws, and kInvalidArgument for rows of different lengths and texts or
// labels of another number.
MapInput ReadMapInput(const Invocation& call);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_MAP_INPUT_H_
