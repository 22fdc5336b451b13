#include "models/saved_sequence.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"
#include "base/sha256.h"

namespace malmoi::models {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "malmoiKV";
constexpr uint64_t kVersion = 2, kVersionWithState = 3;
constexpr size_t kHashSize = 64;
constexpr size_t kAlign = 64;

uint64_t PageCount(const KvShape& shape, uint64_t tokens) {
  if (shape.layers == 0) return 0;
  return tokens / kPagePositions + (tokens % kPagePositions != 0);
}

[[noreturn]] void Corrupt(std::string_view where, std::string what) {
  throw Error(ErrorCode::kCorrupt,
              {.where = std::string(where),
               .what = std::move(what),
               .hint = "removing it: the session is then computed anew"});
}

// Takes bytes off the front; what is not there is an error.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  std::span<const std::byte> Take(uint64_t size) {
    if (size > bytes_.size() - at_) {
      Corrupt(where_, "truncated session file");
    }
    const auto taken = bytes_.subspan(at_, static_cast<size_t>(size));
    at_ += taken.size();
    return taken;
  }
  std::string_view Text(uint64_t size) {
    const auto taken = Take(size);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  uint64_t Number() {
    uint64_t value;
    std::memcpy(&value, Take(sizeof(value)).data(), sizeof(value));
    return value;
  }
  size_t at() const { return at_; }

 private:
  std::span<const std::byte> bytes_;
  std::string_view where_;
  size_t at_ = 0;
};

// Bytes of a page, by checked arithmetic.
uint64_t PageBytes(const KvShape& shape, std::string_view where) {
  constexpr int64_t kMost = int64_t{1} << 20;
  if (shape.layers == 0 && shape.kv_heads == 0 && shape.head_dim == 0 &&
      shape.state_layers > 0) {
    return 0;
  }
  if (shape.head_dim <= 0 || shape.head_dim > kMost) {
    Corrupt(where, "absurd sizes of a session");
  }
  std::optional<uint64_t> bytes =
      2 * kernels::KvPageBytes(shape.type, shape.head_dim);
  for (int64_t factor : {shape.layers, shape.kv_heads}) {
    bytes = CheckedMul(*bytes, static_cast<uint64_t>(factor));
    if (factor <= 0 || !bytes) Corrupt(where, "absurd sizes of a session");
  }
  return *bytes;
}

uint64_t StateBytes(const KvShape& shape, std::string_view where) {
  constexpr int64_t kMost = int64_t{1} << 31;
  for (const int64_t factor : {shape.state_layers, shape.state_size}) {
    if (factor <= 0 || factor > kMost) {
      Corrupt(where, "absurd sizes of a session");
    }
  }
  const auto values = CheckedMul(static_cast<uint64_t>(shape.state_layers),
                                 static_cast<uint64_t>(shape.state_size));
  const auto bytes = values ? CheckedMul(*values, sizeof(float)) : values;
  if (!bytes) Corrupt(where, "absurd sizes of a session");
  return *bytes;
}

}  // namespace

std::string SaveSequence(const Sequence& sequence,
                         std::span<const int32_t> tokens,
                         std::string_view model, std::string_view target) {
  MALMOI_CHECK(static_cast<int64_t>(tokens.size()) == sequence.length());
  const KvShape& shape = sequence.shape();
  const uint64_t pages = PageCount(shape, tokens.size());
  std::string out;
  out.reserve(static_cast<size_t>(pages) * shape.page_bytes() +
              tokens.size_bytes() + model.size() + target.size() + 512);
  const auto put = [&](const void* data, size_t size) {
    out.append(static_cast<const char*>(data), size);
  };
  out += kMagic;
  for (uint64_t number :
       {shape.rewinds() ? kVersion : kVersionWithState,
        static_cast<uint64_t>(shape.layers),
        static_cast<uint64_t>(shape.kv_heads),
        static_cast<uint64_t>(shape.head_dim),
        static_cast<uint64_t>(shape.type), uint64_t{tokens.size()},
        uint64_t{model.size()}, uint64_t{target.size()}}) {
    put(&number, sizeof(number));
  }
  if (!shape.rewinds()) {
    put(&shape.state_layers, sizeof(uint64_t));
    put(&shape.state_size, sizeof(uint64_t));
  }
  out += model;
  out += target;
  put(tokens.data(), tokens.size_bytes());
  out.resize((out.size() + kAlign - 1) / kAlign * kAlign);
  for (uint64_t page = 0; page < pages; ++page) {
    put(sequence.keys(0, static_cast<int64_t>(page)), shape.page_bytes());
  }
  put(sequence.state().data(), sequence.state().size_bytes());
  return out + Sha256Hex(std::as_bytes(std::span(out)));
}

