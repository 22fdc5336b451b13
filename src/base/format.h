// malmoi::Format and friends: fmt under one roof, until std::format is in
// every supported standard library.
#ifndef MALMOI_BASE_FORMAT_H_
#define MALMOI_BASE_FORMAT_H_

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace malmoi {

template <typename... Args>
std::string Format(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

// "98.4 MB", "1.3 GB": decimal units, as download pages use.
std::string FormatBytes(uint64_t bytes);

}  // namespace malmoi

#endif  // MALMOI_BASE_FORMAT_H_
