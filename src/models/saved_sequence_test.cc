// A saved sequence comes back as it was; any other bytes are refused.
#include "models/saved_sequence.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"

namespace malmoi::models {
namespace {

constexpr KvShape kShape = {.layers = 2, .kv_heads = 1, .head_dim = 2};

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}

std::vector<int32_t> Tokens(size_t count) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) tokens.push_back(static_cast<int>(7 * i));
  return tokens;
}

Sequence Filled(int64_t length) {
  Sequence sequence(kShape, 1000);
  sequence.Reserve(length);
  sequence.SetLength(length);
  uint16_t value = 1;
  for (int64_t page = 0; page * kPagePositions < length; ++page) {
    auto* at = reinterpret_cast<uint16_t*>(sequence.keys(0, page));
    for (size_t i = 0; i < kShape.page_bytes() / 2; ++i) at[i] = value++;
  }
  return sequence;
}

std::string Saved(int64_t length) {
  return SaveSequence(Filled(length), Tokens(static_cast<size_t>(length)),
                      "a model", "AVX9");
}

ErrorCode CodeOf(const std::string& bytes) {
  try {
    CheckHash(ParseSequence(Bytes(bytes), "file"), "file");
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kIo;
}

TEST(SavedSequence, ComesBackAsItWas) {
  for (int64_t length : {0, 1, 63, 64, 65, 200}) {
    const std::string bytes = Saved(length);
    const SavedSequence saved = ParseSequence(Bytes(bytes), "file");
    CheckHash(saved, "file");
    EXPECT_EQ(saved.model, "a model");
    EXPECT_EQ(saved.target, "AVX9");
    EXPECT_EQ(saved.tokens, Tokens(static_cast<size_t>(length)));
    EXPECT_EQ(saved.shape.page_bytes(), kShape.page_bytes());
    const Sequence before = Filled(length);
    for (int64_t part : {length, length / 2}) {
      Sequence after(kShape, 1000);
      RestoreSequence(saved, part, after);
      EXPECT_EQ(after.length(), part);
      for (int64_t page = 0; page * kPagePositions < part; ++page) {
        EXPECT_EQ(std::memcmp(before.keys(0, page), after.keys(0, page),
                              kShape.page_bytes()),
                  0);
      }
    }
  }
}

TEST(SavedSequence, ShorterOrLongerIsCorrupt) {
  const std::string bytes = Saved(70);
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(CodeOf(bytes.substr(0, size)), ErrorCode::kCorrupt) << size;
  }
  EXPECT_EQ(CodeOf(bytes + "x"), ErrorCode::kCorrupt);
}

TEST(SavedSequence, AnyChangedByteIsFound) {
  const std::string bytes = Saved(3);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    const bool version = at >= 8 && at < 16;
    ASSERT_EQ(CodeOf(changed),
              version ? ErrorCode::kUnsupported : ErrorCode::kCorrupt)
        << at;
  }
}

TEST(SavedSequence, AbsurdSizesAllocateNothing) {
  const std::string bytes = Saved(3);
  for (size_t field = 2; field < 9; ++field) {  // layers to target's length
    for (uint64_t value :
         {field == 5 ? uint64_t{3} : uint64_t{0}, uint64_t{1} << 31,
          uint64_t{1} << 62, UINT64_MAX - 3, UINT64_MAX}) {
      std::string changed = bytes;
      std::memcpy(changed.data() + 8 * field, &value, sizeof(value));
      EXPECT_EQ(CodeOf(changed), ErrorCode::kCorrupt) << field << " " << value;
    }
  }
}

TEST(SavedSequence, AStateIsThereWhole) {
  Sequence sequence({.state_layers = 2, .state_size = 5}, 100);
  sequence.SetLength(3);
  sequence.state()[9] = 7;
  const std::string bytes = SaveSequence(sequence, Tokens(3), "m", "t");
  const SavedSequence saved = ParseSequence(Bytes(bytes), "file");
  EXPECT_TRUE(saved.pages.empty());
  EXPECT_EQ(saved.state.size(), 10 * sizeof(float));
  Sequence restored(saved.shape, 100);
  RestoreSequence(saved, 3, restored);
  EXPECT_EQ(restored.state()[9], 7);
  EXPECT_EQ(restored.length(), 3);
  EXPECT_EQ(CodeOf(bytes.substr(0, bytes.size() - 1)), ErrorCode::kCorrupt);
  for (size_t field = 9; field < 11; ++field) {
    for (uint64_t value : {uint64_t{0}, uint64_t{6}, uint64_t{1} << 31,
                           uint64_t{1} << 62, UINT64_MAX}) {
      std::string changed = bytes;
      std::memcpy(changed.data() + 8 * field, &value, sizeof(value));
      EXPECT_EQ(CodeOf(changed), ErrorCode::kCorrupt) << field << " " << value;
    }
  }
}

}  // namespace
}  // namespace malmoi::models
