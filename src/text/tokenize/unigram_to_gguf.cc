#include "text/tokenize/unigram_to_gguf.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "text/tokenize/charsmap.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

using PieceType = SentencePieceModel::PieceType;

constexpr std::string_view kSpace = "\u2581";

Json Get(const Json& json, const char* key) {
  return json.is_object() ? json.value(key, Json()) : Json();
}

// A stage, or the stages of a sequence of them.
std::vector<Json> Stages(const Json& stage, const char* list) {
  if (stage.is_null()) return {};
  if (Get(stage, "type") != "Sequence") return {stage};
  const Json parts = Get(stage, list);
  return {parts.begin(), parts.end()};
}

[[noreturn]] void Refuse(const Json& stage, const std::string& where) {
  ThrowUnsupported(where, "a stage that GGUF has no name for",
                   DumpJson(stage).substr(0, 200),
                   "what SentencePiece does to a text");
}

void ReadNormalizers(const Json& tokenizer, const std::string& where,
                     SentencePieceModel& model) {
  const Json runs = {{"Regex", " {2,}"}};
  for (const Json& stage :
       Stages(Get(tokenizer, "normalizer"), "normalizers")) {
    const Json type = Get(stage, "type");
    if (type == "Precompiled" && model.charsmap.empty()) {
      const auto map =
          DecodeBase64(Text(stage, "precompiled_charsmap", "", where));
      if (!map) ThrowCorrupt(where, "a precompiled_charsmap that is no base64");
      model.charsmap = *map;
    } else if (type == "Replace" && Get(stage, "pattern") == runs &&
               (Get(stage, "content") == " " ||
                Get(stage, "content") == kSpace)) {
      model.remove_extra_whitespaces = true;
    } else if (type != "Strip" || !Flag(stage, "strip_right", true, where)) {
      Refuse(stage, where);
    }
  }
}

void ReadPreTokenizers(const Json& tokenizer, const std::string& where,
                       SentencePieceModel& model) {
  bool visible = false;
  for (const Json& stage :
       Stages(Get(tokenizer, "pre_tokenizer"), "pretokenizers")) {
    const Json type = Get(stage, "type");
    if (type == "WhitespaceSplit") {
      model.remove_extra_whitespaces = true;
    } else if (type == "Metaspace" &&
               Text(stage, "replacement", kSpace, where) == kSpace) {
      visible = true;
      model.add_dummy_prefix =
          Text(stage, "prepend_scheme", "always", where) != "never" &&
          Flag(stage, "add_prefix_space", true, where);
    } else {
      Refuse(stage, where);
    }
  }
  if (!visible) Refuse(Get(tokenizer, "pre_tokenizer"), where);
}

bool IsByte(const std::string& text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
}

std::string Content(const Json& token) {
  const Json text = token.is_object() ? Get(token, "content") : token;
  return text.is_string() ? text.get<std::string>() : "";
}

}  // namespace

SentencePieceModel UnigramOf(const Json& tokenizer, const std::string& where) {
  SentencePieceModel model;
  model.remove_extra_whitespaces = false;
  ReadNormalizers(tokenizer, where, model);
  ReadPreTokenizers(tokenizer, where, model);
  const Json unigram = Get(tokenizer, "model");
  const Json vocab = Get(unigram, "vocab");
  if (!vocab.is_array() || vocab.empty()) {
    ThrowCorrupt(where, "a Unigram model without vocab");
  }
  model.byte_fallback = Flag(unigram, "byte_fallback", false, where);
  for (const Json& item : vocab) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() ||
        !item[1].is_number()) {
      ThrowCorrupt(where, "a token without spelling and score",
                   DumpJson(item).substr(0, 60));
    }
    SentencePieceModel::Piece piece;
    piece.text = item[0].get<std::string>();
    piece.score = item[1].get<float>();
    if (!std::isfinite(piece.score)) {
      ThrowCorrupt(where, "a token's score is not finite", piece.text);
    }
    if (model.byte_fallback && IsByte(piece.text)) {
      piece.type = PieceType::kByte;
    }
    model.pieces.push_back(std::move(piece));
  }
  const size_t unknown = Count(unigram, "unk_id", vocab.size(), where);
  if (unknown >= vocab.size()) {
    ThrowUnsupported(where, "a Unigram model without an unknown token");
  }
  model.unknown_id = static_cast<int32_t>(unknown);
  model.pieces[unknown].type = PieceType::kUnknown;
  return model;
}

AddedEnds EndsOf(const Json& tokenizer, const Json& config) {
  AddedEnds ends;
  const Json after = Get(tokenizer, "post_processor");
  const auto token = [](const Json& item) {
    return Content(Get(Get(item, "SpecialToken"), "id"));
  };
  const std::string cls = Content(Get(config, "cls_token"));
  const std::string sep = Content(Get(config, "sep_token"));
  for (const Json& stage : Stages(after, "processors")) {
    if (Get(stage, "type") != "TemplateProcessing") continue;
    const Json single = Get(stage, "single"), pair = Get(stage, "pair");
    if (!single.is_array() || single.size() < 2) continue;
    const std::string first = token(single.front()),
                      last = token(single.back());
    if (!first.empty()) {
      ends.bos = first == Content(Get(config, "bos_token")) || first == cls;
    }
    const std::string eos =
        last.empty() ? Content(Get(config, "eos_token")) : last;
    if (!last.empty()) ends.eos = true;
    // What stands between two texts.
    std::vector<std::string> between;
    bool begun = false;
    for (const Json& item : pair.is_array() ? pair : Json::array()) {
      const std::string id = Content(Get(Get(item, "Sequence"), "id"));
      if (id == "B") break;
      if (begun) between.push_back(token(item));
      begun = begun || id == "A";
    }
    if (between.empty()) continue;
    const auto parts = [&](const std::string& text) {
      return !text.empty() && (text == sep || text == eos);
    };
    ends.sep = (parts(between[0]) && last.empty()) ||
               (between.size() == 2 && parts(between[1]));
  }
  return ends;
}

}  // namespace malmoi::text
