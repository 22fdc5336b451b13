// The kinds of decoders: from the spellings of tokens back to bytes. Bytes
// stay as they are, also where a character is cut.
#include "text/tokenize/byte_level.h"
#include "text/tokenize/pattern.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

class ByteLevelDecoder : public Decoder {
 public:
  ByteLevelDecoder(const Json&, std::string_view) {}
  void Apply(DecodeState&, std::vector<DecodedToken>& tokens) const override {
    for (DecodedToken& token : tokens) {
      if (token.added) continue;
      if (auto bytes = BytesOfSpelling(token.text)) {
        token.text = std::move(*bytes);
      }
    }
  }
  std::string Describe() const override { return "ByteLevel"; }
};

class ByteFallbackDecoder : public Decoder {
 public:
  ByteFallbackDecoder(const Json&, std::string_view) {}
  void Apply(DecodeState&, std::vector<DecodedToken>& tokens) const override {
    for (DecodedToken& token : tokens) {
      const std::string& text = token.text;
      if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') {
        continue;
      }
      const int high = Hex(text[3]);
      const int low = Hex(text[4]);
      if (high < 0 || low < 0) continue;
      token.text = std::string(1, static_cast<char>(high * 16 + low));
    }
  }
  std::string Describe() const override { return "ByteFallback"; }

 private:
  static int Hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  }
};

class FuseDecoder : public Decoder {
 public:
  FuseDecoder(const Json&, std::string_view) {}
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    DecodedToken all;
    for (const DecodedToken& token : tokens) all.text += token.text;
    tokens.assign(1, std::move(all));
    state.fused = true;
  }
  std::string Describe() const override { return "Fuse"; }
  bool fuses() const override { return true; }
  bool works_on_fused_text() const override { return true; }
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(const Json& json, std::string_view where)
      : pattern_(Pattern::FromJson(json, where)),
        content_(Text(json, "content", "", where)) {}
  void Apply(DecodeState&, std::vector<DecodedToken>& tokens) const override {
    for (DecodedToken& token : tokens) {
      std::string text;
      size_t at = 0;
      pattern_.ForEachMatch(token.text, [&](size_t begin, size_t end) {
        text.append(token.text, at, begin - at);
        text += content_;
        at = end;
      });
      text.append(token.text, at);
      token.text = std::move(text);
    }
  }
  std::string Describe() const override { return "Replace"; }

 private:
  Pattern pattern_;
  std::string content_;
};

// Takes up to `start` times a character off the beginning and `stop` times
// off the end of each token; after a Fuse only where the text begins.
class StripDecoder : public Decoder {
 public:
  StripDecoder(const Json& json, std::string_view where)
      : content_(Text(json, "content", " ", where)),
        start_(Count(json, "start", 0, where)),
        stop_(Count(json, "stop", 0, where)) {}
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    if (state.fused && !state.first) return;
    for (DecodedToken& token : tokens) Strip(token.text);
  }
  std::string Describe() const override { return "Strip"; }
  bool works_on_fused_text() const override {
    return start_ <= 1 && stop_ == 0;
  }

 private:
  void Strip(std::string& text) const {
    if (content_.empty()) return;
    for (size_t i = 0; i < start_ && text.starts_with(content_); ++i) {
      text.erase(0, content_.size());
    }
    for (size_t i = 0; i < stop_ && text.ends_with(content_); ++i) {
      text.erase(text.size() - content_.size());
    }
  }
  std::string content_;
  size_t start_, stop_;
};

// SentencePiece's visible space becomes a space; those of the first token
// are taken off, as the encoder may have put one there.
class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(const Json& json, std::string_view where)
      : space_(Text(json, "replacement", "\u2581", where)) {
    const bool legacy = Flag(json, "add_prefix_space", true, where);
    strip_ = Text(json, "prepend_scheme", legacy ? "always" : "never", where) !=
             "never";
    if (space_.empty()) ThrowCorrupt(where, "Metaspace without a character");
  }
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool strip = strip_ && state.first && i == 0;
      std::string text;
      const std::string_view from = tokens[i].text;
      for (size_t at = 0; at < from.size();) {
        if (!from.substr(at).starts_with(space_)) {
          text += from[at++];
          continue;
        }
        if (!strip) text += ' ';
        at += space_.size();
      }
      tokens[i].text = std::move(text);
    }
  }
  std::string Describe() const override { return "Metaspace"; }

 private:
  std::string space_;
  bool strip_;
};

