// Random numbers that are the same on every machine and every standard
// library: PCG32 (O'Neill 2014, "PCG: A Family of Simple Fast ... Generators").
#ifndef MALMOI_BASE_RANDOM_H_
#define MALMOI_BASE_RANDOM_H_

#include <cstdint>

namespace malmoi {

class Random {
 public:
  explicit Random(uint64_t seed, uint64_t stream = 0)
      : state_(0), increment_((stream << 1) | 1) {
    Next();
    state_ += seed;
    Next();
  }

  // Uniform in [0, 2^32).
  uint32_t Next() {
    const uint64_t old = state_;
    state_ = old * 6364136223846793005ull + increment_;
    const uint32_t xorshifted =
        static_cast<uint32_t>(((old >> 18) ^ old) >> 27);
    const uint32_t rotation = static_cast<uint32_t>(old >> 59);
    return (xorshifted >> rotation) | (xorshifted << ((32 - rotation) & 31));
  }

  // Uniform in [0, 1), 53 bits.
  double Uniform() {
    const uint64_t high = Next();
    const uint64_t bits = (high << 32) | Next();
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
  }

  // Uniform in [0, bound) without bias; bound > 0.
  uint32_t Below(uint32_t bound) {
    const uint32_t threshold = (0u - bound) % bound;
    while (true) {
      const uint32_t value = Next();
      if (value >= threshold) return value % bound;
    }
  }

 private:
  uint64_t state_;
  uint64_t increment_;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_RANDOM_H_
