// The kinds of normalizers. Each keeps, for every byte it writes, the range
// of the source that the byte comes from.
#include <algorithm>

#include "text/tokenize/bert_normalizers.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/pattern.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/transform.h"
#include "text/unicode/properties.h"

namespace malmoi::text {

namespace {

// The source of bytes [begin, end) of `text`, which are not none.
SourceRange SourceOf(const AlignedText& text, size_t begin, size_t end) {
  return {text.sources[begin].begin, text.sources[end - 1].end};
}

void AppendCopy(const AlignedText& from, size_t begin, size_t end,
                AlignedText& out) {
  out.text.append(from.text, begin, end - begin);
  const auto first = from.sources.begin();
  out.sources.insert(out.sources.end(),
                     first + static_cast<std::ptrdiff_t>(begin),
                     first + static_cast<std::ptrdiff_t>(end));
}

size_t BytesAt(std::string_view text, size_t at) {
  const auto point = DecodeAt(text, at);
  return point ? static_cast<size_t>(point->bytes) : 1;
}

// NFD and NFKD, with ranges as the library gives them.
class DecomposingNormalizer : public Normalizer {
 public:
  explicit DecomposingNormalizer(NormalForm form) : form_(form) {}
  AlignedText Apply(const AlignedText& text) const override {
    return Decompose(text, form_);
  }
  std::string Describe() const override {
    return form_ == NormalForm::kNfd ? "NFD" : "NFKD";
  }

 private:
  NormalForm form_;
};

// NFC and NFKC. A cluster (a character and what may combine with it) is
// normalized by itself; most are normal already.
class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}

  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    out.text.reserve(text.text.size());
    out.sources.reserve(text.text.size());
    for (size_t at = 0; at < text.text.size();) {
      size_t end = at + BytesAt(text.text, at);
      const bool opaque = IsOpaqueAt(text.text, at);
      while (!opaque && end < text.text.size()) {
        const auto point = DecodeAt(text.text, end);
        if (!point || !ContinuesCluster(point->value, form_) ||
            IsOpaque(point->value, form_)) {
          break;
        }
        end += static_cast<size_t>(point->bytes);
      }
      const auto cluster = std::string_view(text.text).substr(at, end - at);
      if (opaque || (cluster.size() == 1 && cluster[0] >= 0)) {
        AppendCopy(text, at, end, out);
      } else {
        AppendNormal(text, at, end, out);
      }
      at = end;
    }
    return out;
  }
  void Summarize(Summary& summary) const override {
    summary.simple = summary.simple && form_ == NormalForm::kNfc &&
                     summary.normal == Summary::Normal::kSame &&
                     summary.prefix == Summary::Prefix::kNone;
    summary.normal = Summary::Normal::kComposed;
  }
  std::string Describe() const override {
    return form_ == NormalForm::kNfc ? "NFC" : "NFKC";
  }

 private:
  // Appends the cluster [begin, end). The system's library is fast for what is
  // normal already, but takes the square of the number of marks to put them in
  // order.
  void AppendNormal(const AlignedText& text, size_t begin, size_t end,
                    AlignedText& out) const {
    constexpr size_t kFewBytes = 256;
    const auto cluster = std::string_view(text.text).substr(begin, end - begin);
    if (cluster.size() <= kFewBytes && Normalize(cluster, form_) == cluster) {
      return AppendCopy(text, begin, end, out);
    }
    AlignedText part;
    AppendCopy(text, begin, end, part);
    part = Compose(part, form_);
    if (part.text == cluster) return AppendCopy(text, begin, end, out);
    AppendCopy(part, 0, part.text.size(), out);
  }
  bool IsOpaqueAt(std::string_view text, size_t at) const {
    const auto point = DecodeAt(text, at);
    return !point || IsOpaque(point->value, form_);
  }
  NormalForm form_;
};

template <NormalForm kForm>
std::unique_ptr<Normalizer> MakeForm(const Json&, std::string_view) {
  if constexpr (kForm == NormalForm::kNfd || kForm == NormalForm::kNfkd) {
    return std::make_unique<DecomposingNormalizer>(kForm);
  } else {
    return std::make_unique<FormNormalizer>(kForm);
  }
}

class LowercaseNormalizer : public Normalizer {
 public:
  LowercaseNormalizer(const Json&, std::string_view) {}
  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    std::string lower;
    for (size_t at = 0; at < text.text.size();) {
      const auto point = DecodeAt(text.text, at);
      const size_t end = at + (point ? static_cast<size_t>(point->bytes) : 1);
      lower.clear();
      if (point) AppendTokenLowercase(lower, point->value);
      out.Append(lower, SourceOf(text, at, end));
      at = end;
    }
    return out;
  }
  std::string Describe() const override { return "Lowercase"; }
};

// Some control characters are left out, others and odd spaces become spaces,
// as in Google's translation models.
class NmtNormalizer : public Normalizer {
 public:
  NmtNormalizer(const Json&, std::string_view) {}
  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    for (size_t at = 0; at < text.text.size();) {
      const auto point = DecodeAt(text.text, at);
      const size_t end = at + (point ? static_cast<size_t>(point->bytes) : 1);
      const char32_t c = point ? point->value : U'\uFFFD';
      if (IsSpace(c)) {
        out.Append(" ", SourceOf(text, at, end));
      } else if (!IsLeftOut(c)) {
        AppendCopy(text, at, end, out);
      }
      at = end;
    }
    return out;
  }
  std::string Describe() const override { return "Nmt"; }

 private:
  static bool IsLeftOut(char32_t c) {
    return (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) ||
           c == 0x7f || c == 0x8f || c == 0x9f;
  }
  static bool IsSpace(char32_t c) {
    return c == 0x9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
           (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 ||
           c == 0x2581 || c == 0xfeff || c == 0xfffd;
  }
};

