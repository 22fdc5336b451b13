// The kinds of pre-tokenizers: what cuts a text before the model sees it.
#include <algorithm>

#include "text/tokenize/byte_level.h"
#include "text/tokenize/pattern.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"
#include "text/unicode/properties.h"

namespace malmoi::text {

namespace {

// What happens to matches of a delimiter.
enum class Behavior {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous
};

Behavior BehaviorOf(const Json& json, std::string_view where) {
  static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
      {"Removed", Behavior::kRemoved},
      {"Isolated", Behavior::kIsolated},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous}};
  const std::string name = Text(json, "behavior", "Isolated", where);
  for (const auto& [known, behavior] : kBehaviors) {
    if (known == name) return behavior;
  }
  ThrowCorrupt(where, "unknown behavior of a pre-tokenizer", name);
}

struct Span {
  size_t begin, end;
  bool match;
};

// Joins the spans of a text as the behavior says; `match` then tells which
// to leave out.
void Merge(Behavior behavior, std::vector<Span>& spans) {
  if (behavior == Behavior::kRemoved) return;
  if (behavior == Behavior::kIsolated) {
    for (Span& span : spans) span.match = false;
    return;
  }
  bool previous = false;
  std::vector<Span> merged;
  const bool backwards = behavior == Behavior::kMergedWithNext;
  if (backwards) std::reverse(spans.begin(), spans.end());
  for (const Span& span : spans) {
    bool join = !merged.empty();
    switch (behavior) {
      case Behavior::kContiguous:
        join = join && span.match == previous;
        break;
      case Behavior::kMergedWithPrevious:
      case Behavior::kMergedWithNext:
        join = join && span.match && !previous;
        break;
      default:
        join = false;
    }
    previous = span.match;
    if (!join) {
      merged.push_back({span.begin, span.end, false});
    } else if (backwards) {
      merged.back().begin = span.begin;
    } else {
      merged.back().end = span.end;
    }
  }
  if (backwards) std::reverse(merged.begin(), merged.end());
  spans = std::move(merged);
}

// Cuts pieces where for_each_match(text, visit) finds delimiters.
template <typename ForEachMatch>
void Cut(Pieces& pieces, Behavior behavior, bool invert,
         const ForEachMatch& for_each_match) {
  std::vector<Piece> out;
  out.reserve(pieces.list.size());
  std::vector<Span> spans;
  for (const Piece& piece : pieces.list) {
    spans.clear();
    size_t at = 0;
    for_each_match(piece.text, [&](size_t begin, size_t end) {
      if (begin > at) spans.push_back({at, begin, invert});
      spans.push_back({begin, end, !invert});
      at = end;
    });
    if (at < piece.text.size()) {
      spans.push_back({at, piece.text.size(), invert});
    }
    Merge(behavior, spans);
    for (const Span& span : spans) {
      if (!span.match && span.begin < span.end) {
        out.push_back(piece.Part(span.begin, span.end));
      }
    }
  }
  pieces.list = std::move(out);
}

// The same for single characters.
template <typename IsDelimiter>
void CutAt(Pieces& pieces, Behavior behavior, const IsDelimiter& is) {
  Cut(pieces, behavior, false, [&](std::string_view text, const auto& visit) {
    for (size_t at = 0; at < text.size();) {
      const auto point = DecodeAt(text, at);
      const size_t end = at + (point ? static_cast<size_t>(point->bytes) : 1);
      if (point && is(point->value)) visit(at, end);
      at = end;
    }
  });
}

