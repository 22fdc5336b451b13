// The stages of a tokenizer. A kind of stage is a class and a line in the
// factory table (factory.cc); nothing else knows the kinds.
#ifndef MALMOI_TEXT_TOKENIZE_PIPELINE_H_
#define MALMOI_TEXT_TOKENIZE_PIPELINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"

namespace malmoi::text {

// A stretch of text on its way to the model. `begin` is the offset of its
// first byte in the text given to the pre-tokenizer; `prefixed` counts bytes
// at its start that a stage has added.
struct Piece {
  std::string_view text;
  size_t begin = 0;
  size_t prefixed = 0;
};

// Pieces and the storage of those that are not views of the input.
struct Pieces {
  std::vector<Piece> list;
  std::deque<std::string> storage;
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual std::string Apply(std::string_view text) const = 0;
  virtual std::string Describe() const = 0;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces each piece by its parts.
  virtual void Split(Pieces& pieces) const = 0;
  virtual std::string Describe() const = 0;
};

struct ModelToken {
  int32_t id;
  uint32_t bytes;  // of the piece
};

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  virtual void Encode(std::string_view piece,
                      std::vector<ModelToken>& out) const = 0;
  // Raw bytes of a token; nullopt outside the vocabulary.
  virtual std::optional<std::string> Bytes(int32_t id) const = 0;
  virtual std::optional<std::string> Spelling(int32_t id) const = 0;
  virtual std::optional<int32_t> Id(std::string_view spelling) const = 0;
  virtual int32_t size() const = 0;  // ids are below
  virtual std::string Describe() const = 0;
};

struct AddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;
  bool left_strip = false;  // takes the whitespace before it
  bool right_strip = false;
  bool single_word = false;  // only between non-word characters
};

// Finds added tokens: leftmost first, the longest at a place.
class AddedTokens {
 public:
  struct Match {
    size_t begin, end;
    const AddedToken* token;
  };
  void Add(AddedToken token);
  std::optional<Match> Find(std::string_view text, size_t from,
                            bool parse_special) const;
  const AddedToken* ById(int32_t id) const;
  const AddedToken* ByContent(std::string_view content) const;
  size_t size() const { return tokens_.size(); }

 private:
  std::deque<AddedToken> tokens_;
  std::vector<const AddedToken*> by_first_byte_[256];  // longest first
  std::unordered_map<int32_t, const AddedToken*> by_id_;
};

struct TokenizerParts {
  std::unique_ptr<Normalizer> normalizer;       // may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // may be null
  std::unique_ptr<TokenModel> model;
  AddedTokens added;
  std::vector<int32_t> prefix, suffix;  // added around an encoded text
  std::optional<int32_t> bos, eos;
  std::vector<int32_t> ends;
};

// The factory: stages by the "type" of a tokenizer.json. Null JSON gives
// null. Throws kUnsupported for an unknown type, naming it.
std::unique_ptr<Normalizer> MakeNormalizer(const Json& json,
                                           std::string_view where);
std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& json,
                                               std::string_view where);
std::unique_ptr<TokenModel> MakeModel(const Json& json, std::string_view where);
// Checks that a decoder is the byte-level one (or none), which models of raw
// bytes have built in.
void CheckDecoder(const Json& json, std::string_view where);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_PIPELINE_H_
