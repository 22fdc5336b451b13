// The kinds of normalizers and pre-tokenizers, and the factory that makes
// them from tokenizer.json.
#include <algorithm>
#include <functional>

#include "base/error.h"
#include "base/format.h"
#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/regex.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

[[noreturn]] void Bad(std::string_view where, std::string what,
                      std::string got = "") {
  throw Error(ErrorCode::kCorrupt, {.where = std::string(where),
                                    .what = std::move(what),
                                    .got = std::move(got)});
}

std::string TypeOf(const Json& json, std::string_view where) {
  if (!json.is_object() || !json.contains("type") ||
      !json["type"].is_string()) {
    Bad(where, "a tokenizer stage without a type",
        DumpJson(json).substr(0, 60));
  }
  return json["type"].get<std::string>();
}

bool Flag(const Json& json, const char* key, bool fallback) {
  return json.contains(key) && json[key].is_boolean() ? json[key].get<bool>()
                                                      : fallback;
}

template <typename Stage>
struct Kind {
  std::string_view type;
  std::unique_ptr<Stage> (*make)(const Json& json, std::string_view where);
};

template <typename Stage, size_t kCount>
std::unique_ptr<Stage> Make(const Kind<Stage> (&kinds)[kCount],
                            std::string_view stage, const Json& json,
                            std::string_view where) {
  if (json.is_null()) return nullptr;
  const std::string type = TypeOf(json, where);
  std::string known;
  for (const Kind<Stage>& kind : kinds) {
    if (kind.type == type) return kind.make(json, where);
    known += (known.empty() ? "" : ", ") + std::string(kind.type);
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = std::string(where),
               .what = Format("unsupported kind of {}", stage),
               .expected = known,
               .got = type});
}

// ---- normalizers

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  std::string Apply(std::string_view text) const override {
    return Normalize(text, form_);
  }
  std::string Describe() const override {
    static constexpr const char* kNames[] = {"NFC", "NFD", "NFKC", "NFKD"};
    return kNames[static_cast<int>(form_)];
  }

 private:
  NormalForm form_;
};

template <NormalForm kForm>
std::unique_ptr<Normalizer> MakeForm(const Json&, std::string_view) {
  return std::make_unique<FormNormalizer>(kForm);
}

class LowercaseNormalizer : public Normalizer {
 public:
  std::string Apply(std::string_view text) const override {
    return Lowercase(text);
  }
  std::string Describe() const override { return "Lowercase"; }
};

class NormalizerSequence : public Normalizer {
 public:
  NormalizerSequence(const Json& json, std::string_view where) {
    if (!json.contains("normalizers") || !json["normalizers"].is_array()) {
      Bad(where, "a sequence of normalizers without its list");
    }
    for (const Json& part : json["normalizers"]) {
      parts_.push_back(MakeNormalizer(part, where));
    }
  }
  std::string Apply(std::string_view text) const override {
    std::string result(text);
    for (const auto& part : parts_) result = part->Apply(result);
    return result;
  }
  std::string Describe() const override {
    std::string all;
    for (const auto& part : parts_) {
      all += (all.empty() ? "" : ", ") + part->Describe();
    }
    return all;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
};

// ---- pre-tokenizers

// The part [begin, end) of a piece.
Piece Part(const Piece& piece, size_t begin, size_t end) {
  Piece part;
  part.text = piece.text.substr(begin, end - begin);
  part.prefixed =
      begin < piece.prefixed ? std::min(piece.prefixed, end) - begin : 0;
  part.begin = begin < piece.prefixed ? piece.begin
                                      : piece.begin + begin - piece.prefixed;
  return part;
}

// What happens to matches of a delimiter (tokenizers' SplitDelimiterBehavior).
enum class Behavior {
  kRemoved,
  kIsolated,
  kWithPrevious,
  kWithNext,
  kContiguous
};

// Cuts a piece by `find`, which gives the next match at or after an offset.
void CutBy(const Piece& piece, Behavior behavior, bool invert,
           const std::function<std::optional<std::pair<size_t, size_t>>(
               std::string_view, size_t)>& find,
           std::vector<Piece>& out) {
  struct Range {
    size_t begin, end;
    bool match;
  };
  std::vector<Range> ranges;
  size_t at = 0;
  size_t from = 0;
  while (from <= piece.text.size()) {
    const auto match = find(piece.text, from);
    if (!match) break;
    if (match->first == match->second) {  // an empty match cuts nothing
      from = match->second + 1;
      while (from < piece.text.size() &&
             (static_cast<unsigned char>(piece.text[from]) & 0xc0) == 0x80) {
        ++from;
      }
      continue;
    }
    if (match->first > at) ranges.push_back({at, match->first, invert});
    ranges.push_back({match->first, match->second, !invert});
    at = from = match->second;
  }
  if (at < piece.text.size()) {
    ranges.push_back({at, piece.text.size(), invert});
  }
  std::vector<Range> merged;
  for (const Range& range : ranges) {
    const bool any = !merged.empty();
    switch (behavior) {
      case Behavior::kRemoved:
        if (!range.match) merged.push_back(range);
        continue;
      case Behavior::kIsolated:
        break;
      case Behavior::kContiguous:
        if (any && merged.back().match == range.match) {
          merged.back().end = range.end;
          continue;
        }
        break;
      case Behavior::kWithPrevious:
        if (any && range.match && !merged.back().match) {
          merged.back() = {merged.back().begin, range.end, true};
          continue;
        }
        break;
      case Behavior::kWithNext:
        if (any && !range.match && merged.back().match) {
          merged.back() = {merged.back().begin, range.end, false};
          continue;
        }
        break;
    }
    merged.push_back(range);
  }
  for (const Range& range : merged) {
    out.push_back(Part(piece, range.begin, range.end));
  }
}

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(const Json& json, std::string_view where)
      : add_prefix_space_(Flag(json, "add_prefix_space", true)),
        use_regex_(Flag(json, "use_regex", true)),
        regex_(kGpt2Pattern, where) {}

