// The kinds of models of a tokenizer.json.
#include <algorithm>

#include "text/tokenize/bpe.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

struct OwnedBpe {
  std::vector<std::string> spellings;  // by id
  std::deque<std::string> merges;      // parts
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

// "left right", or a pair of texts.
Bpe::Pair ReadMerge(const Json& merge, std::string_view where,
                    std::deque<std::string>& storage) {
  if (merge.is_string()) {
    const std::string& text = storage.emplace_back(merge.get<std::string>());
    const size_t space = text.find(' ');
    if (space != std::string::npos &&
        text.find(' ', space + 1) == std::string::npos) {
      const std::string_view view = text;
      return {view.substr(0, space), view.substr(space + 1)};
    }
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string()) {
    const std::string& left = storage.emplace_back(merge[0].get<std::string>());
    const std::string& right =
        storage.emplace_back(merge[1].get<std::string>());
    return {left, right};
  }
  ThrowCorrupt(where, "a merge without two parts",
               DumpJson(merge).substr(0, 60));
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

constexpr Kind<TokenModel> kModels[] = {{"BPE", MakeBpe}};

}  // namespace

std::unique_ptr<TokenModel> MakeModel(const Json& json,
                                      std::string_view where) {
  // Old files leave the type of a BPE out.
  if (json.is_object() && !json.contains("type") && json.contains("merges")) {
    return MakeBpe(json, where);
  }
  if (json.is_null()) ThrowCorrupt(where, "a tokenizer without a model");
  return MakeKind(kModels, "tokenizer model", json, where);
}

}  // namespace malmoi::text
