#include "base/check.h"

#include <stdexcept>
#include <string>

namespace malmoi {

void CheckFailed(const char* file, int line, const char* text) {
  throw std::logic_error(std::string("malmoi bug: check failed: ") + text +
                         " at " + file + ":" + std::to_string(line));
}

}  // namespace malmoi