  void Split(Pieces& pieces) const override {
    std::vector<Piece> out;
    for (Piece piece : pieces.list) {
      if (add_prefix_space_ && !piece.text.starts_with(' ')) {
        pieces.storage.push_back(" " + std::string(piece.text));
        piece.text = pieces.storage.back();
        ++piece.prefixed;
      }
      if (!use_regex_) {
        out.push_back(piece);
        continue;
      }
      // The pattern matches everything: each match is a piece.
      size_t at = 0;
      while (at < piece.text.size()) {
        const auto match = regex_.Find(piece.text, at);
        const size_t end = match ? match->second : piece.text.size();
        out.push_back(Part(piece, at, end));
        at = end;
      }
    }
    pieces.list = std::move(out);
  }
  std::string Describe() const override {
    return Format("ByteLevel{}{}",
                  add_prefix_space_ ? " with a space first" : "",
                  use_regex_ ? "" : " without its pattern");
  }

 private:
  bool add_prefix_space_;
  bool use_regex_;
  Regex regex_;
};

class DigitsPreTokenizer : public PreTokenizer {
 public:
  explicit DigitsPreTokenizer(bool individual) : individual_(individual) {}

  void Split(Pieces& pieces) const override {
    const auto find =
        [](std::string_view text,
           size_t from) -> std::optional<std::pair<size_t, size_t>> {
      while (from < text.size()) {
        const auto point = DecodeAt(text, from);
        const size_t bytes =
            point ? static_cast<size_t>(point->bytes) : size_t{1};
        if (point && IsNumeric(point->value)) {
          return std::pair(from, from + bytes);
        }
        from += bytes;
      }
      return std::nullopt;
    };
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list) {
      CutBy(piece, individual_ ? Behavior::kIsolated : Behavior::kContiguous,
            false, find, out);
    }
    pieces.list = std::move(out);
  }
  std::string Describe() const override {
    return individual_ ? "Digits one by one" : "Digits";
  }

 private:
  bool individual_;
};

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(const Json& json, std::string_view where)
      : regex_(PatternOf(json, where), where),
        invert_(Flag(json, "invert", false)) {
    static constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
        {"Removed", Behavior::kRemoved},
        {"Isolated", Behavior::kIsolated},
        {"MergedWithPrevious", Behavior::kWithPrevious},
        {"MergedWithNext", Behavior::kWithNext},
        {"Contiguous", Behavior::kContiguous}};
    const std::string name = json.value("behavior", "Isolated");
    const auto* found =
        std::find_if(std::begin(kBehaviors), std::end(kBehaviors),
                     [&](const auto& entry) { return entry.first == name; });
    if (found == std::end(kBehaviors)) Bad(where, "unknown behavior", name);
    behavior_ = found->second;
  }

  void Split(Pieces& pieces) const override {
    std::vector<Piece> out;
    for (const Piece& piece : pieces.list) {
      CutBy(
          piece, behavior_, invert_,
          [&](std::string_view text, size_t from) {
            return regex_.Find(text, from);
          },
          out);
    }
    pieces.list = std::move(out);
  }
  std::string Describe() const override {
    return "Split by " + regex_.pattern();
  }

 private:
  static std::string PatternOf(const Json& json, std::string_view where) {
    if (json.contains("pattern") && json["pattern"].is_object()) {
      const Json& pattern = json["pattern"];
      if (pattern.contains("Regex") && pattern["Regex"].is_string()) {
        return pattern["Regex"].get<std::string>();
      }
      if (pattern.contains("String") && pattern["String"].is_string()) {
        std::string quoted;
        for (char c : pattern["String"].get<std::string>()) {
          if (static_cast<unsigned char>(c) < 0x80 && !std::isalnum(c)) {
            quoted += '\\';
          }
          quoted += c;
        }
        return quoted;
      }
    }
    Bad(where, "a Split without a pattern");
  }

  Regex regex_;
  bool invert_;
  Behavior behavior_;
};

