// The kinds of models of a tokenizer.json.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>

#include "text/tokenize/bpe.h"
#include "text/tokenize/stage_json.h"
#include "text/tokenize/token_words.h"
#include "text/tokenize/unigram.h"
#include "text/tokenize/word_piece.h"

namespace malmoi::text {

namespace {

struct OwnedBpe {
  std::vector<std::string> spellings;  // by id
  std::string merges;                  // their parts, one after another
};

void ReadVocabulary(const Json& vocab, std::string_view where,
                    std::vector<std::string>& spellings) {
  // Ids may have holes, but not so that a small file needs much memory.
  const int64_t limit = static_cast<int64_t>(vocab.size()) * 16 + 100'000;
  int64_t largest = -1;
  for (const auto& [spelling, id] : vocab.items()) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 ||
        id.get<int64_t>() >= limit) {
      ThrowCorrupt(where, "senseless token id", spelling);
    }
    largest = std::max(largest, id.get<int64_t>());
  }
  spellings.resize(static_cast<size_t>(largest + 1));
  for (const auto& [spelling, id] : vocab.items()) {
    spellings[static_cast<size_t>(id.get<int64_t>())] = spelling;
  }
}

// "left right", or a pair of texts. Appends the parts to `storage`, which has
// room for them.
Bpe::Pair ReadMerge(const Json& merge, std::string_view where,
                    std::string& storage) {
  const auto keep = [&](std::string_view part) {
    const size_t begin = storage.size();
    storage += part;
    return std::string_view(storage).substr(begin);
  };
  if (merge.is_string()) {
    const std::string_view text = merge.get_ref<const std::string&>();
    const size_t space = text.find(' ');
    if (space != std::string::npos &&
        text.find(' ', space + 1) == std::string::npos) {
      const std::string_view left = keep(text.substr(0, space));
      return {left, keep(text.substr(space + 1))};
    }
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string()) {
    const std::string_view left = keep(merge[0].get_ref<const std::string&>());
    return {left, keep(merge[1].get_ref<const std::string&>())};
  }
  ThrowCorrupt(where, "a merge without two parts",
               DumpJson(merge).substr(0, 60));
}

size_t BytesOfMerges(const Json& merges) {
  size_t bytes = 0;
  const auto add = [&](const Json& text) {
    if (text.is_string()) bytes += text.get_ref<const std::string&>().size();
  };
  for (const Json& merge : merges) {
    add(merge);
    if (!merge.is_array()) continue;
    for (const Json& part : merge) add(part);
  }
  return bytes;
}

std::unique_ptr<TokenModel> MakeBpe(const Json& json, std::string_view where) {
  if (!json.contains("vocab") || !json["vocab"].is_object() ||
      !json.contains("merges") || !json["merges"].is_array()) {
    ThrowCorrupt(where, "a BPE model without vocab and merges");
  }
  const auto dropout = json.find("dropout");
  if (dropout != json.end() && !dropout->is_null() &&
      !(dropout->is_number() && dropout->get<double>() == 0.0)) {
    ThrowUnsupported(where, "unsupported BPE option dropout",
                     DumpJson(*dropout));
  }
  auto owned = std::make_shared<OwnedBpe>();
  ReadVocabulary(json["vocab"], where, owned->spellings);
  std::vector<Bpe::Pair> merges;
  merges.reserve(json["merges"].size());
  owned->merges.reserve(BytesOfMerges(json["merges"]));
  for (const Json& merge : json["merges"]) {
    merges.push_back(ReadMerge(merge, where, owned->merges));
  }
  std::vector<std::string_view> spellings(owned->spellings.begin(),
                                          owned->spellings.end());
  BpeOptions options;
  options.ignore_merges = Flag(json, "ignore_merges", false, where);
  options.byte_fallback = Flag(json, "byte_fallback", false, where);
  options.fuse_unknown = Flag(json, "fuse_unk", false, where);
  options.unknown = Text(json, "unk_token", "", where);
  options.continuing_prefix =
      Text(json, "continuing_subword_prefix", "", where);
  options.end_suffix = Text(json, "end_of_word_suffix", "", where);
  return std::make_unique<Bpe>(std::move(spellings), merges, owned,
                               std::move(options), where);
}

std::vector<std::string> Vocabulary(const Json& json, std::string_view kind,
                                    std::string_view where) {
  if (!json.contains("vocab") || !json["vocab"].is_object()) {
    ThrowCorrupt(where, Format("a {} model without vocab", kind));
  }
  std::vector<std::string> spellings;
  ReadVocabulary(json["vocab"], where, spellings);
  return spellings;
}

