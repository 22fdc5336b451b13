// The stages of a tokenizer. A kind of stage is a small class and a line in
// the table of its factory; nothing else knows the kinds.
#ifndef MALMOI_TEXT_TOKENIZE_PIPELINE_H_
#define MALMOI_TEXT_TOKENIZE_PIPELINE_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenize/added_tokens.h"
#include "text/tokenize/cutter.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::text {

// Bytes of the text given to Encode(), which is shorter than 2^31.
struct SourceRange {
  uint32_t begin, end;
};

// A text and, for each of its bytes, where it comes from.
struct AlignedText {
  std::string text;
  std::vector<SourceRange> sources;

  void Append(std::string_view bytes, SourceRange source) {
    text += bytes;
    sources.insert(sources.end(), bytes.size(), source);
  }
};

// A stretch of text on its way to the model.
struct Piece {
  std::string_view text;
  // Of each byte of `text`; null where byte i is byte begin + i of the source.
  const SourceRange* sources = nullptr;
  uint32_t begin = 0;

  SourceRange SourceOf(size_t i) const {
    if (sources != nullptr) return sources[i];
    const auto at = static_cast<uint32_t>(begin + i);
    return {at, at + 1};
  }
  Piece Part(size_t from, size_t to) const {
    return {text.substr(from, to - from),
            sources == nullptr ? nullptr : sources + from,
            static_cast<uint32_t>(begin + from)};
  }
};

// Pieces, and the texts of those that are not views of the input.
struct Pieces {
  std::vector<Piece> list;
  std::deque<AlignedText> storage;
};

// What the stages before the model do together, where that is one of a few
// common things; the short way (short_way.h) then does it at once. Each stage
// adds itself to what those before it do.
struct Summary {
  enum class Normal : uint8_t {
    kSame,
    kComposed,       // NFC
    kVisibleSpaces,  // spaces become U+2581
    kBert,
  };
  // Where a visible space is put first: every piece, or that which begins the
  // text.
  enum class Prefix : uint8_t { kNone, kAlways, kFirst };

  bool simple = true;  // false: none of those things
  Normal normal = Normal::kSame;
  Prefix prefix = Prefix::kNone;
  bool one_space = false;      // no prefix before a space
  bool cut_at_spaces = false;  // visible spaces begin words
  bool lowercase = false;      // of kBert
  bool bert_words = false;     // cut as BERT does
  bool digits_apart = false;   // cut before and after each number
  bool byte_level = false;     // bytes are spelled as characters
  std::optional<CutRule> rule;
  const Regex* regex = nullptr;  // whose rule it is
};

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual AlignedText Apply(const AlignedText& text) const = 0;
  virtual void Summarize(Summary& summary) const { summary.simple = false; }
  virtual std::string Describe() const = 0;
};

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Replaces each piece by its parts. No part is empty.
  virtual void Split(Pieces& pieces) const = 0;
  virtual void Summarize(Summary& summary) const { summary.simple = false; }
  virtual std::string Describe() const = 0;
};

struct ModelToken {
  int32_t id;
  uint32_t begin, end;  // bytes of the piece
};

// Pairs of bytes.
class JoinedBytes {
 public:
  bool Has(char left, char right) const {
    const size_t bit = BitOf(left, right);
    return (bits_[bit / 64] >> (bit % 64)) & 1;
  }
  void Add(char left, char right) {
    const size_t bit = BitOf(left, right);
    bits_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  // No pair has `right` as its second.
  void Separate(char right) {
    for (int left = 0; left < 256; ++left) {
      const size_t bit = BitOf(static_cast<char>(left), right);
      bits_[bit / 64] &= ~(uint64_t{1} << (bit % 64));
    }
  }

 private:
  static size_t BitOf(char left, char right) {
    return (static_cast<size_t>(static_cast<unsigned char>(left)) << 8) |
           static_cast<unsigned char>(right);
  }
  uint64_t bits_[1024] = {};
};

class TokenWords;  // token_words.h

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the piece's tokens to `out`, and what no token can spell to
  // `lost`, with the id -1.
  virtual void Encode(std::string_view piece, std::vector<ModelToken>& out,
                      std::vector<ModelToken>& lost) const = 0;
  // The same of bytes that are not yet spelled as byte-level vocabularies spell
  // them; false, and nothing is appended, where that isn't supported or some
  // byte has no token. `no_token`: they are known not to be one token.
  virtual bool EncodeBytes(std::string_view, bool /*no_token*/,
                           std::vector<ModelToken>&) const {
    return false;
  }
  // Adds the pairs of bytes that stand side by side in a token, a visible space
  // counting as " ": between other bytes a text can be cut without changing its
  // tokens. False: that is not so.
  virtual bool FindJoined(JoinedBytes&) const { return false; }
  // The words, as bytes of texts, that are one token; null where that isn't
  // supported. `byte_level`: the vocabulary spells bytes as characters,
  // otherwise only spaces, visibly.
  virtual std::unique_ptr<const TokenWords> FindTokenWords(
      bool byte_level) const;
  virtual std::optional<std::string> Spelling(int32_t id) const = 0;
  virtual std::optional<int32_t> Id(std::string_view spelling) const = 0;
  virtual std::optional<int32_t> unknown_id() const = 0;
  // What spellings within a word begin with ("##"); empty: they have no mark.
  virtual std::string_view continuing_prefix() const { return {}; }
  virtual int32_t size() const = 0;  // ids are below
  virtual std::string Describe() const = 0;
};