// The piece with `prefix` before it, which comes from its first character.
Piece Prefixed(const Piece& piece, std::string_view prefix, Pieces& pieces) {
  AlignedText& text = pieces.storage.emplace_back();
  const auto first = DecodeAt(piece.text, 0);
  const size_t bytes = first ? static_cast<size_t>(first->bytes) : 1;
  text.Append(prefix, {piece.SourceOf(0).begin, piece.SourceOf(bytes - 1).end});
  text.text += piece.text;
  for (size_t i = 0; i < piece.text.size(); ++i) {
    text.sources.push_back(piece.SourceOf(i));
  }
  return {text.text, text.sources.data(), 0};
}

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(const Json& json, std::string_view where)
      : add_prefix_space_(Flag(json, "add_prefix_space", true, where)) {
    if (Flag(json, "use_regex", true, where)) {
      pattern_.emplace(Regex(kGpt2Pattern, where));
    }
  }

  void Split(Pieces& pieces) const override {
    if (add_prefix_space_) {
      for (Piece& piece : pieces.list) {
        if (!piece.text.starts_with(' ')) piece = Prefixed(piece, " ", pieces);
      }
    }
    if (pattern_) {
      Cut(pieces, Behavior::kIsolated, false,
          [&](std::string_view text, const auto& visit) {
            pattern_->ForEachMatch(text, visit);
          });
    }
    Spell(pieces);
  }
  void Summarize(Summary& summary) const override {
    const bool fits = !add_prefix_space_ && !summary.byte_level &&
                      !(pattern_ && summary.rule);
    summary.simple = summary.simple && fits && !summary.bert_words;
    summary.byte_level = true;
    if (!pattern_) return;
    summary.rule =
        summary.digits_apart ? CutRule::kWordsDigits : CutRule::kWords;
    summary.regex = pattern_->regex();
  }
  std::string Describe() const override {
    return Format("ByteLevel{}{}",
                  add_prefix_space_ ? " with a space first" : "",
                  pattern_ ? "" : " without its pattern");
  }

 private:
  // Writes the bytes as the vocabulary spells them.
  static void Spell(Pieces& pieces) {
    size_t bytes = 0;
    for (const Piece& piece : pieces.list) {
      for (char c : piece.text) bytes += SpellingOf(c).size();
    }
    AlignedText& all = pieces.storage.emplace_back();
    all.text.reserve(bytes);
    all.sources.reserve(bytes);
    for (Piece& piece : pieces.list) {
      const size_t begin = all.text.size();
      for (size_t i = 0; i < piece.text.size(); ++i) {
        const std::string_view spelling = SpellingOf(piece.text[i]);
        const SourceRange source = piece.SourceOf(i);
        all.text += spelling;
        all.sources.push_back(source);
        if (spelling.size() > 1) all.sources.push_back(source);
      }
      piece = {std::string_view(all.text).substr(begin),
               all.sources.data() + begin, 0};
    }
  }

  bool add_prefix_space_;
  std::optional<Pattern> pattern_;
};

class DigitsPreTokenizer : public PreTokenizer {
 public:
  DigitsPreTokenizer(const Json& json, std::string_view where)
      : individual_(Flag(json, "individual_digits", false, where)) {}
  void Split(Pieces& pieces) const override {
    CutAt(pieces, individual_ ? Behavior::kIsolated : Behavior::kContiguous,
          IsTokenNumber);
  }
  void Summarize(Summary& summary) const override {
    // The rule that knows of them comes after.
    summary.simple = summary.simple && individual_ && !summary.digits_apart &&
                     !summary.rule && !summary.byte_level &&
                     !summary.bert_words;
    summary.digits_apart = true;
  }
  std::string Describe() const override {
    return individual_ ? "Digits one by one" : "Digits";
  }

 private:
  bool individual_;
};

class PunctuationPreTokenizer : public PreTokenizer {
 public:
  PunctuationPreTokenizer(const Json& json, std::string_view where)
      : behavior_(BehaviorOf(json, where)) {}
  void Split(Pieces& pieces) const override {
    CutAt(pieces, behavior_, IsTokenPunctuation);
  }
  std::string Describe() const override { return "Punctuation"; }

 private:
  Behavior behavior_;
};

class DelimiterPreTokenizer : public PreTokenizer {
 public:
  DelimiterPreTokenizer(const Json& json, std::string_view where) {
    const std::string text = Text(json, "delimiter", "", where);
    const auto point = DecodeAt(text, 0);
    if (!point || static_cast<size_t>(point->bytes) != text.size()) {
      ThrowCorrupt(where, "a delimiter that is not one character", text);
    }
    delimiter_ = point->value;
  }
  void Split(Pieces& pieces) const override {
    CutAt(pieces, Behavior::kRemoved,
          [&](char32_t c) { return c == delimiter_; });
  }
  std::string Describe() const override { return "split at a character"; }

 private:
  char32_t delimiter_;
};