std::unique_ptr<TokenModel> MakeWordPiece(const Json& json,
                                          std::string_view where) {
  WordPieceOptions options;
  options.unknown = Text(json, "unk_token", options.unknown, where);
  options.continuing_prefix =
      Text(json, "continuing_subword_prefix", options.continuing_prefix, where);
  options.max_characters =
      Count(json, "max_input_chars_per_word", options.max_characters, where);
  return std::make_unique<WordPiece>(Vocabulary(json, "WordPiece", where),
                                     std::move(options), where);
}

std::unique_ptr<TokenModel> MakeWordLevel(const Json& json,
                                          std::string_view where) {
  return std::make_unique<WordLevel>(Vocabulary(json, "WordLevel", where),
                                     Text(json, "unk_token", "<unk>", where),
                                     where);
}

// The score that the library has for one: its reader of JSON turns the digits
// into a double and divides that by a power of ten, which rounds twice. Scores
// of 17 digits come out a last bit apart, and that bit decides between cuts
// with the same tokens in another order.
double ScoreAsRead(double score) {
  char text[40];
  const auto end = std::to_chars(std::begin(text), std::end(text), score,
                                 std::chars_format::scientific)
                       .ptr;
  uint64_t digits = 0;
  int exponent = 0;
  bool fraction = false;
  for (const char* c = text; c != end; ++c) {
    if (*c == 'e') {
      const char* sign = c + 1;  // from_chars() reads no plus
      int power = 0;
      std::from_chars(sign + (*sign == '+' ? 1 : 0), end, power);
      exponent += power;
      break;
    }
    if (*c == '.') fraction = true;
    if (*c < '0' || *c > '9') continue;
    digits = digits * 10 + static_cast<uint64_t>(*c - '0');
    if (fraction) --exponent;
  }
  const double power = std::pow(10.0, std::abs(exponent));
  const double value = static_cast<double>(digits);
  return std::copysign(exponent < 0 ? value / power : value * power, score);
}

// The vocabulary is a list of spellings and scores.
std::unique_ptr<TokenModel> MakeUnigram(const Json& json,
                                        std::string_view where) {
  if (!json.contains("vocab") || !json["vocab"].is_array()) {
    ThrowCorrupt(where, "a Unigram model without vocab");
  }
  std::vector<std::string> spellings;
  std::vector<double> scores;
  for (const Json& item : json["vocab"]) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() ||
        !item[1].is_number()) {
      ThrowCorrupt(where, "a token without spelling and score",
                   DumpJson(item).substr(0, 60));
    }
    spellings.push_back(item[0].get<std::string>());
    scores.push_back(ScoreAsRead(item[1].get<double>()));
  }
  UnigramOptions options;
  options.byte_fallback = Flag(json, "byte_fallback", false, where);
  if (json.contains("unk_id") && !json["unk_id"].is_null()) {
    const size_t id = Count(json, "unk_id", 0, where);
    if (id >= spellings.size()) {
      ThrowCorrupt(where, "the unknown token is not in the vocabulary",
                   Format("unk_id {}", id));
    }
    options.unknown_id = static_cast<int32_t>(id);
  }
  return std::make_unique<Unigram>(std::move(spellings), std::move(scores),
                                   options, where);
}

constexpr Kind<TokenModel> kModels[] = {
    {"BPE", MakeBpe},
    {"Unigram", MakeUnigram},
    {"WordLevel", MakeWordLevel},
    {"WordPiece", MakeWordPiece},
};

}  // namespace

std::unique_ptr<const TokenWords> TokenModel::FindTokenWords(bool) const {
  return nullptr;
}

std::unique_ptr<TokenModel> MakeModel(const Json& json,
                                      std::string_view where) {
  // Old files leave the type out.
  if (json.is_object() && !json.contains("type")) {
    if (json.contains("merges")) return MakeBpe(json, where);
    if (json.contains("max_input_chars_per_word")) {
      return MakeWordPiece(json, where);
    }
    if (json.contains("unk_id")) return MakeUnigram(json, where);
    if (json.contains("unk_token")) return MakeWordLevel(json, where);
  }
  if (json.is_null()) ThrowCorrupt(where, "a tokenizer without a model");
  return MakeKind(kModels, "tokenizer model", json, where);
}

}  // namespace malmoi::text
