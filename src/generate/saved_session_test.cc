// Sessions on disk: what follows is what would have followed, to the bit; a
// file of another model, of other kernels or with damage is refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "generate/session.h"
#include "generate/testing/toy_model.h"
#include "kernels/kernels.h"

namespace malmoi::generate {
namespace {

namespace fs = std::filesystem;

class SavedSessionTest : public ::testing::Test {
 protected:
  SavedSessionTest()
      : folder_(fs::temp_directory_path() /
                ("malmoi_saved_" + std::to_string(getpid()))) {
    fs::create_directories(folder_);
    model_ = ToyModel(folder_ / "toy.gguf", 3);
    options_.sampling.temperature = 0.8;
    options_.max_tokens = 30;
    options_.top_logprobs = 5;
    options_.ignore_end = true;
  }
  ~SavedSessionTest() override { fs::remove_all(folder_); }

  static std::vector<int32_t> Prompt(size_t count) {
    Random random(9);
    std::vector<int32_t> prompt;
    for (size_t i = 0; i < count; ++i) {
      prompt.push_back(static_cast<int32_t>(3 + random.Below(kToyVocab - 3)));
    }
    return prompt;
  }
  Error Refused(std::shared_ptr<const LanguageModel> model) const {
    Session session(model);
    try {
      session.Load(file());
    } catch (const Error& error) {
      // It is as good as new.
      EXPECT_EQ(session.Generate(Prompt(5), options_).usage.cached_tokens, 0);
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorCode::kIo, {});
  }
  fs::path file() const { return folder_ / "session.kv"; }

  fs::path folder_;
  std::shared_ptr<LanguageModel> model_;
  GenerateOptions options_;
};

TEST_F(SavedSessionTest, GoesOnToTheBit) {
  for (size_t size : {1u, 63u, 64u, 65u, 150u}) {
    Session first(model_);
    options_.max_tokens = 3;
    first.Generate(Prompt(size), options_);
    first.Save(file());
    std::vector<int32_t> longer = Prompt(size);
    longer.insert(longer.end(), {5, 6, 7});
    options_.max_tokens = 30;
    Session second(model_), alone(model_);
    EXPECT_EQ(second.Load(file()), static_cast<int64_t>(size) + 2);
    const Completion got = second.Generate(longer, options_);
    const Completion expected = alone.Generate(longer, options_);
    EXPECT_GE(got.usage.cached_tokens, static_cast<int64_t>(size));
    EXPECT_EQ(expected.usage.cached_tokens, 0);
    EXPECT_EQ(got.text, expected.text);
    ASSERT_EQ(got.steps.size(), expected.steps.size());
    for (size_t i = 0; i < got.steps.size(); ++i) {
      for (size_t k = 0; k < 5; ++k) {
        EXPECT_EQ(got.steps[i].top[k].id, expected.steps[i].top[k].id);
        EXPECT_EQ(got.steps[i].top[k].logprob,
                  expected.steps[i].top[k].logprob);
      }
    }
  }
}

TEST_F(SavedSessionTest, ASmallerContextTakesWhatItHolds) {
  Session first(model_);
  first.Generate(Prompt(150), options_);
  first.Save(file());
  Session small(model_, 100), alone(model_, 100);
  EXPECT_EQ(small.Load(file()), 100);
  const Completion got = small.Generate(Prompt(90), options_);
  EXPECT_EQ(got.usage.cached_tokens, 89);
  EXPECT_EQ(got.tokens, alone.Generate(Prompt(90), options_).tokens);
}

TEST_F(SavedSessionTest, AnotherModelIsRefused) {
  Session session(model_);
  session.Generate(Prompt(70), options_);
  session.Save(file());
  // Other weights of the same shapes, and another shape.
  for (const auto& [seed, layers] : {std::pair{4, 2}, std::pair{3, 3}}) {
    const auto other =
        ToyModel(folder_ / "other.gguf", static_cast<uint64_t>(seed), layers);
    const Error error = Refused(other);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(error.parts().what, "the session is of another model");
  }
  // The same file under another name is the same model.
  Session renamed(ToyModel(folder_ / "renamed.gguf", 3));
  EXPECT_GT(renamed.Load(file()), 70);
}

// Dynamic NTK: what a sequence may grow to turns its keys.
TEST_F(SavedSessionTest, AnotherContextIsRefusedWhereItTurnsTheKeys) {
  const fs::path golden = MALMOI_SOURCE_DIR "/tests/golden/zoo/llama-dynamic";
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::copy(golden / name, folder_ / name);
  }
  std::string vocabulary;
  for (int id = 0; id < 300; ++id) {
    vocabulary += Format("{}\"w{}\": {}", id == 0 ? "" : ", ", id, id);
  }
  WriteFileAtomically(
      folder_ / "tokenizer.json",
      "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"Whitespace\"}, "
      "\"model\": {\"type\": \"WordLevel\", \"unk_token\": \"w0\", "
      "\"vocab\": {" +
          vocabulary + "}}}");
  const auto model = LanguageModel::Load(folder_);
  options_.max_tokens = 3;
  const auto save = [&](int64_t context) {
    Session session(model, context);
    session.Generate(Prompt(10), options_);
    session.Save(file());
  };
  save(48);
  Session same(model, 48);
  EXPECT_GE(same.Load(file()), 10);
  Session other(model, 40);
  EXPECT_THROW(other.Load(file()), Error);
  // Below the original context of 24 the base does not grow.
  save(20);
  Session smaller(model, 16);
  EXPECT_GE(smaller.Load(file()), 10);
}

TEST_F(SavedSessionTest, OtherKernelsAreRefused) {
  Session session(model_);
  session.Generate(Prompt(70), options_);
  session.Save(file());
  const kernels::KernelTable& before = kernels::Kernels();
  for (const kernels::KernelTable* table : kernels::AllKernels()) {
    if (table->name == before.name) continue;
    kernels::UseKernels(*table);
    const auto other = ToyModel(folder_ / "toy.gguf", 3);
    const Error error = Refused(other);
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(error.parts().expected, table->name);
    EXPECT_EQ(error.parts().got, before.name);
  }
  kernels::UseKernels(before);
}

TEST_F(SavedSessionTest, DamageIsFound) {
  Session session(model_);
  session.Generate(Prompt(70), options_);
  session.Save(file());
  const std::string whole = ReadFile(file());
  for (size_t size : {size_t{0}, size_t{7}, size_t{100}, whole.size() / 3,
                      whole.size() - 64, whole.size() - 1}) {
    WriteFileAtomically(file(), whole.substr(0, size));
    EXPECT_EQ(Refused(model_).code(), ErrorCode::kCorrupt) << size;
  }
  std::string changed = whole;
  changed[whole.size() / 2] ^= 1;
  WriteFileAtomically(file(), changed);
  EXPECT_EQ(Refused(model_).code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace malmoi::generate
