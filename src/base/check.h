// Checks of our own invariants. A failed check is a bug in malmoi, never the
// user's doing: it throws std::logic_error so that a server can answer 500.
#ifndef MALMOI_BASE_CHECK_H_
#define MALMOI_BASE_CHECK_H_

#include <cstdint>
#include <limits>
#include <optional>

namespace malmoi {

[[noreturn]] void CheckFailed(const char* file, int line, const char* text);

// a·b and a+b of sizes that come from a file: nullopt where they overflow.
inline std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}
inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t result;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

}  // namespace malmoi

#define MALMOI_CHECK(condition)                              \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::malmoi::CheckFailed(__FILE__, __LINE__, #condition); \
  } while (false)

#ifdef NDEBUG
#define MALMOI_DCHECK(condition) ((void)0)
#else
#define MALMOI_DCHECK(condition) MALMOI_CHECK(condition)
#endif

#endif  // MALMOI_BASE_CHECK_H_