// What stands at a place of an encoded pair of texts.
struct PairItem {
  int8_t text = -1;  // 0 or 1; -1: the token `id`
  int32_t id = -1;
  int32_t type = 0;  // of all its tokens
};

class PostProcessor {
 public:
  struct Context {
    const TokenModel& model;
    const AddedTokens& added;
    std::string_view text;
    bool add_special_tokens;
  };
  virtual ~PostProcessor() = default;
  virtual void Apply(const Context& context, Encoding& encoding) const = 0;
  // Empty: one text after the other, with the types 0 and 1.
  virtual std::vector<PairItem> PairTemplate() const { return {}; }
  virtual std::string Describe() const = 0;
};

// A token on its way back to text.
struct DecodedToken {
  std::string text;
  bool added = false;  // spelled as it reads, whatever the model's spelling is
};

struct DecodeState {
  bool first;          // the tokens begin a text
  bool last = false;   // and end it
  bool fused = false;  // the tokens have been joined to one
};

// Decoding a text token by token gives the same bytes as decoding it at once.
class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual void Apply(DecodeState& state,
                     std::vector<DecodedToken>& tokens) const = 0;
  virtual std::string Describe() const = 0;
  virtual bool fuses() const { return false; }
  // Whether it may come after a stage that fuses.
  virtual bool works_on_fused_text() const { return false; }
};

struct TokenizerParts {
  std::unique_ptr<Normalizer> normalizer;         // may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer;    // may be null
  std::unique_ptr<TokenModel> model;              // never null
  std::unique_ptr<PostProcessor> post_processor;  // may be null
  std::unique_ptr<Decoder> decoder;               // never null
  AddedTokens added;
  std::optional<int32_t> bos, eos, pad, unk;
  std::vector<int32_t> ends;
  std::optional<Truncation> truncation;
  std::optional<Padding> padding;
};

// The factories: stages by the "type" of a tokenizer.json. Null JSON gives
// null, or the decoder that puts spaces between tokens. Throw kUnsupported for
// an unknown type, naming it, and kCorrupt.
std::unique_ptr<Normalizer> MakeNormalizer(const Json& json,
                                           std::string_view where);
std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& json,
                                               std::string_view where);
std::unique_ptr<TokenModel> MakeModel(const Json& json, std::string_view where);
std::unique_ptr<PostProcessor> MakePostProcessor(const Json& json,
                                                 std::string_view where);
std::unique_ptr<Decoder> MakeDecoder(const Json& json, std::string_view where);

// Normalizer, model, decoder and special tokens of a SentencePiece model.
// Throws kCorrupt and, naming it, kUnsupported for what malmoi does not have.
struct SentencePieceModel;
void MakeSentencePieceParts(const SentencePieceModel& model,
                            std::string_view where, TokenizerParts& parts);

// The JSON of a post-processor that puts tokens before and after a text; null
// for neither.
Json TextTemplate(std::optional<int32_t> before, std::optional<int32_t> after);

// For formats that are a vocabulary only: takes the added and the named tokens
// from tokenizer_config.json, or null, and whether bos and eos are put around
// a text. Throws kCorrupt, and kUnsupported for a class of tokenizers that
// does more with the same vocabulary.
void ReadConfig(const Json& config, std::string_view where,
                TokenizerParts& parts);
// The id of a token that tokenizer_config.json names.
std::optional<int32_t> NamedToken(const Json& config, const char* key,
                                  const TokenizerParts& parts);
// Adds one from its JSON in tokenizer.json. Throws kCorrupt.
void ReadAddedToken(const Json& json, int64_t id, int64_t id_limit,
                    std::string_view where, TokenizerParts& parts);

// Spellings that can mean nothing but the end of a turn or of a text.
bool IsTurnEnd(std::string_view spelling);

// Collects the ids that end a turn: those given, then the known spellings
// that are special tokens here.
void FindEnds(std::initializer_list<std::optional<int32_t>> given,
              TokenizerParts& parts);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_PIPELINE_H_