class PreTokenizerSequence : public PreTokenizer {
 public:
  PreTokenizerSequence(const Json& json, std::string_view where) {
    if (!json.contains("pretokenizers") || !json["pretokenizers"].is_array()) {
      Bad(where, "a sequence of pre-tokenizers without its list");
    }
    for (const Json& part : json["pretokenizers"]) {
      parts_.push_back(MakePreTokenizer(part, where));
    }
  }
  void Split(Pieces& pieces) const override {
    for (const auto& part : parts_) part->Split(pieces);
  }
  std::string Describe() const override {
    std::string all;
    for (const auto& part : parts_) {
      all += (all.empty() ? "" : ", ") + part->Describe();
    }
    return all;
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> parts_;
};

template <typename Base, typename Derived>
std::unique_ptr<Base> MakeFrom(const Json& json, std::string_view where) {
  return std::make_unique<Derived>(json, where);
}

constexpr Kind<Normalizer> kNormalizers[] = {
    {"Lowercase",
     [](const Json&, std::string_view) -> std::unique_ptr<Normalizer> {
       return std::make_unique<LowercaseNormalizer>();
     }},
    {"NFC", MakeForm<NormalForm::kNfc>},
    {"NFD", MakeForm<NormalForm::kNfd>},
    {"NFKC", MakeForm<NormalForm::kNfkc>},
    {"NFKD", MakeForm<NormalForm::kNfkd>},
    {"Sequence", MakeFrom<Normalizer, NormalizerSequence>},
};

constexpr Kind<PreTokenizer> kPreTokenizers[] = {
    {"ByteLevel", MakeFrom<PreTokenizer, ByteLevelPreTokenizer>},
    {"Digits",
     [](const Json& json, std::string_view) -> std::unique_ptr<PreTokenizer> {
       return std::make_unique<DigitsPreTokenizer>(
           Flag(json, "individual_digits", false));
     }},
    {"Sequence", MakeFrom<PreTokenizer, PreTokenizerSequence>},
    {"Split", MakeFrom<PreTokenizer, SplitPreTokenizer>},
};

// ---- models

struct OwnedJson {
  std::vector<std::string> spellings;
  std::vector<std::string> merges;
};

std::unique_ptr<TokenModel> MakeBpe(const Json& json, std::string_view where) {
  if (!json.contains("vocab") || !json["vocab"].is_object() ||
      !json.contains("merges") || !json["merges"].is_array()) {
    Bad(where, "a BPE model without vocab and merges");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (json.contains(key) && json[key].is_string() &&
        !json[key].get<std::string>().empty()) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = std::string(where),
                   .what = Format("unsupported BPE option {}", key)});
    }
  }
  if (Flag(json, "byte_fallback", false)) {
    throw Error(ErrorCode::kUnsupported,
                {.where = std::string(where),
                 .what = "unsupported BPE option byte_fallback"});
  }
  auto owned = std::make_shared<OwnedJson>();
  constexpr int64_t kMaxId = 10'000'000;
  int64_t largest = -1;
  for (const auto& [spelling, id] : json["vocab"].items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() > kMaxId) {
      Bad(where, "senseless token id", spelling);
    }
    largest = std::max(largest, id.get<int64_t>());
  }
  owned->spellings.resize(static_cast<size_t>(largest + 1));
  for (const auto& [spelling, id] : json["vocab"].items()) {
    owned->spellings[static_cast<size_t>(id.get<int64_t>())] = spelling;
  }
  for (const Json& merge : json["merges"]) {
    if (merge.is_string()) {
      owned->merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      owned->merges.push_back(merge[0].get<std::string>() + " " +
                              merge[1].get<std::string>());
    } else {
      Bad(where, "a merge without two parts", DumpJson(merge).substr(0, 60));
    }
  }
  std::vector<std::string_view> spellings(owned->spellings.begin(),
                                          owned->spellings.end());
  const std::vector<std::string_view> merges(owned->merges.begin(),
                                             owned->merges.end());
  return std::make_unique<Bpe>(
      std::move(spellings), merges, owned,
      BpeOptions{.ignore_merges = Flag(json, "ignore_merges", false)}, where);
}

constexpr Kind<TokenModel> kModels[] = {{"BPE", MakeBpe}};

}  // namespace

std::unique_ptr<Normalizer> MakeNormalizer(const Json& json,
                                           std::string_view where) {
  return Make(kNormalizers, "normalizer", json, where);
}

std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& json,
                                               std::string_view where) {
  return Make(kPreTokenizers, "pre-tokenizer", json, where);
}

std::unique_ptr<TokenModel> MakeModel(const Json& json,
                                      std::string_view where) {
  // Old files leave the type of a BPE out.
  if (json.is_object() && !json.contains("type") && json.contains("merges")) {
    return MakeBpe(json, where);
  }
  if (json.is_null()) Bad(where, "a tokenizer without a model");
  return Make(kModels, "tokenizer model", json, where);
}

void CheckDecoder(const Json& json, std::string_view where) {
  if (json.is_null()) return;
  const std::string type = TypeOf(json, where);
  if (type != "ByteLevel") {
    throw Error(ErrorCode::kUnsupported, {.where = std::string(where),
                                          .what = "unsupported kind of decoder",
                                          .expected = "ByteLevel",
                                          .got = type});
  }
}

}  // namespace malmoi::text
