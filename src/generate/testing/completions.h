// What tests of generation share: prompts of the toy's letters, and that two
// answers are the same to the last bit.
#ifndef MALMOI_GENERATE_TESTING_COMPLETIONS_H_
#define MALMOI_GENERATE_TESTING_COMPLETIONS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "generate/session.h"
#include "generate/testing/toy_model.h"

namespace malmoi::generate {

inline std::vector<int32_t> ToyPrompt(size_t count, uint64_t seed = 1) {
  Random random(seed);
  std::vector<int32_t> prompt;
  for (size_t i = 0; i < count; ++i) {
    prompt.push_back(static_cast<int32_t>(3 + random.Below(kToyVocab - 3)));
  }
  return prompt;
}

inline void ExpectSameSteps(const std::vector<Step>& expected,
                            const std::vector<Step>& got) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const Step& a = got[i];
    const Step& b = expected[i];
    EXPECT_EQ(a.token, b.token);
    EXPECT_EQ(a.text, b.text);
    EXPECT_EQ(a.logprob, b.logprob);  // bit for bit
    ASSERT_EQ(a.top.size(), b.top.size());
    for (size_t k = 0; k < a.top.size(); ++k) {
      EXPECT_EQ(a.top[k].id, b.top[k].id);
      EXPECT_EQ(a.top[k].logprob, b.top[k].logprob);
    }
  }
}

inline void ExpectSameCompletion(const Completion& expected,
                                 const Completion& got) {
  EXPECT_EQ(got.text, expected.text);
  EXPECT_EQ(got.tokens, expected.tokens);
  EXPECT_EQ(got.finish_reason, expected.finish_reason);
  EXPECT_EQ(got.usage.prompt_tokens, expected.usage.prompt_tokens);
  EXPECT_EQ(got.usage.completion_tokens, expected.usage.completion_tokens);
  ExpectSameSteps(expected.steps, got.steps);
}

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_TESTING_COMPLETIONS_H_
