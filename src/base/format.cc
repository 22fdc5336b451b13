#include "base/format.h"

#include <array>

namespace malmoi {

std::string FormatBytes(uint64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB",
                                                        "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return unit == 0 ? Format("{} B", bytes)
                   : Format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace malmoi
