// The inner loops of the matrix kernels as they were compiled: a spill costs
// half the speed and changes no result, so only the machine code shows it.
#include <gtest/gtest.h>

#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace malmoi {
namespace {

std::string OutputOf(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[1 << 14];
  while (const size_t n = fread(buffer, 1, sizeof(buffer), pipe)) {
    out.append(buffer, n);
  }
  pclose(pipe);
  return out;
}

struct Loop {
  int products = 0;  // instructions that multiply codes
  int loads = 0;     // vectors from the stack
  int stores = 0;    // vectors to the stack
};

struct Line {
  uint64_t address;
  std::string text;
};

std::vector<Line> Lines(const std::string& function) {
  std::vector<Line> lines;
  std::istringstream stream(function);
  for (std::string text; std::getline(stream, text);) {
    char* end = nullptr;
    const uint64_t address = std::strtoull(text.c_str(), &end, 16);
    if (end != text.c_str() && *end == ':') lines.push_back({address, end + 1});
  }
  return lines;
}

// The smallest loop (what a jump back repeats) with at least `least` products.
Loop InnerLoop(const std::string& function, int least) {
  static const std::regex kProduct("vpmaddubsw|vpdpbusd|vdpbf16ps");
  static const std::regex kStack(R"(\(%r[sb]p[,)])");
  static const std::regex kJump(R"(\sj[a-z]+\s+([0-9a-f]+))");
  const std::vector<Line> lines = Lines(function);
  Loop best;
  size_t shortest = SIZE_MAX;
  for (size_t j = 0; j < lines.size(); ++j) {
    std::smatch match;
    if (!std::regex_search(lines[j].text, match, kJump)) continue;
    const uint64_t target = std::stoull(match[1], nullptr, 16);
    Loop loop;
    size_t length = 0;
    for (size_t i = j; i != SIZE_MAX && lines[i].address >= target; --i) {
      const std::string& text = lines[i].text;
      ++length;
      if (std::regex_search(text, kProduct)) ++loop.products;
      if (text.find("mm") == std::string::npos ||
          !std::regex_search(text, kStack)) {
        continue;
      }
      // AT&T order: the destination is last.
      ++(text.back() == ')' ? loop.stores : loop.loads);
    }
    if (loop.products >= least && length < shortest) {
      best = loop;
      shortest = length;
    }
  }
  return best;
}

// Of a tile of two panels: bits of a code, 32 or 256 columns a block, columns
// a group, rows.
std::string Tile(const std::string& target, int bits, bool super, int group,
                 int rows) {
  return target + ".*Int8TileILi" + std::to_string(bits) + "ELb" +
         (super ? "1" : "0") + "ELi" + std::to_string(group) + "ELi2ELi" +
         std::to_string(rows) + "EE3Run.*DecodedSource.*QuadRows";
}

class DisassemblyTest : public ::testing::Test {
 protected:
  void SetUp() override {
#if !defined(__x86_64__) || !defined(__clang__)
    GTEST_SKIP() << "needs a build by clang for x86-64: GCC 12 spills tiles of "
                    "vpdpbusd, and other processors have other names";
#elif defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
    GTEST_SKIP() << "needs a release build";
#endif
    if (OutputOf("objdump --version").empty()) {
      GTEST_SKIP() << "objdump is not installed (binutils)";
    }
    symbols_ = OutputOf("nm " MALMOI_BINARY);
  }

  Loop Find(const std::string& pattern, int least) {
    std::smatch match;
    const std::regex symbol("_ZN\\S*" + pattern + "\\S*");
    if (!std::regex_search(symbols_, match, symbol)) {
      ADD_FAILURE() << "no function " << pattern;
      return {};
    }
    return InnerLoop(OutputOf("objdump -d --no-show-raw-insn --disassemble='" +
                              match.str() + "' " MALMOI_BINARY),
                     least);
  }

  std::string symbols_;
};

// A tile has as many float sums as dot products and not registers for both:
// sums may wait on the stack, one store and one load each in a block, which is
// at most 54 vectors for 128 products. A dot product that is spilled moves at
// every one of them.
class TileTest : public DisassemblyTest,
                 public ::testing::WithParamInterface<
                     std::tuple<const char*, int, bool, int>> {};

TEST_P(TileTest, KeepsDotProductsInRegisters) {
  const auto& [target, bits, super, rows] = GetParam();
  const Loop loop = Find(Tile(target, bits, super, 32, rows), 64);
  EXPECT_GE(loop.products, 64);
  EXPECT_LT(loop.loads + loop.stores, loop.products / 2)
      << loop.loads << " loads and " << loop.stores << " stores for "
      << loop.products << " products";
}

std::string NameOf(
    const ::testing::TestParamInfo<std::tuple<const char*, int, bool, int>>&
        info) {
  const auto& [target, bits, super, rows] = info.param;
  std::string name;
  for (const char* c = target; *c != '\0'; ++c) {
    if (std::isalnum(*c)) name += *c;
  }
  return name + "Bits" + std::to_string(bits) + (super ? "Super" : "Simple");
}

INSTANTIATE_TEST_SUITE_P(
    Targets, TileTest,
    ::testing::Values(std::tuple{"N_AVX2", 4, false, 4},
                      std::tuple{"N_AVX2", 5, false, 4},
                      std::tuple{"N_AVX2", 4, true, 4},
                      std::tuple{"N_AVX2", 5, true, 4},
                      std::tuple{"N_AVX3[^_]", 4, false, 8},
                      std::tuple{"N_AVX3[^_]", 5, false, 8},
                      std::tuple{"N_AVX3[^_]", 4, true, 8},
                      std::tuple{"N_AVX3_DL", 4, false, 8},
                      std::tuple{"N_AVX3_DL", 5, false, 8},
                      std::tuple{"N_AVX3_DL", 4, true, 8},
                      std::tuple{"N_AVX3_DL", 5, true, 8}),
    NameOf);

// Its sums are all it has.
TEST_F(DisassemblyTest, TilesOfBF16StayInRegisters) {
  const Loop loop = Find("N_AVX3_DL.*bf16_dot.*BF16TileILi2ELi8EE", 16);
  EXPECT_GE(loop.products, 16);
  EXPECT_EQ(loop.loads + loop.stores, 0);
}

// The test itself can fail: this loop spills.
TEST(InnerLoop, FindsSpillsOfTheInnermostLoop) {
  const Loop loop = InnerLoop(
      "  10:\tvmovups %ymm1,0x20(%rsp)\n"
      "  14:\tvpmaddubsw %ymm0,%ymm9,%ymm6\n"
      "  18:\tvpaddw 0x40(%rsp),%ymm6,%ymm6\n"
      "  1c:\tvmovups %ymm6,0x40(%rsp)\n"
      "  20:\tmov    0x8(%rsp),%rax\n"
      "  24:\tjne    14 <f+0x4>\n"
      "  28:\tvpmaddubsw %ymm0,%ymm9,%ymm6\n"
      "  2c:\tjne    10 <f>\n",
      1);
  EXPECT_EQ(loop.products, 1);
  EXPECT_EQ(loop.loads, 1);
  EXPECT_EQ(loop.stores, 1);
}

}  // namespace
}  // namespace malmoi
