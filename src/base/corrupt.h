// The error for a file whose bytes are not what its format says: what readers
// of files throw most.
#ifndef MALMOI_BASE_CORRUPT_H_
#define MALMOI_BASE_CORRUPT_H_

#include <string>
#include <utility>

#include "base/error.h"

namespace malmoi {

// Throws kCorrupt.
[[noreturn]] inline void Corrupt(std::string where, std::string what,
                                 std::string expected = "",
                                 std::string got = "", std::string hint = "") {
  throw Error(ErrorCode::kCorrupt, {.where = std::move(where),
                                    .what = std::move(what),
                                    .expected = std::move(expected),
                                    .got = std::move(got),
                                    .hint = std::move(hint)});
}

}  // namespace malmoi

#endif  // MALMOI_BASE_CORRUPT_H_
