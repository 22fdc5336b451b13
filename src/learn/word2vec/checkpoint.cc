#include "learn/word2vec/checkpoint.h"

#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/file_writer.h"

namespace malmoi::learn {

namespace {

constexpr std::string_view kMagic = "malmoi word2vec state 1\n";

class Reader {
 public:
  Reader(std::span<const std::byte> rest, std::string where)
      : rest_(rest), where_(std::move(where)) {}
  std::span<const std::byte> Take(uint64_t bytes) {
    if (bytes > rest_.size()) Fail();
    const auto taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  template <typename T>
  T Value() {
    T value;
    std::memcpy(&value, Take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string Text(uint64_t bytes) {
    const auto taken = Take(bytes);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }
  [[noreturn]] void Fail() {
    throw Error(ErrorCode::kCorrupt,
                {.where = where_, .what = "not a whole checkpoint"});
  }
  bool done() const { return rest_.empty(); }

 private:
  std::span<const std::byte> rest_;
  std::string where_;
};

}  // namespace

void WriteCheckpoint(const std::filesystem::path& path,
                     const std::string& about, const TrainingPlace& place,
                     const AlignedRows& input, const AlignedRows& output) {
  FileWriter out(path);
  out.Write(kMagic);
  out.WriteValue(static_cast<uint64_t>(about.size()));
  out.Write(about);
  out.WriteValue(place.epoch);
  out.WriteValue(place.piece);
  out.WriteValue(place.tokens);
  out.WriteValue(place.batches);
  out.WriteValue(place.loss);
  out.WriteValue(place.losses);
  out.WriteValue(static_cast<uint64_t>(place.epoch_losses.size()));
  for (double loss : place.epoch_losses) out.WriteValue(loss);
  for (const AlignedRows* rows : {&input, &output}) {
    for (int64_t i = 0; i < rows->rows(); ++i) {
      out.Write(std::as_bytes(
          std::span(rows->row(i), static_cast<size_t>(rows->columns()))));
    }
  }
  out.Write(kMagic);
  out.Finish();
}

TrainingPlace ReadCheckpoint(const std::filesystem::path& path,
                             const std::string& about, AlignedRows& input,
                             AlignedRows& output) {
  const auto mapped = MappedFile::Open(path);
  Reader in(mapped->bytes(), path.string());
  if (in.Text(kMagic.size()) != kMagic) in.Fail();
  const std::string of = in.Text(in.Value<uint64_t>());
  if (of != about) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = path.string(),
                 .what = "a checkpoint of another corpus or other options",
                 .expected = about,
                 .got = of,
                 .hint = "the same options, or without --resume"});
  }
  TrainingPlace place;
  place.epoch = in.Value<int64_t>();
  place.piece = in.Value<int64_t>();
  place.tokens = in.Value<int64_t>();
  place.batches = in.Value<uint64_t>();
  place.loss = in.Value<double>();
  place.losses = in.Value<double>();
  const auto epochs = in.Value<uint64_t>();
  if (place.epoch < 0 || place.piece < 0 || place.tokens < 0 ||
      epochs != static_cast<uint64_t>(place.epoch)) {
    in.Fail();
  }
  for (uint64_t i = 0; i < epochs; ++i) {
    place.epoch_losses.push_back(in.Value<double>());
  }
  for (AlignedRows* rows : {&input, &output}) {
    const size_t bytes = static_cast<size_t>(rows->columns()) * sizeof(float);
    for (int64_t i = 0; i < rows->rows(); ++i) {
      std::memcpy(rows->row(i), in.Take(bytes).data(), bytes);
    }
  }
  if (in.Text(kMagic.size()) != kMagic || !in.done()) in.Fail();
  return place;
}

}  // namespace malmoi::learn
