// A tokenizer from tokenizer.json and tokenizer_config.json.
#include <algorithm>

#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

// Spellings that end a turn where a vocabulary has them as special tokens.
// The last is a tag of HTML to some vocabularies.
constexpr std::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|eot_id|>",    "<|eom_id|>",      "<|end|>",
    "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "</s>"};

std::string NormalizedSpelling(const TokenizerParts& parts,
                               const std::string& content) {
  if (!parts.normalizer) return content;
  AlignedText text;
  text.Append(content, {0, 0});
  return parts.normalizer->Apply(text).text;
}

void ReadAddedTokens(const Json& list, TokenizerParts& parts,
                     std::string_view where) {
  if (list.is_null()) return;
  if (!list.is_array()) ThrowCorrupt(where, "added_tokens is not a list");
  // Beyond the model's ids come at most those of the added tokens.
  const auto limit = static_cast<int64_t>(parts.model->size()) +
                     static_cast<int64_t>(list.size()) + 1'000'000;
  for (const Json& item : list) {
    if (!item.is_object() || !item.contains("id") ||
        !item["id"].is_number_integer()) {
      ThrowCorrupt(where, "an added token without id and content");
    }
    ReadAddedToken(item, item["id"].get<int64_t>(), limit, where, parts);
  }
}

}  // namespace

std::optional<int32_t> NamedToken(const Json& config, const char* key,
                                  const TokenizerParts& parts) {
  if (!config.is_object() || !config.contains(key)) return std::nullopt;
  const Json* value = &config[key];
  if (value->is_object() && value->contains("content")) {
    value = &(*value)["content"];
  }
  if (!value->is_string()) return std::nullopt;
  const std::string name = value->get<std::string>();
  if (const AddedToken* token = parts.added.ByContent(name)) return token->id;
  return parts.model->Id(name);
}

void ReadAddedToken(const Json& json, int64_t id, int64_t id_limit,
                    std::string_view where, TokenizerParts& parts) {
  if (!json.is_object() || !json.contains("content") ||
      !json["content"].is_string()) {
    ThrowCorrupt(where, "an added token without id and content");
  }
  AddedToken token;
  token.content = json["content"].get<std::string>();
  if (id < 0 || id >= id_limit) {
    ThrowCorrupt(where, "senseless token id", token.content);
  }
  token.id = static_cast<int32_t>(id);
  token.special = Flag(json, "special", false, where);
  token.left_strip = Flag(json, "lstrip", false, where);
  token.right_strip = Flag(json, "rstrip", false, where);
  token.single_word = Flag(json, "single_word", false, where);
  token.normalized = Flag(json, "normalized", !token.special, where);
  const std::string spelling = NormalizedSpelling(parts, token.content);
  parts.added.Add(std::move(token), spelling);
}

bool IsTurnEnd(std::string_view spelling) {
  return spelling != "</s>" &&
         std::find(std::begin(kTurnEnds), std::end(kTurnEnds), spelling) !=
             std::end(kTurnEnds);
}

void FindEnds(std::initializer_list<std::optional<int32_t>> given,
              TokenizerParts& parts) {
  const auto add = [&](int32_t id) {
    if (std::find(parts.ends.begin(), parts.ends.end(), id) ==
        parts.ends.end()) {
      parts.ends.push_back(id);
    }
  };
  for (const auto& id : given) {
    if (id) add(*id);
  }
  for (std::string_view spelling : kTurnEnds) {
    const AddedToken* token = parts.added.ByContent(spelling);
    if (token != nullptr && token->special) add(token->id);
  }
}

std::shared_ptr<const Tokenizer> Tokenizer::FromJson(const Json& json,
                                                     const Json& config,
                                                     std::string_view where) {
  if (!json.is_object() || !json.contains("model")) {
    ThrowCorrupt(where, "a tokenizer without a model");
  }
  const Json none;
  const auto get = [&](const char* key) -> const Json& {
    return json.contains(key) ? json[key] : none;
  };
  auto parts = std::make_unique<TokenizerParts>();
  parts->normalizer = MakeNormalizer(get("normalizer"), where);
  parts->pre_tokenizer = MakePreTokenizer(get("pre_tokenizer"), where);
  parts->model = MakeModel(get("model"), where);
  parts->post_processor = MakePostProcessor(get("post_processor"), where);
  parts->decoder = MakeDecoder(get("decoder"), where);
  ReadAddedTokens(get("added_tokens"), *parts, where);
  parts->bos = NamedToken(config, "bos_token", *parts);
  parts->eos = NamedToken(config, "eos_token", *parts);
  parts->pad = NamedToken(config, "pad_token", *parts);
  parts->unk = NamedToken(config, "unk_token", *parts);
  if (!parts->unk) parts->unk = parts->model->unknown_id();
  FindEnds({parts->eos}, *parts);
  parts->truncation = ReadTruncation(get("truncation"), where);
  parts->padding = ReadPadding(get("padding"), where);
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