SavedSequence ParseSequence(std::span<const std::byte> bytes,
                            std::string_view where) {
  if (bytes.size() < kMagic.size() ||
      std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw Error(ErrorCode::kCorrupt,
                {.where = std::string(where), .what = "not a session file"});
  }
  Reader reader(bytes, where);
  reader.Take(kMagic.size());
  const uint64_t version = reader.Number();
  if (version != kVersion && version != kVersionWithState) {
    throw Error(ErrorCode::kUnsupported,
                {.where = std::string(where),
                 .what = "unsupported version of session file",
                 .expected = Format("{} or {}", kVersion, kVersionWithState),
                 .got = std::to_string(version)});
  }
  SavedSequence saved;
  saved.shape.layers = static_cast<int64_t>(reader.Number());
  saved.shape.kv_heads = static_cast<int64_t>(reader.Number());
  saved.shape.head_dim = static_cast<int64_t>(reader.Number());
  const uint64_t type = reader.Number();
  if (type > static_cast<uint64_t>(kernels::KvType::kQ8)) {
    Corrupt(where, "absurd sizes of a session");
  }
  saved.shape.type = static_cast<kernels::KvType>(type);
  const uint64_t tokens = reader.Number();
  const uint64_t model_size = reader.Number();
  const uint64_t target_size = reader.Number();
  uint64_t state_bytes = 0;
  if (version == kVersionWithState) {
    saved.shape.state_layers = static_cast<int64_t>(reader.Number());
    saved.shape.state_size = static_cast<int64_t>(reader.Number());
    state_bytes = StateBytes(saved.shape, where);
  }
  const uint64_t page_bytes = PageBytes(saved.shape, where);
  saved.model = reader.Text(model_size);
  saved.target = reader.Text(target_size);
  const auto token_bytes = CheckedMul(tokens, sizeof(int32_t));
  const auto pages_bytes =
      CheckedMul(PageCount(saved.shape, tokens), page_bytes);
  if (!token_bytes || !pages_bytes) Corrupt(where, "absurd sizes of a session");
  const auto ids = reader.Take(*token_bytes);
  reader.Take((kAlign - reader.at() % kAlign) % kAlign);
  saved.pages = reader.Take(*pages_bytes);
  saved.state = reader.Take(state_bytes);
  saved.hashed = bytes.first(reader.at());
  saved.hash = reader.Text(kHashSize);
  if (reader.at() != bytes.size()) Corrupt(where, "bytes after the session");
  saved.tokens.resize(static_cast<size_t>(tokens));
  if (tokens > 0) std::memcpy(saved.tokens.data(), ids.data(), ids.size());
  return saved;
}

void CheckHash(const SavedSequence& saved, std::string_view where) {
  if (Sha256Hex(saved.hashed) != saved.hash) {
    Corrupt(where, "the session's content is not what was written");
  }
}

void RestoreSequence(const SavedSequence& saved, int64_t length,
                     Sequence& sequence) {
  MALMOI_CHECK(sequence.length() == 0);
  MALMOI_CHECK(length <= static_cast<int64_t>(saved.tokens.size()));
  MALMOI_CHECK(saved.shape.rewinds() ||
               length == static_cast<int64_t>(saved.tokens.size()));
  const size_t bytes = sequence.shape().page_bytes();
  sequence.Reserve(length);
  for (int64_t page = 0; page < sequence.pages(); ++page) {
    std::memcpy(sequence.keys(0, page),
                saved.pages.data() + static_cast<size_t>(page) * bytes, bytes);
  }
  const auto state = std::as_writable_bytes(sequence.state());
  MALMOI_CHECK(state.size() == saved.state.size());
  std::copy(saved.state.begin(), saved.state.end(), state.begin());
  sequence.SetLength(length);
}

}  // namespace malmoi::models