// A space before each token but the first and those that continue a word.
// `cleanup`: spaces that such texts have but nobody writes are taken out.
class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(const Json& json, std::string_view where)
      : prefix_(Text(json, "prefix", "##", where)),
        cleanup_(Flag(json, "cleanup", true, where)) {}
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& text = tokens[i].text;
      if (i > 0 || !state.first) {
        if (text.starts_with(prefix_)) {
          text.erase(0, prefix_.size());
        } else {
          text.insert(0, 1, ' ');
        }
      }
      if (cleanup_) Cleanup(text);
    }
  }
  std::string Describe() const override { return "WordPiece"; }

 private:
  static void Cleanup(std::string& text) {
    static constexpr std::pair<std::string_view, std::string_view> kChanges[] =
        {{" .", "."},   {" ?", "?"},     {" !", "!"},    {" ,", ","},
         {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},  {" do not", " don't"},
         {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    if (text.find(' ') == std::string::npos) return;
    for (const auto& [from, to] : kChanges) {
      for (size_t at = text.find(from); at != std::string::npos;
           at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
      }
    }
  }

  std::string prefix_;
  bool cleanup_;
};

// The suffix that ends a word becomes a space, but none at the end of a text.
// One that is decoded token by token cannot know its last token: there the
// space stays.
class BpeDecoder : public Decoder {
 public:
  BpeDecoder(const Json& json, std::string_view where)
      : suffix_(Text(json, "suffix", "</w>", where)) {
    if (suffix_.empty()) ThrowCorrupt(where, "a BPE decoder without a suffix");
  }
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool last = state.last && i + 1 == tokens.size();
      std::string& text = tokens[i].text;
      for (size_t at = text.find(suffix_); at != std::string::npos;
           at = text.find(suffix_, at + (last ? 0 : 1))) {
        text.replace(at, suffix_.size(), last ? "" : " ");
      }
    }
  }
  std::string Describe() const override { return "suffixes of words"; }

 private:
  std::string suffix_;
};

class DecoderSequence : public Decoder {
 public:
  DecoderSequence(const Json& json, std::string_view where)
      : parts_(MakeList(json, "decoders", MakeDecoder, where)) {
    for (const auto& part : parts_) {
      if (fuses_ && !part->works_on_fused_text()) {
        ThrowUnsupported(where, "unsupported stage after Fuse in a decoder",
                         part->Describe());
      }
      fuses_ = fuses_ || part->fuses();
      works_on_fused_ = works_on_fused_ && part->works_on_fused_text();
    }
  }
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    for (const auto& part : parts_) part->Apply(state, tokens);
  }
  std::string Describe() const override { return DescribeList(parts_); }
  bool fuses() const override { return fuses_; }
  bool works_on_fused_text() const override { return works_on_fused_; }

 private:
  std::vector<std::unique_ptr<Decoder>> parts_;
  bool fuses_ = false;
  bool works_on_fused_ = true;
};

// No decoder: the spellings, with spaces between them.
class JoinDecoder : public Decoder {
 public:
  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    for (size_t i = state.first ? 1 : 0; i < tokens.size(); ++i) {
      tokens[i].text.insert(0, 1, ' ');
    }
  }
  std::string Describe() const override { return "spaces between tokens"; }
};

constexpr Kind<Decoder> kDecoders[] = {
    {"BPEDecoder", MakeFrom<Decoder, BpeDecoder>},
    {"ByteFallback", MakeFrom<Decoder, ByteFallbackDecoder>},
    {"ByteLevel", MakeFrom<Decoder, ByteLevelDecoder>},
    {"Fuse", MakeFrom<Decoder, FuseDecoder>},
    {"Metaspace", MakeFrom<Decoder, MetaspaceDecoder>},
    {"Replace", MakeFrom<Decoder, ReplaceDecoder>},
    {"Sequence", MakeFrom<Decoder, DecoderSequence>},
    {"Strip", MakeFrom<Decoder, StripDecoder>},
    {"WordPiece", MakeFrom<Decoder, WordPieceDecoder>},
};

}  // namespace

std::unique_ptr<Decoder> MakeDecoder(const Json& json, std::string_view where) {
  if (json.is_null()) return std::make_unique<JoinDecoder>();
  return MakeKind(kDecoders, "decoder", json, where);
}

}  // namespace malmoi::text
