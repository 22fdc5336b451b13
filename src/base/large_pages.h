// Memory that is read here and there: of 1 MiB or more it lies in pages of 2
// MiB where the system has such, so that finding a page's place costs no access
// to memory beside the one to the table.
#ifndef MALMOI_BASE_LARGE_PAGES_H_
#define MALMOI_BASE_LARGE_PAGES_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace malmoi {

inline constexpr size_t kLargePage = size_t{2} << 20;

// Uninitialized, at a cache line or a large page; null where there is none.
// std::free() takes it back.
inline void* AllocateInLargePages(size_t bytes) {
  const bool large = bytes >= kLargePage / 2;
  const size_t unit = large ? kLargePage : 64;
  if (bytes > SIZE_MAX - unit) return nullptr;
  const size_t rounded = (bytes + unit - 1) / unit * unit;
  void* memory = std::aligned_alloc(unit, rounded == 0 ? unit : rounded);
  if (large && memory != nullptr) madvise(memory, rounded, MADV_HUGEPAGE);
  return memory;
}

// The allocator of a container.
template <typename T>
struct LargePages {
  using value_type = T;

  LargePages() = default;
  template <typename U>
  LargePages(const LargePages<U>&) {}

  T* allocate(size_t count) {
    void* memory = count > SIZE_MAX / sizeof(T)
                       ? nullptr
                       : AllocateInLargePages(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }

  bool operator==(const LargePages&) const = default;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_LARGE_PAGES_H_
