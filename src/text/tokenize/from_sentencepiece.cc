// A tokenizer from SentencePiece's own file (Kudo and Richardson 2018), with
// the ids of its library. Control pieces are special tokens here, which the
// library never reads from a text (EncodeOptions::parse_special is for that);
// spaces beside one are normalized as those at the ends of a text are.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <deque>

#include "text/tokenize/bpe.h"
#include "text/tokenize/charsmap.h"
#include "text/tokenize/from_pieces.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/sentencepiece_model.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/unigram.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

using Type = SentencePieceModel::PieceType;

constexpr std::string_view kVisibleSpace = "\u2581";

PieceTrie UserDefined(const SentencePieceModel& model) {
  std::vector<PieceTrie::Entry> entries;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != Type::kUserDefined) continue;
    entries.push_back({model.pieces[id].text, static_cast<int32_t>(id)});
  }
  return PieceTrie(std::move(entries));
}

// Replaces by the longest rule, cuts runs of spaces down to one, makes spaces
// visible and puts one first. User-defined pieces stay as they are.
class SentencePieceNormalizer : public Normalizer {
 public:
  SentencePieceNormalizer(const SentencePieceModel& model,
                          std::string_view where)
      : whole_(UserDefined(model)),
        prefix_(model.add_dummy_prefix),
        each_(model.prefix_each),
        squeeze_(model.remove_extra_whitespaces),
        space_(model.escape_whitespaces ? kVisibleSpace : " ") {
    if (!model.charsmap.empty()) map_.emplace(model.charsmap, where);
  }

  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    const std::string_view all = text.text;
    size_t at = 0;
    while (squeeze_ && at < all.size() && UnitAt(all, at).text == " ") {
      at += UnitAt(all, at).bytes;
    }
    if (at == all.size()) return out;
    if (prefix_ && (each_ || text.sources[0].begin == 0)) {
      const size_t bytes = UnitAt(all, at).bytes;
      out.Append(space_,
                 {text.sources[at].begin, text.sources[at + bytes - 1].end});
    }
    bool after_space = squeeze_;
    while (at < all.size()) {
      const Unit unit = UnitAt(all, at);
      std::string_view bytes = unit.text;
      while (after_space && bytes.starts_with(' ')) bytes.remove_prefix(1);
      const SourceRange source = {text.sources[at].begin,
                                  text.sources[at + unit.bytes - 1].end};
      for (size_t i = 0; i < bytes.size(); ++i) {
        out.Append(bytes[i] == ' ' ? space_ : bytes.substr(i, 1), source);
      }
      if (!bytes.empty()) after_space = squeeze_ && bytes.ends_with(' ');
      at += unit.bytes;
    }
    while (squeeze_ && out.text.ends_with(space_)) {
      out.text.resize(out.text.size() - space_.size());
      out.sources.resize(out.text.size());
    }
    return out;
  }
  std::string Describe() const override { return "SentencePiece's rules"; }

 private:
  // What stands for the next bytes of a text.
  struct Unit {
    std::string_view text;
    size_t bytes;
  };

  Unit UnitAt(std::string_view text, size_t at) const {
    const std::string_view rest = text.substr(at);
    size_t bytes = 0;
    whole_.ForEachPrefix(rest, [&](size_t length, int32_t) { bytes = length; });
    if (bytes > 0) return {rest.substr(0, bytes), bytes};
    if (map_) {
      if (const auto rule = map_->FindLongest(rest)) {
        return {rule->text, rule->bytes};
      }
    }
    const auto point = DecodeAt(text, at);
    bytes = point ? static_cast<size_t>(point->bytes) : 1;
    return {rest.substr(0, bytes), bytes};
  }

  PieceTrie whole_;
  std::optional<Charsmap> map_;
  bool prefix_, each_, squeeze_;
  std::string_view space_;
};

std::unique_ptr<TokenModel> MakeUnigram(const SentencePieceModel& model,
                                        std::string_view where) {
  std::vector<std::string> spellings;
  std::vector<double> scores;
  float largest = FLT_MIN;  // as the library begins
  for (const auto& piece : model.pieces) {
    if (piece.type == Type::kNormal) largest = std::max(largest, piece.score);
  }
  for (const auto& piece : model.pieces) {
    spellings.push_back(piece.text);
    if (piece.type == Type::kNormal) {
      scores.push_back(piece.score);
    } else if (piece.type == Type::kUserDefined) {
      // So that they always win.
      scores.push_back(static_cast<float>(
          static_cast<float>(piece.text.size()) * largest - 0.1));
    } else {
      scores.push_back(std::nan(""));
    }
  }
  UnigramOptions options;
  options.unknown_id = model.unknown_id;
  options.byte_fallback = model.byte_fallback;
  options.single_precision = true;
  return std::make_unique<Unigram>(std::move(spellings), std::move(scores),
                                   options, where);
}