// Bytes as byte-level vocabularies spell them.
class ByteLevelNormalizer : public Normalizer {
 public:
  ByteLevelNormalizer(const Json&, std::string_view) {}
  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    for (size_t at = 0; at < text.text.size();) {
      const size_t end = at + BytesAt(text.text, at);
      for (size_t i = at; i < end; ++i) {
        out.Append(SpellingOf(text.text[i]), SourceOf(text, at, end));
      }
      at = end;
    }
    return out;
  }
  std::string Describe() const override { return "ByteLevel"; }
};

class PrependNormalizer : public Normalizer {
 public:
  PrependNormalizer(const Json& json, std::string_view where)
      : prefix_(Text(json, "prepend", "", where)) {}
  AlignedText Apply(const AlignedText& text) const override {
    if (text.text.empty()) return text;
    AlignedText out;
    out.Append(prefix_, SourceOf(text, 0, BytesAt(text.text, 0)));
    AppendCopy(text, 0, text.text.size(), out);
    return out;
  }
  void Summarize(Summary& summary) const override {
    // The stage that makes spaces visible comes after.
    summary.simple = summary.simple && prefix_ == "\u2581" &&
                     summary.normal == Summary::Normal::kSame &&
                     summary.prefix == Summary::Prefix::kNone;
    summary.prefix = Summary::Prefix::kAlways;
  }
  std::string Describe() const override {
    return Format("'{}' put first", prefix_);
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(const Json& json, std::string_view where)
      : pattern_(Pattern::FromJson(json, where)),
        content_(Text(json, "content", "", where)) {}
  AlignedText Apply(const AlignedText& text) const override {
    AlignedText out;
    size_t at = 0;
    pattern_.ForEachMatch(text.text, [&](size_t begin, size_t end) {
      AppendCopy(text, at, begin, out);
      if (begin < end) {
        // As in the reference: from the last character of the match.
        out.Append(content_, text.sources[end - 1]);
      } else if (!text.text.empty()) {  // an empty match: an insertion
        const size_t beside = begin > 0 ? begin - 1 : 0;
        out.Append(content_, text.sources[beside]);
      }
      at = end;
    });
    AppendCopy(text, at, text.text.size(), out);
    return out;
  }
  void Summarize(Summary& summary) const override {
    summary.simple = summary.simple && pattern_.regex() == nullptr &&
                     pattern_.text() == " " && content_ == "\u2581" &&
                     summary.normal == Summary::Normal::kSame;
    summary.normal = Summary::Normal::kVisibleSpaces;
  }
  std::string Describe() const override {
    return Format("{} replaced by '{}'", pattern_.Describe(), content_);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(const Json& json, std::string_view where)
      : left_(Flag(json, "strip_left", true, where)),
        right_(Flag(json, "strip_right", true, where)) {}
  AlignedText Apply(const AlignedText& text) const override {
    size_t begin = 0;
    size_t end = text.text.size();
    while (left_ && begin < end) {
      const auto point = DecodeAt(text.text, begin);
      if (!point || !IsWhitespace(point->value)) break;
      begin += static_cast<size_t>(point->bytes);
    }
    while (right_ && end > begin) {
      size_t last = end - 1;
      while (last > begin &&
             (static_cast<unsigned char>(text.text[last]) & 0xc0) == 0x80) {
        --last;
      }
      const auto point = DecodeAt(text.text, last);
      if (!point || !IsWhitespace(point->value)) break;
      end = last;
    }
    AlignedText out;
    AppendCopy(text, begin, end, out);
    return out;
  }
  std::string Describe() const override { return "Strip"; }

 private:
  bool left_, right_;
};

class NormalizerSequence : public Normalizer {
 public:
  NormalizerSequence(const Json& json, std::string_view where)
      : parts_(MakeList(json, "normalizers", MakeNormalizer, where)) {}
  AlignedText Apply(const AlignedText& text) const override {
    AlignedText result = text;
    for (const auto& part : parts_) result = part->Apply(result);
    return result;
  }
  void Summarize(Summary& summary) const override {
    for (const auto& part : parts_) part->Summarize(summary);
  }
  std::string Describe() const override { return DescribeList(parts_); }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

constexpr Kind<Normalizer> kNormalizers[] = {
    {"BertNormalizer", MakeBertNormalizer},
    {"ByteLevel", MakeFrom<Normalizer, ByteLevelNormalizer>},
    {"Lowercase", MakeFrom<Normalizer, LowercaseNormalizer>},
    {"NFC", MakeForm<NormalForm::kNfc>},
    {"NFD", MakeForm<NormalForm::kNfd>},
    {"NFKC", MakeForm<NormalForm::kNfkc>},
    {"NFKD", MakeForm<NormalForm::kNfkd>},
    {"Nmt", MakeFrom<Normalizer, NmtNormalizer>},
    {"Precompiled", MakePrecompiled},
    {"Prepend", MakeFrom<Normalizer, PrependNormalizer>},
    {"Replace", MakeFrom<Normalizer, ReplaceNormalizer>},
    {"Sequence", MakeFrom<Normalizer, NormalizerSequence>},
    {"StripAccents", MakeStripAccents},
    {"Strip", MakeFrom<Normalizer, StripNormalizer>},
};

}  // namespace

std::unique_ptr<Normalizer> MakeNormalizer(const Json& json,
                                           std::string_view where) {
  return MakeKind(kNormalizers, "normalizer", json, where);
}

}  // namespace malmoi::text
