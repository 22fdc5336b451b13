#include "text/tokenize/sentencepiece_model.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "text/tokenize/stage_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

// A field of a message: a number (varint or fixed), or bytes.
struct Field {
  uint64_t number = 0;
  enum class Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 } wire;
  uint64_t value = 0;
  std::string_view bytes;
};

// The fields of one message in the order of the file.
class Message {
 public:
  Message(std::string_view bytes, std::string_view where)
      : bytes_(bytes), where_(where) {}

  std::optional<Field> Next() {
    if (at_ == bytes_.size()) return std::nullopt;
    const uint64_t tag = Varint();
    Field field{.number = tag >> 3,
                .wire = static_cast<Field::Wire>(tag & 7),
                .bytes = {}};
    if (field.number == 0) ThrowBroken("a field without a number");
    switch (field.wire) {
      case Field::Wire::kVarint:
        field.value = Varint();
        break;
      case Field::Wire::kFixed64:
        field.value = Fixed(8);
        break;
      case Field::Wire::kFixed32:
        field.value = Fixed(4);
        break;
      case Field::Wire::kBytes: {
        const uint64_t size = Varint();
        if (size > bytes_.size() - at_) ThrowBroken("a field past the end");
        field.bytes = bytes_.substr(at_, size);
        at_ += size;
        break;
      }
      default:
        ThrowBroken("an unknown type of field");
    }
    return field;
  }

  std::string_view Bytes(const Field& field) const {
    if (field.wire != Field::Wire::kBytes) ThrowBroken("a number for bytes");
    return field.bytes;
  }
  std::string Text(const Field& field) const {
    const std::string_view text = Bytes(field);
    if (FindInvalidUtf8(text)) ThrowBroken("a text that is no UTF-8");
    return std::string(text);
  }
  int32_t Int(const Field& field) const {
    if (field.wire != Field::Wire::kVarint) ThrowBroken("no number");
    return static_cast<int32_t>(field.value);
  }
  float Float(const Field& field) const {
    if (field.wire != Field::Wire::kFixed32) ThrowBroken("no score");
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(field.value));
    if (!std::isfinite(value)) ThrowBroken("a score that is not finite");
    return value;
  }
  [[noreturn]] void ThrowBroken(std::string_view what) const {
    throw Error(ErrorCode::kCorrupt,
                {.where = std::string(where_),
                 .what = Format("a broken SentencePiece model: {}", what),
                 .expected = "a ModelProto message",
                 .got = Format("byte {} of {}", at_, bytes_.size()),
                 .hint = "downloading it again"});
  }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == bytes_.size()) break;
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ThrowBroken("a number without an end");
  }
  uint64_t Fixed(size_t size) {
    if (size > bytes_.size() - at_) ThrowBroken("a number past the end");
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) {
      value = (value << 8) | static_cast<unsigned char>(bytes_[at_ + i]);
    }
    at_ += size;
    return value;
  }

  std::string_view bytes_;
  std::string_view where_;
  size_t at_ = 0;
};

using Model = SentencePieceModel;

Model::Piece ReadPiece(std::string_view bytes, std::string_view where) {
  Model::Piece piece;
  Message message(bytes, where);
  while (const auto field = message.Next()) {
    if (field->number == 1) piece.text = message.Text(*field);
    if (field->number == 2) piece.score = message.Float(*field);
    if (field->number == 3) {
      const int32_t type = message.Int(*field);
      if (type < 1 || type > 6) message.ThrowBroken("an unknown type of piece");
      piece.type = static_cast<Model::PieceType>(type);
    }
  }
  if (piece.text.empty()) message.ThrowBroken("a piece without a text");
  return piece;
}

void ReadTrainer(std::string_view bytes, std::string_view where, Model& model) {
  Message message(bytes, where);
  while (const auto field = message.Next()) {
    switch (field->number) {
      case 3: {
        const int32_t kind = message.Int(*field);
        if (kind < 1 || kind > 4) message.ThrowBroken("an unknown model type");
        model.kind = static_cast<Model::Kind>(kind);
        break;
      }
      case 24:
        model.whitespace_as_suffix = message.Int(*field) != 0;
        break;
      case 35:
        model.byte_fallback = message.Int(*field) != 0;
        break;
      case 41:
        model.bos_id = message.Int(*field);
        break;
      case 42:
        model.eos_id = message.Int(*field);
        break;
      case 43:
        model.pad_id = message.Int(*field);
        break;
      case 44:
        model.unknown_surface = message.Text(*field);
        break;
    }
  }
}

void ReadNormalizer(std::string_view bytes, std::string_view where,
                    Model& model) {
  Message message(bytes, where);
  while (const auto field = message.Next()) {
    switch (field->number) {
      case 2:
        model.charsmap = message.Bytes(*field);
        break;
      case 3:
        model.add_dummy_prefix = message.Int(*field) != 0;
        break;
      case 4:
        model.remove_extra_whitespaces = message.Int(*field) != 0;
        break;
      case 5:
        model.escape_whitespaces = message.Int(*field) != 0;
        break;
    }
  }
}

}  // namespace

SentencePieceModel SentencePieceModel::Parse(std::string_view bytes,
                                             std::string_view where) {
  SentencePieceModel model;
  Message message(bytes, where);
  while (const auto field = message.Next()) {
    switch (field->number) {
      case 1:
        model.pieces.push_back(ReadPiece(message.Bytes(*field), where));
        break;
      case 2:
        ReadTrainer(message.Bytes(*field), where, model);
        break;
      case 3:
        ReadNormalizer(message.Bytes(*field), where, model);
        break;
      case 5: {
        SentencePieceModel denormalizer;
        ReadNormalizer(message.Bytes(*field), where, denormalizer);
        model.denormalizes = !denormalizer.charsmap.empty();
        break;
      }
    }
  }
  const auto size = static_cast<int64_t>(model.pieces.size());
  if (size == 0 || size > INT32_MAX / 2) message.ThrowBroken("no pieces");
  // As the library: the piece of that type is the unknown one.
  model.unknown_id = -1;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != PieceType::kUnknown) continue;
    if (model.unknown_id >= 0) message.ThrowBroken("two unknown pieces");
    model.unknown_id = static_cast<int32_t>(id);
  }
  if (model.unknown_id < 0) message.ThrowBroken("no unknown piece");
  for (int32_t* id : {&model.bos_id, &model.eos_id, &model.pad_id}) {
    if (*id >= size || *id < 0) *id = -1;
  }
  return model;
}

void AlignAsFairseq(SentencePieceModel& model) {
  constexpr size_t kOwn = 3;  // SentencePiece's: unknown, beginning, end
  using PieceType = SentencePieceModel::PieceType;
  const std::pair<const char*, PieceType> tokens[] = {
      {"<s>", PieceType::kControl},
      {"<pad>", PieceType::kControl},
      {"</s>", PieceType::kControl},
      {"<unk>", PieceType::kUnknown}};
  std::vector<SentencePieceModel::Piece> pieces;
  for (const auto& [text, type] : tokens) pieces.push_back({text, 0, type});
  const size_t own = std::min(kOwn, model.pieces.size());
  pieces.insert(pieces.end(),
                std::make_move_iterator(model.pieces.begin() +
                                        static_cast<std::ptrdiff_t>(own)),
                std::make_move_iterator(model.pieces.end()));
  model.pieces = std::move(pieces);
  model.unknown_id = 3;
  model.bos_id = 0;
  model.pad_id = 1;
  model.eos_id = 2;
}

}  // namespace malmoi::text
