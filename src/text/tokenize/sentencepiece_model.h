// SentencePiece's file, "tokenizer.model": a Protocol Buffers message with
// pieces, how they were trained and how texts are normalized. Only the fields
// that encoding needs are read; the wire format is three rules, so there is no
// library for it. https://protobuf.dev/programming-guides/encoding
#ifndef MALMOI_TEXT_TOKENIZE_SENTENCEPIECE_MODEL_H_
#define MALMOI_TEXT_TOKENIZE_SENTENCEPIECE_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text {

struct SentencePieceModel {
  enum class PieceType {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kCharacter = 4 };
  struct Piece {
    std::string text;
    float score = 0;
    PieceType type = PieceType::kNormal;
  };

  std::vector<Piece> pieces;  // by id
  Kind kind = Kind::kUnigram;
  bool byte_fallback = false;
  bool whitespace_as_suffix = false;
  int32_t unknown_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;  // -1: none
  std::string unknown_surface = " \u2047 ";
  std::string charsmap;  // see charsmap.h; "": texts stay as they are
  bool add_dummy_prefix = true;
  bool prefix_each = false;  // also behind special tokens, as GGUF's readers do
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool denormalizes = false;  // decoding has rules of its own

  // Throws kCorrupt.
  static SentencePieceModel Parse(std::string_view bytes,
                                  std::string_view where);
};

// Pieces as fairseq numbers them (XLM-RoBERTa, NLLB): four tokens of its own
// take the place of the first three, which are control pieces.
void AlignAsFairseq(SentencePieceModel& model);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_SENTENCEPIECE_MODEL_H_
