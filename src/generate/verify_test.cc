// The small models of every architecture that travel with malmoi.
#include <gtest/gtest.h>

#include <set>

#include "generate/evaluate.h"

namespace malmoi::generate {
namespace {

TEST(Verify, EveryArchitectureIsWithinItsBound) {
  std::set<std::string> architectures;
  const auto checks = VerifyArchitectures("", 2);
  for (const ArchitectureCheck& check : checks) {
    EXPECT_TRUE(check.passed)
        << check.model << " " << check.difference << " " << check.error;
    // Weights were not all zeros, and sums not in the very same order.
    EXPECT_GT(check.difference, 0) << check.model;
    architectures.insert(check.architecture);
  }
  EXPECT_GE(checks.size(), 77u);
  EXPECT_GE(architectures.size(), 52u);
}

TEST(Verify, NamesOfBothFormatsFindAnArchitecture) {
  EXPECT_EQ(VerifyArchitectures("qwen2moe", 1).size(),
            VerifyArchitectures("qwen2_moe", 1).size());
  EXPECT_FALSE(VerifyArchitectures("qwen2moe", 1).empty());
  EXPECT_TRUE(VerifyArchitectures("no such thing", 1).empty());
}

}  // namespace
}  // namespace malmoi::generate
