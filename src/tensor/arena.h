// Scratch memory of a forward pass: bump allocation that is kept and reused
// from pass to pass, so that steady decoding allocates nothing.
#ifndef MALMOI_TENSOR_ARENA_H_
#define MALMOI_TENSOR_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace malmoi {

// 64-byte aligned zero-initialized memory that frees itself.
struct AlignedFree {
  void operator()(void* memory) const;
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedFree>;
// Throws kLimit when memory is exhausted. Large blocks are huge-page aligned
// and advised.
AlignedBytes AllocateAligned(size_t bytes);

// Zeroed memory straight from the system, in huge pages where it grants them:
// pages exist once they are touched, so that threads which fill it share that
// work. Throws kLimit.
std::shared_ptr<std::byte> MapZeroed(size_t bytes);

class Arena {
 public:
  // `count` uninitialized elements, 64-byte aligned, valid until Reset() or
  // the end of the enclosing Scope.
  template <typename T>
  T* New(size_t count) {
    return static_cast<T*>(Allocate(count * sizeof(T)));
  }
  void Reset();
  size_t capacity_bytes() const;

  // Frees what was allocated since its construction.
  class Scope {
   public:
    explicit Scope(Arena& arena)
        : arena_(arena), block_(arena.block_), used_(arena.used_) {}
    ~Scope() {
      arena_.block_ = block_;
      arena_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t block_;
    size_t used_;
  };

 private:
  struct Block {
    AlignedBytes memory;
    size_t bytes;
  };
  void* Allocate(size_t bytes);

  std::vector<Block> blocks_;
  size_t block_ = 0;  // index of the block in use
  size_t used_ = 0;   // bytes used in it
};

}  // namespace malmoi

#endif  // MALMOI_TENSOR_ARENA_H_
