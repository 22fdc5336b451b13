// The normalizers of BERT and of SentencePiece's models, which give ranges as
// the tokenizers library does.
#include "text/tokenize/bert_normalizers.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "text/tokenize/charsmap.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/transform.h"
#include "text/unicode/properties.h"

namespace malmoi::text {

namespace {

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<signed char>(c) >= 0; });
}

// The blocks that BERT's makers take for Chinese.
bool IsChinese(char32_t c) {
  return (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0x2f800 && c <= 0x2fa1f);
}

class BertNormalizer : public Normalizer {
 public:
  BertNormalizer(const Json& json, std::string_view where)
      : clean_(Flag(json, "clean_text", true, where)),
        chinese_(Flag(json, "handle_chinese_chars", true, where)),
        lowercase_(Flag(json, "lowercase", true, where)),
        strip_accents_(Flag(json, "strip_accents", lowercase_, where)) {}

  AlignedText Apply(const AlignedText& text) const override {
    if (!strip_accents_ || IsAscii(text.text)) {
      AlignedText out = Clean(text);
      return lowercase_ ? Lower(out) : out;
    }
    const AlignedText out =
        Without(Decompose(Clean(text), NormalForm::kNfd), IsTokenAccent);
    return lowercase_ ? Lower(out) : out;
  }
  void Summarize(Summary& summary) const override {
    summary.simple = summary.simple &&
                     summary.normal == Summary::Normal::kSame &&
                     summary.prefix == Summary::Prefix::kNone;
    summary.normal = Summary::Normal::kBert;
    summary.lowercase = lowercase_;
  }
  std::string Describe() const override {
    return Format("BERT's{}{}{}{}", clean_ ? " cleaning" : "",
                  chinese_ ? " Chinese apart" : "",
                  strip_accents_ ? " no accents" : "",
                  lowercase_ ? " lowercase" : "");
  }

 private:
  // Without control characters, with plain spaces, Chinese between them.
  AlignedText Clean(const AlignedText& text) const {
    AlignedText out;
    out.text.reserve(text.text.size());
    out.sources.reserve(text.text.size());
    for (size_t at = 0; at < text.text.size();) {
      const auto point = DecodeAt(text.text, at);
      const char32_t c = point ? point->value : 0;
      const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
      const SourceRange source = {text.sources[at].begin,
                                  text.sources[at + bytes - 1].end};
      const std::string_view same =
          std::string_view(text.text).substr(at, bytes);
      if (clean_ && IsTokenControl(c)) {
        // left out
      } else if (clean_ && IsWhitespace(c)) {
        out.Append(" ", source);
      } else if (chinese_ && IsChinese(c)) {
        out.Append(" ", source);
        out.Append(same, source);
        out.Append(" ", source);
      } else {
        out.Append(same, source);
      }
      at += bytes;
    }
    return out;
  }

  static AlignedText Lower(const AlignedText& text) {
    AlignedText out;
    out.text.reserve(text.text.size());
    out.sources.reserve(text.text.size());
    std::string lower;
    for (size_t at = 0; at < text.text.size();) {
      const auto point = DecodeAt(text.text, at);
      const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
      lower.clear();
      if (point) AppendTokenLowercase(lower, point->value);
      out.Append(lower,
                 {text.sources[at].begin, text.sources[at + bytes - 1].end});
      at += bytes;
    }
    return out;
  }

  bool clean_, chinese_, lowercase_, strip_accents_;
};

class StripAccentsNormalizer : public Normalizer {
 public:
  AlignedText Apply(const AlignedText& text) const override {
    return Without(text, IsTokenMark);
  }
  std::string Describe() const override { return "StripAccents"; }
};

// Looks up grapheme clusters of up to five bytes as a whole, where a key of
// their beginning counts for all of them, and others character by character.
class PrecompiledNormalizer : public Normalizer {
 public:
  PrecompiledNormalizer(std::string_view data, std::string_view where)
      : map_(data, where) {}

  AlignedText Apply(const AlignedText& text) const override {
    const std::string_view all = text.text;
    std::vector<Change> changes;
    changes.reserve(all.size());
    bool changed = false;
    for (size_t at = 0; at < all.size();) {
      const std::string_view cluster = all.substr(at, ClusterBytes(all, at));
      changed = Add(cluster, changes) || changed;
      at += cluster.size();
    }
    return changed ? Transform(text, changes) : text;
  }
  std::string Describe() const override { return "Precompiled"; }

 private:
  static size_t ClusterBytes(std::string_view text, size_t begin) {
    const auto is_plain = [&](size_t at) {
      return at >= text.size() || (static_cast<signed char>(text[at]) >= 0 &&
                                   text[at] != '\n' && text[at] != '\r');
    };
    if (is_plain(begin) && is_plain(begin + 1)) return 1;
    auto before = DecodeAt(text, begin);
    size_t at = begin + (before ? static_cast<size_t>(before->bytes) : 1);
    int32_t state = 0;
    while (before && at < text.size()) {
      const auto after = DecodeAt(text, at);
      if (!after || IsGraphemeBoundary(before->value, after->value, state)) {
        break;
      }
      at += static_cast<size_t>(after->bytes);
      before = after;
    }
    return at - begin;
  }

  // Whether a rule was found.
  bool Add(std::string_view cluster, std::vector<Change>& changes) const {
    constexpr size_t kLongest = 5;
    if (cluster.size() <= kLongest) {
      if (const auto text = map_.Find(cluster)) {
        AppendChanges(*text, Characters(cluster), changes);
        return true;
      }
    }
    bool changed = false;
    for (size_t at = 0; at < cluster.size();) {
      const auto point = DecodeAt(cluster, at);
      const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
      if (const auto text = map_.Find(cluster.substr(at, bytes))) {
        AppendChanges(*text, 1, changes);
        changed = true;
      } else {
        changes.push_back({point ? point->value : U'\uFFFD', 0});
      }
      at += bytes;
    }
    return changed;
  }

  static int Characters(std::string_view text) {
    return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
  }

  Charsmap map_;
};

}  // namespace

std::unique_ptr<Normalizer> MakeBertNormalizer(const Json& json,
                                               std::string_view where) {
  return std::make_unique<BertNormalizer>(json, where);
}

std::unique_ptr<Normalizer> MakeStripAccents(const Json&, std::string_view) {
  return std::make_unique<StripAccentsNormalizer>();
}

std::unique_ptr<Normalizer> MakePrecompiled(const Json& json,
                                            std::string_view where) {
  const auto data = DecodeBase64(Text(json, "precompiled_charsmap", "", where));
  if (!data) ThrowCorrupt(where, "a precompiled_charsmap that is no base64");
  return std::make_unique<PrecompiledNormalizer>(*data, where);
}

}  // namespace malmoi::text