// Pieces of so many characters.
class FixedLengthPreTokenizer : public PreTokenizer {
 public:
  FixedLengthPreTokenizer(const Json& json, std::string_view where)
      : length_(Count(json, "length", 5, where)) {
    if (length_ == 0) ThrowCorrupt(where, "pieces of no characters");
  }
  void Split(Pieces& pieces) const override {
    Cut(pieces, Behavior::kIsolated, false,
        [&](std::string_view text, const auto& visit) {
          size_t begin = 0;
          size_t count = 0;
          for (size_t at = 0; at < text.size();) {
            const auto point = DecodeAt(text, at);
            at += point ? static_cast<size_t>(point->bytes) : 1;
            if (++count % length_ != 0) continue;
            visit(begin, at);
            begin = at;
          }
        });
  }
  std::string Describe() const override {
    return Format("{} characters each", length_);
  }

 private:
  size_t length_;
};

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(const Json& json, std::string_view where)
      : pattern_(Pattern::FromJson(json, where)),
        invert_(Flag(json, "invert", false, where)),
        behavior_(BehaviorOf(json, where)) {}
  void Split(Pieces& pieces) const override {
    Cut(pieces, behavior_, invert_,
        [&](std::string_view text, const auto& visit) {
          pattern_.ForEachMatch(text, visit);
        });
  }
  void Summarize(Summary& summary) const override {
    const bool visible = summary.normal == Summary::Normal::kVisibleSpaces;
    if (visible && pattern_.text() == " " && !invert_) return;  // none is left
    const bool covers = (behavior_ == Behavior::kIsolated && !invert_) ||
                        (behavior_ == Behavior::kRemoved && invert_);
    if (pattern_.regex() != nullptr && covers && !summary.rule &&
        !summary.byte_level && !summary.digits_apart && !summary.bert_words) {
      summary.regex = pattern_.regex();
      summary.rule = RuleOfPattern(summary.regex->pattern());
    }
    summary.simple = summary.simple && summary.regex == pattern_.regex() &&
                     summary.rule.has_value();
  }
  std::string Describe() const override {
    return "Split by " + pattern_.Describe();
  }

 private:
  Pattern pattern_;
  bool invert_;
  Behavior behavior_;
};

// Runs of word characters and runs of what is neither word nor space.
class WhitespacePreTokenizer : public PreTokenizer {
 public:
  WhitespacePreTokenizer(const Json&, std::string_view) {}
  void Split(Pieces& pieces) const override {
    Cut(pieces, Behavior::kRemoved, true,
        [](std::string_view text, const auto& visit) {
          size_t begin = 0;
          int run = kSpace;
          for (size_t at = 0; at < text.size();) {
            const auto point = DecodeAt(text, at);
            const int kind = !point                       ? kOther
                             : IsTokenWord(point->value)  ? kWord
                             : IsWhitespace(point->value) ? kSpace
                                                          : kOther;
            if (kind != run) {
              if (run != kSpace) visit(begin, at);
              begin = at;
              run = kind;
            }
            at += point ? static_cast<size_t>(point->bytes) : 1;
          }
          if (run != kSpace) visit(begin, text.size());
        });
  }
  std::string Describe() const override { return "Whitespace"; }

 private:
  enum { kSpace, kWord, kOther };
};

class WhitespaceSplitPreTokenizer : public PreTokenizer {
 public:
  WhitespaceSplitPreTokenizer(const Json&, std::string_view) {}
  void Split(Pieces& pieces) const override {
    CutAt(pieces, Behavior::kRemoved, IsWhitespace);
  }
  std::string Describe() const override { return "WhitespaceSplit"; }
};

// Words between whitespace, punctuation apart.
class BertPreTokenizer : public PreTokenizer {
 public:
  BertPreTokenizer(const Json&, std::string_view) {}
  void Split(Pieces& pieces) const override {
    CutAt(pieces, Behavior::kRemoved, IsWhitespace);
    CutAt(pieces, Behavior::kIsolated, IsTokenPunctuation);
  }
  void Summarize(Summary& summary) const override {
    summary.simple = summary.simple && !summary.rule && !summary.byte_level &&
                     !summary.digits_apart && !summary.bert_words;
    summary.bert_words = true;
  }
  std::string Describe() const override { return "BERT's words"; }
};