std::unique_ptr<TokenModel> MakeBpe(const SentencePieceModel& model,
                                    std::string_view where) {
  auto owned = std::make_shared<std::deque<std::string>>();
  std::vector<std::string_view> spellings;
  std::vector<float> scores;
  BpeOptions options;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (piece.type == Type::kUnused) {
      ThrowUnsupported(where, "a BPE model with an unused piece", piece.text);
    }
    if (piece.type == Type::kUserDefined) {
      options.whole.push_back(static_cast<int32_t>(id));
    }
    spellings.push_back(owned->emplace_back(piece.text));
    scores.push_back(piece.type == Type::kNormal ||
                             piece.type == Type::kUserDefined
                         ? piece.score
                         : std::nanf(""));
  }
  options.byte_fallback = model.byte_fallback;
  options.fuse_unknown = true;
  options.unknown = model.pieces[static_cast<size_t>(model.unknown_id)].text;
  return std::make_unique<Bpe>(std::move(spellings), scores, owned,
                               std::move(options), where);
}

// Visible spaces become spaces again; those that a text begins with are
// taken off, as normalizing may have put one there. Where it also cuts runs of
// spaces down, every token that is a space at the beginning goes; one after
// the other (StreamDecoder), only the first does.
class SentencePieceDecoder : public Decoder {
 public:
  SentencePieceDecoder(const SentencePieceModel& model, std::string_view where)
      : unknown_(model.pieces[static_cast<size_t>(model.unknown_id)].text),
        surface_(model.unknown_surface),
        squeeze_(model.remove_extra_whitespaces),
        strip_(model.add_dummy_prefix || squeeze_),
        bytes_(MakeDecoder({{"type", "ByteFallback"}}, where)) {}

  void Apply(DecodeState& state,
             std::vector<DecodedToken>& tokens) const override {
    bool begins = state.first && strip_;
    for (DecodedToken& token : tokens) {
      if (token.added) {
        if (token.text == unknown_) token.text = surface_;
        begins = false;
        continue;
      }
      const bool space = begins && token.text.starts_with(kVisibleSpace);
      std::string text;
      for (size_t at = space ? kVisibleSpace.size() : 0;
           at < token.text.size();) {
        const bool is_space =
            std::string_view(token.text).substr(at).starts_with(kVisibleSpace);
        text += is_space ? ' ' : token.text[at];
        at += is_space ? kVisibleSpace.size() : 1;
      }
      token.text = std::move(text);
      begins = begins && squeeze_ && token.text.empty();
    }
    bytes_->Apply(state, tokens);
  }
  std::string Describe() const override { return "SentencePiece"; }

 private:
  std::string unknown_, surface_;
  bool squeeze_, strip_;
  std::unique_ptr<Decoder> bytes_;
};

void CheckSupported(const SentencePieceModel& model, std::string_view where) {
  const auto refuse = [&](bool refused, const char* what) {
    if (refused)
      ThrowUnsupported(where, "unsupported SentencePiece model", what,
                       "Unigram or BPE");
  };
  refuse(model.kind == SentencePieceModel::Kind::kWord, "words");
  refuse(model.kind == SentencePieceModel::Kind::kCharacter, "characters");
  refuse(model.whitespace_as_suffix, "whitespace as suffix");
  refuse(model.denormalizes, "rules for decoding");
}

}  // namespace

void MakeSentencePieceParts(const SentencePieceModel& model,
                            std::string_view where, TokenizerParts& parts) {
  CheckSupported(model, where);
  parts.normalizer = std::make_unique<SentencePieceNormalizer>(model, where);
  parts.model = model.kind == SentencePieceModel::Kind::kBpe
                    ? MakeBpe(model, where)
                    : MakeUnigram(model, where);
  parts.decoder = std::make_unique<SentencePieceDecoder>(model, where);
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    if (piece.type != Type::kControl && piece.type != Type::kUnknown) continue;
    AddedToken token;
    token.content = piece.text;
    token.id = static_cast<int32_t>(id);
    token.special = true;
    parts.added.Add(std::move(token), "");
  }
}

std::shared_ptr<const Tokenizer> Tokenizer::FromSentencePiece(
    std::string_view bytes, const Json& config, std::string_view where) {
  RefuseRenumbered(config, where);
  const SentencePieceModel model = SentencePieceModel::Parse(bytes, where);
  auto parts = std::make_unique<TokenizerParts>();
  MakeSentencePieceParts(model, where, *parts);
  const auto known = [](int32_t id) {
    return id < 0 ? std::nullopt : std::optional(id);
  };
  parts->unk = model.unknown_id;
  parts->bos = known(model.bos_id);
  parts->eos = known(model.eos_id);
  parts->pad = known(model.pad_id);
  ReadConfig(config, where, *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
