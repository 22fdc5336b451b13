// Text to token ids and back: a pipeline of normalizer, added tokens,
// pre-tokenizer, model, post-processor and decoder, built from a
// tokenizer.json, SentencePiece's file, other vocabularies or GGUF metadata.
// Ids equal those of the Hugging Face tokenizers library.
#ifndef MALMOI_TEXT_TOKENIZE_TOKENIZER_H_
#define MALMOI_TEXT_TOKENIZE_TOKENIZER_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "formats/gguf.h"
#include "text/tokenize/lengths.h"

namespace malmoi::text {

struct Encoding {
  std::vector<int32_t> ids;
  // Byte range of the input that each token comes from; empty for tokens that
  // were added (beginning of text). A token of a part of a character has that
  // part, unless a normalizer has changed the text: then whole characters.
  std::vector<std::pair<size_t, size_t>> offsets;
  // Bytes of the input that no token can spell; they are in no token. Not
  // counted: what a stage of the tokenizer removes by design.
  size_t left_out_bytes = 0;
  // Only of EncodePair(), for each token: the model's token_type_id, and the
  // text that the range is of (0, 1; -1 for added tokens).
  std::vector<int32_t> type_ids;
  std::vector<int8_t> text_of;
  size_t truncated_tokens = 0;  // that EncodeOptions::truncation took away
  std::vector<int8_t> attention_mask;  // only of Pad(): 0 for padding
};

struct EncodeOptions {
  bool add_special_tokens = true;
  // Spellings of special tokens in the text become those tokens. False for
  // text from users, who must not forge a turn of the conversation.
  bool parse_special = true;
  // What no token can spell (of SmolLM2: six control characters and most of
  // the unassigned planes) is left out as the tokenizers library does, with a
  // warning in the log. True makes it an error.
  bool refuse_unencodable = false;
  // Takes tokens of the texts away, never those that are added.
  std::optional<Truncation> truncation;
  // False: Encoding::offsets stays empty, which is faster.
  bool offsets = true;
};

struct TokenizerParts;  // the stages, see pipeline.h
class ShortWay;

class Tokenizer {
 public:
  // `config` is tokenizer_config.json, or null. Throws kCorrupt, and
  // kUnsupported for a kind of stage malmoi does not have, by name.
  static std::shared_ptr<const Tokenizer> FromJson(const Json& tokenizer,
                                                   const Json& config,
                                                   std::string_view where);
  // A Hugging Face folder: tokenizer.json, or where there is none
  // tokenizer.model, vocab.json with merges.txt, vocab.txt, or a file of
  // tiktoken; with tokenizer_config.json. Throws kNotFound where there is no
  // such file.
  static std::shared_ptr<const Tokenizer> FromFolder(
      const std::filesystem::path& folder);
  static std::shared_ptr<const Tokenizer> FromGguf(
      std::shared_ptr<const formats::GgufFile> file);
  // tokenizer.model.
  static std::shared_ptr<const Tokenizer> FromSentencePiece(
      std::string_view bytes, const Json& config, std::string_view where);
  // vocab.txt, a WordPiece a line.
  static std::shared_ptr<const Tokenizer> FromWordPieces(
      std::string_view bytes, const Json& config, std::string_view where);
  // vocab.json and merges.txt of a byte-level BPE.
  static std::shared_ptr<const Tokenizer> FromMerges(const Json& vocab,
                                                     std::string_view merges,
                                                     const Json& config,
                                                     std::string_view where);
  // A file of tiktoken. `encoding`: its name, like "cl100k_base", which tells
  // the pattern and the special tokens. Throws kUnsupported for others.
  static std::shared_ptr<const Tokenizer> FromTiktoken(
      std::string_view bytes, std::string_view encoding, const Json& config,
      std::string_view where);
  ~Tokenizer();

  // Throws kInvalidArgument for invalid UTF-8, naming the byte; kUnsupported
  // for refuse_unencodable; kLimit for 2 GiB of text and for
  // a pattern that takes too many steps. Thread-safe.
  Encoding Encode(std::string_view text,
                  const EncodeOptions& options = {}) const;
  // Two texts for a model that judges pairs, with the special tokens that its
  // post-processor puts around and between them. The same errors.
  Encoding EncodePair(std::string_view first, std::string_view second,
                      const EncodeOptions& options = {}) const;
  // The bytes of the tokens: those of the encoded text unless a normalizer
  // changed it. A cut character stays cut.
  std::string Decode(std::span<const int32_t> ids,
                     bool skip_special = false) const;

  // Ids outside the vocabulary have empty bytes and text. `first`: the token
  // begins a text (some decoders then take a space off).
  std::string TokenBytes(int32_t id, bool first = false) const;
  std::string TokenText(int32_t id) const;  // as the vocabulary spells it
  std::optional<int32_t> TokenId(std::string_view spelling) const;
  bool IsSpecial(int32_t id) const;
  int32_t vocab_size() const;  // all ids are below

  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> pad_id() const;
  std::optional<int32_t> unk_id() const;
  // What spellings within a word begin with ("##"); empty: they have no mark.
  std::string_view continuing_prefix() const;
  std::vector<int32_t> end_of_generation_ids() const;
  // Encode() puts the beginning-of-text token first.
  bool adds_bos() const;
  // What tokenizer.json says of lengths; for Encode() and Pad() to be given.
  const std::optional<Truncation>& truncation() const;
  const std::optional<Padding>& padding() const;
  // The stages in words: "Digits one by one, ByteLevel; BPE, 49152 tokens...".
  std::string Describe() const;

  explicit Tokenizer(std::unique_ptr<TokenizerParts> parts);

 private:
  static void CheckText(std::string_view text);

  std::unique_ptr<TokenizerParts> parts_;
  std::unique_ptr<const ShortWay> short_way_;  // may be null
};

// Tokens to text as they come: only whole characters leave it, what cannot
// be one becomes U+FFFD. `continues`: they come after other text, so that the
// space some tokenizers put before a text's first word belongs to the text.
class StreamDecoder {
 public:
  explicit StreamDecoder(std::shared_ptr<const Tokenizer> tokenizer,
                         bool skip_special = true, bool continues = false)
      : tokenizer_(std::move(tokenizer)),
        skip_special_(skip_special),
        first_(!continues) {}

  std::string Push(int32_t id);
  std::string Finish();  // what was held back

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  bool first_;
  std::string held_;
};

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_TOKENIZER_H_
