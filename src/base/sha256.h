// SHA-256 (FIPS 180-4), for recognizing files by content.
#ifndef MALMOI_BASE_SHA256_H_
#define MALMOI_BASE_SHA256_H_

#include <cstddef>
#include <span>
#include <string>

namespace malmoi {

// Lower-case hexadecimal.
std::string Sha256Hex(std::span<const std::byte> bytes);

}  // namespace malmoi

#endif  // MALMOI_BASE_SHA256_H_
