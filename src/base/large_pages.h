// An allocator for tables that are read here and there: of 1 MiB or more they
// lie in pages of 2 MiB where the system has such, so that finding a page's
// place costs no access to memory beside the one to the table.
#ifndef MALMOI_BASE_LARGE_PAGES_H_
#define MALMOI_BASE_LARGE_PAGES_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace malmoi {

template <typename T>
struct LargePages {
  using value_type = T;

  LargePages() = default;
  template <typename U>
  LargePages(const LargePages<U>&) {}

  T* allocate(size_t count) {
    constexpr size_t kPage = size_t{1} << 21;
    const bool large = count >= kPage / 2 / sizeof(T);
    const size_t unit = large ? kPage
                        : alignof(std::max_align_t) > alignof(T)
                            ? alignof(std::max_align_t)
                            : alignof(T);
    if (count > (SIZE_MAX - unit) / sizeof(T)) throw std::bad_alloc();
    const size_t bytes = (count * sizeof(T) + unit - 1) / unit * unit;
    void* memory = std::aligned_alloc(unit, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    if (large) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, size_t) { std::free(memory); }

  bool operator==(const LargePages&) const = default;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_LARGE_PAGES_H_