// SentencePiece's visible space.
class MetaspacePreTokenizer : public PreTokenizer {
 public:
  MetaspacePreTokenizer(const Json& json, std::string_view where)
      : space_(Text(json, "replacement", "\u2581", where)),
        split_(Flag(json, "split", true, where)) {
    const bool legacy = Flag(json, "add_prefix_space", true, where);
    const std::string scheme =
        Text(json, "prepend_scheme", legacy ? "always" : "never", where);
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      ThrowCorrupt(where, "unknown prepend_scheme", scheme);
    }
    always_ = scheme == "always";
    first_ = scheme == "first";
    if (space_.empty()) ThrowCorrupt(where, "Metaspace without a character");
  }

  void Split(Pieces& pieces) const override {
    for (Piece& piece : pieces.list) {
      if (piece.text.find(' ') != std::string_view::npos) {
        piece = Replaced(piece, pieces);
      }
      const bool starts_text = piece.SourceOf(0).begin == 0;
      if ((always_ || (first_ && starts_text)) &&
          !piece.text.starts_with(space_)) {
        piece = Prefixed(piece, space_, pieces);
      }
    }
    if (!split_) return;
    Cut(pieces, Behavior::kMergedWithNext, false,
        [&](std::string_view text, const auto& visit) {
          for (size_t at = text.find(space_); at != std::string_view::npos;
               at = text.find(space_, at + space_.size())) {
            visit(at, at + space_.size());
          }
        });
  }
  void Summarize(Summary& summary) const override {
    summary.simple = summary.simple && space_ == "\u2581" &&
                     summary.normal == Summary::Normal::kSame &&
                     summary.prefix == Summary::Prefix::kNone &&
                     !summary.rule && !summary.byte_level &&
                     !summary.digits_apart && !summary.bert_words;
    summary.normal = Summary::Normal::kVisibleSpaces;
    if (always_) summary.prefix = Summary::Prefix::kAlways;
    if (first_) summary.prefix = Summary::Prefix::kFirst;
    summary.one_space = true;
    summary.cut_at_spaces = split_;
  }
  std::string Describe() const override { return "Metaspace"; }

 private:
  Piece Replaced(const Piece& piece, Pieces& pieces) const {
    AlignedText& text = pieces.storage.emplace_back();
    for (size_t i = 0; i < piece.text.size(); ++i) {
      const bool space = piece.text[i] == ' ';
      text.Append(space ? std::string_view(space_) : piece.text.substr(i, 1),
                  piece.SourceOf(i));
    }
    return {text.text, text.sources.data(), 0};
  }

  std::string space_;
  bool split_;
  bool always_, first_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  PreTokenizerSequence(const Json& json, std::string_view where)
      : parts_(MakeList(json, "pretokenizers", MakePreTokenizer, where)) {}
  void Split(Pieces& pieces) const override {
    for (const auto& part : parts_) part->Split(pieces);
  }
  void Summarize(Summary& summary) const override {
    for (const auto& part : parts_) part->Summarize(summary);
  }
  std::string Describe() const override { return DescribeList(parts_); }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

constexpr Kind<PreTokenizer> kPreTokenizers[] = {
    {"BertPreTokenizer", MakeFrom<PreTokenizer, BertPreTokenizer>},
    {"ByteLevel", MakeFrom<PreTokenizer, ByteLevelPreTokenizer>},
    {"CharDelimiterSplit", MakeFrom<PreTokenizer, DelimiterPreTokenizer>},
    {"Digits", MakeFrom<PreTokenizer, DigitsPreTokenizer>},
    {"FixedLength", MakeFrom<PreTokenizer, FixedLengthPreTokenizer>},
    {"Metaspace", MakeFrom<PreTokenizer, MetaspacePreTokenizer>},
    {"Punctuation", MakeFrom<PreTokenizer, PunctuationPreTokenizer>},
    {"Sequence", MakeFrom<PreTokenizer, PreTokenizerSequence>},
    {"Split", MakeFrom<PreTokenizer, SplitPreTokenizer>},
    {"Whitespace", MakeFrom<PreTokenizer, WhitespacePreTokenizer>},
    {"WhitespaceSplit", MakeFrom<PreTokenizer, WhitespaceSplitPreTokenizer>},
};

}  // namespace

std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& json,
                                               std::string_view where) {
  return MakeKind(kPreTokenizers, "pre-tokenizer", json, where);
}

}  // namespace malmoi::text
