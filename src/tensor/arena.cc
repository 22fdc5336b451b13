#include "tensor/arena.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/large_pages.h"

namespace malmoi {

namespace {
constexpr size_t kMinBlock = size_t{1} << 20;

size_t RoundUp(size_t value, size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
}  // namespace

void AlignedFree::operator()(void* memory) const { std::free(memory); }

namespace {
[[noreturn]] void NoMemory(size_t bytes) {
  throw Error(ErrorCode::kLimit,
              {.where = "memory",
               .what = "not enough memory",
               .expected = std::to_string(bytes) + " bytes",
               .hint = "a smaller model or a shorter context"});
}
}  // namespace

std::shared_ptr<std::byte> MapZeroed(size_t bytes) {
  // Room to begin at a huge page.
  const size_t mapped =
      RoundUp(bytes == 0 ? 1 : bytes, kLargePage) + kLargePage;
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) NoMemory(bytes);
  const auto address = reinterpret_cast<uintptr_t>(memory);
  auto* begin = static_cast<std::byte*>(memory) +
                (RoundUp(address, kLargePage) - address);
  madvise(begin, mapped - kLargePage, MADV_HUGEPAGE);
  return {begin, [memory, mapped](std::byte*) { munmap(memory, mapped); }};
}

AlignedBytes AllocateAligned(size_t bytes) {
  void* memory = AllocateInLargePages(bytes);
  if (memory == nullptr) NoMemory(bytes);
  std::memset(memory, 0, RoundUp(bytes, 64));
  return AlignedBytes(static_cast<std::byte*>(memory));
}

void Arena::Reset() {
  if (blocks_.size() > 1) {  // one block next time: fewer, larger
    const size_t total = capacity_bytes();
    blocks_.clear();
    blocks_.push_back({AllocateAligned(total), total});
  }
  block_ = 0;
  used_ = 0;
}

size_t Arena::capacity_bytes() const {
  size_t total = 0;
  for (const Block& block : blocks_) total += block.bytes;
  return total;
}

void* Arena::Allocate(size_t bytes) {
  const size_t rounded = RoundUp(bytes == 0 ? 1 : bytes, 64);
  while (block_ < blocks_.size() && used_ + rounded > blocks_[block_].bytes) {
    ++block_;
    used_ = 0;
  }
  if (block_ == blocks_.size()) {
    const size_t size = RoundUp(rounded > kMinBlock ? rounded : kMinBlock, 64);
    blocks_.push_back({AllocateAligned(size), size});
    used_ = 0;
  }
  void* result = blocks_[block_].memory.get() + used_;
  used_ += rounded;
  return result;
}

}  // namespace malmoi
