// The kinds of post-processors: special tokens around a text, offsets
// without the spaces that belong to tokens.
#include <algorithm>

#include "text/tokenize/byte_level.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

struct Spaces {
  size_t leading, trailing;  // characters
};

Spaces SpacesOfSpelling(std::string_view spelling) {
  const std::string_view space = SpellingOf(' ');
  Spaces count = {0, 0};
  std::string_view text = spelling;
  for (; text.starts_with(space); text.remove_prefix(space.size())) {
    ++count.leading;
  }
  text = spelling;
  for (; text.ends_with(space); text.remove_suffix(space.size())) {
    ++count.trailing;
  }
  return count;
}

// Of an added token, which may have taken whitespace beside it.
Spaces SpacesOfText(std::string_view text) {
  Spaces count = {0, 0};
  size_t run = 0;
  bool only_spaces = true;
  for (size_t at = 0; at < text.size();) {
    const auto point = DecodeAt(text, at);
    const bool space = point && IsWhitespace(point->value);
    if (space && only_spaces) ++count.leading;
    only_spaces = only_spaces && space;
    run = space ? run + 1 : 0;
    at += point ? static_cast<size_t>(point->bytes) : 1;
  }
  count.trailing = run;
  return count;
}

bool Continues(std::string_view text, size_t at) {
  return at < text.size() &&
         (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
}

// Takes the spaces that tokens begin and end with out of their ranges.
void TrimOffsets(const PostProcessor::Context& context, bool prefix_space_added,
                 Encoding& encoding) {
  if (encoding.offsets.empty()) return;  // they are not asked for
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    auto& [begin, end] = encoding.offsets[i];
    Spaces spaces;
    if (context.added.ById(encoding.ids[i]) != nullptr) {
      spaces = SpacesOfText(context.text.substr(begin, end - begin));
    } else {
      const auto spelling = context.model.Spelling(encoding.ids[i]);
      if (!spelling) continue;
      spaces = SpacesOfSpelling(*spelling);
    }
    // The space that was added is in nobody's range.
    if (spaces.leading > 0 && prefix_space_added && (i == 0 || begin == 0)) {
      --spaces.leading;
    }
    for (; spaces.leading > 0 && begin < end; --spaces.leading) {
      do ++begin;
      while (begin < end && Continues(context.text, begin));
    }
    for (; spaces.trailing > 0 && begin < end; --spaces.trailing) {
      do --end;
      while (begin < end && Continues(context.text, end));
    }
  }
}

class ByteLevelPostProcessor : public PostProcessor {
 public:
  ByteLevelPostProcessor(const Json& json, std::string_view where)
      : prefix_space_(Flag(json, "add_prefix_space", true, where)),
        trim_(Flag(json, "trim_offsets", true, where)) {}
  void Apply(const Context& context, Encoding& encoding) const override {
    if (trim_) TrimOffsets(context, prefix_space_, encoding);
  }
  std::string Describe() const override {
    return trim_ ? "offsets without spaces" : "offsets with spaces";
  }

 private:
  bool prefix_space_, trim_;
};

void AddAround(const std::vector<int32_t>& before,
               const std::vector<int32_t>& after,
               const PostProcessor::Context& context, Encoding& encoding) {
  if (!context.add_special_tokens) return;
  encoding.ids.insert(encoding.ids.begin(), before.begin(), before.end());
  encoding.offsets.insert(encoding.offsets.begin(), before.size(), {0, 0});
  encoding.ids.insert(encoding.ids.end(), after.begin(), after.end());
  encoding.offsets.insert(encoding.offsets.end(), after.size(),
                          {context.text.size(), context.text.size()});
}

int32_t TokenIdOf(const Json& json, std::string_view where) {
  if (!json.is_number_integer() || json.get<int64_t>() < 0 ||
      json.get<int64_t>() > INT32_MAX) {
    ThrowCorrupt(where, "senseless token id", DumpJson(json).substr(0, 60));
  }
  return static_cast<int32_t>(json.get<int64_t>());
}

// Special tokens around a text, and around and between two.
class TemplatePostProcessor : public PostProcessor {
 public:
  TemplatePostProcessor(const Json& json, std::string_view where) {
    if (!json.contains("single") || !json["single"].is_array()) {
      ThrowCorrupt(where, "a template without its single form");
    }
    bool after = false;
    for (const Json& item : json["single"]) {
      if (item.is_object() && item.contains("Sequence") && !after) {
        after = true;
      } else if (item.is_object() && item.contains("SpecialToken") &&
                 item["SpecialToken"].is_object()) {
        Add(json, Text(item["SpecialToken"], "id", "", where), where,
            after ? after_ : before_);
      } else {
        ThrowCorrupt(where, "senseless item of a template",
                     DumpJson(item).substr(0, 60));
      }
    }
    if (!after) ThrowCorrupt(where, "a template without its text");
    if (!json.contains("pair") || !json["pair"].is_array()) return;
    for (const Json& item : json["pair"]) ReadPairItem(json, item, where);
  }
  void Apply(const Context& context, Encoding& encoding) const override {
    AddAround(before_, after_, context, encoding);
  }
  std::vector<PairItem> PairTemplate() const override { return pair_; }
  std::string Describe() const override {
    return Format("{} tokens before, {} after", before_.size(), after_.size());
  }

 private:
  static void Add(const Json& json, const std::string& name,
                  std::string_view where, std::vector<int32_t>& out) {
    if (json.contains("special_tokens") && json["special_tokens"].is_object()) {
      const Json& tokens = json["special_tokens"];
      if (tokens.contains(name) && tokens[name].is_object() &&
          tokens[name].contains("ids") && tokens[name]["ids"].is_array()) {
        for (const Json& id : tokens[name]["ids"]) {
          out.push_back(TokenIdOf(id, where));
        }
        return;
      }
    }
    ThrowCorrupt(where, "a template names an unknown token", name);
  }
  void ReadPairItem(const Json& json, const Json& item,
                    std::string_view where) {
    const auto get = [&](const char* key) -> const Json* {
      return item.is_object() && item.contains(key) && item[key].is_object()
                 ? &item[key]
                 : nullptr;
    };
    if (const Json* text = get("Sequence")) {
      const std::string name = Text(*text, "id", "", where);
      if (name == "A" || name == "B") {
        pair_.push_back({.text = static_cast<int8_t>(name == "B"),
                         .type = TypeOf(*text, where)});
        return;
      }
    } else if (const Json* token = get("SpecialToken")) {
      std::vector<int32_t> ids;
      Add(json, Text(*token, "id", "", where), where, ids);
      for (int32_t id : ids) {
        pair_.push_back({.id = id, .type = TypeOf(*token, where)});
      }
      return;
    }
    ThrowCorrupt(where, "senseless item of a template",
                 DumpJson(item).substr(0, 60));
  }
  static int32_t TypeOf(const Json& item, std::string_view where) {
    return item.contains("type_id") ? TokenIdOf(item["type_id"], where) : 0;
  }

  std::vector<int32_t> before_, after_;
  std::vector<PairItem> pair_;
};

// The fixed forms of BERT and RoBERTa: cls before, sep after.
class FixedPostProcessor : public PostProcessor {
 public:
  FixedPostProcessor(const Json& json, std::string_view where)
      : before_{Read(json, "cls", where)}, after_{Read(json, "sep", where)} {}
  void Apply(const Context& context, Encoding& encoding) const override {
    AddAround(before_, after_, context, encoding);
  }
  std::vector<PairItem> PairTemplate() const override {
    return {{.id = before_[0]},
            {.text = 0},
            {.id = after_[0]},
            {.text = 1, .type = 1},
            {.id = after_[0], .type = 1}};
  }
  std::string Describe() const override { return "cls before, sep after"; }

 protected:
  static int32_t Read(const Json& json, const char* key,
                      std::string_view where) {
    if (!json.contains(key) || !json[key].is_array() || json[key].size() != 2) {
      ThrowCorrupt(where, "a post-processor without cls and sep");
    }
    return TokenIdOf(json[key][1], where);
  }
  std::vector<int32_t> before_, after_;
};

class RobertaPostProcessor : public FixedPostProcessor {
 public:
  RobertaPostProcessor(const Json& json, std::string_view where)
      : FixedPostProcessor(json, where),
        prefix_space_(Flag(json, "add_prefix_space", true, where)),
        trim_(Flag(json, "trim_offsets", true, where)) {}
  void Apply(const Context& context, Encoding& encoding) const override {
    if (trim_) TrimOffsets(context, prefix_space_, encoding);
    FixedPostProcessor::Apply(context, encoding);
  }
  std::vector<PairItem> PairTemplate() const override {
    return {{.id = before_[0]}, {.text = 0}, {.id = after_[0]},
            {.id = after_[0]},  {.text = 1}, {.id = after_[0]}};
  }

 private:
  bool prefix_space_, trim_;
};

class PostProcessorSequence : public PostProcessor {
 public:
  PostProcessorSequence(const Json& json, std::string_view where)
      : parts_(MakeList(json, "processors", MakePostProcessor, where)) {}
  void Apply(const Context& context, Encoding& encoding) const override {
    for (const auto& part : parts_) part->Apply(context, encoding);
  }
  std::vector<PairItem> PairTemplate() const override {
    std::vector<PairItem> items;
    for (const auto& part : parts_) {
      if (auto own = part->PairTemplate(); !own.empty()) items = std::move(own);
    }
    return items;
  }
  std::string Describe() const override { return DescribeList(parts_); }

 private:
  std::vector<std::unique_ptr<PostProcessor>> parts_;
};

constexpr Kind<PostProcessor> kPostProcessors[] = {
    {"BertProcessing", MakeFrom<PostProcessor, FixedPostProcessor>},
    {"ByteLevel", MakeFrom<PostProcessor, ByteLevelPostProcessor>},
    {"RobertaProcessing", MakeFrom<PostProcessor, RobertaPostProcessor>},
    {"Sequence", MakeFrom<PostProcessor, PostProcessorSequence>},
    {"TemplateProcessing", MakeFrom<PostProcessor, TemplatePostProcessor>},
};

}  // namespace

Json TextTemplate(std::optional<int32_t> before, std::optional<int32_t> after) {
  Json single = Json::array();
  Json tokens = Json::object();
  const auto add = [&](const char* name, std::optional<int32_t> id) {
    if (!id) return;
    single.push_back({{"SpecialToken", {{"id", name}, {"type_id", 0}}}});
    tokens[name] = {{"ids", {*id}}};
  };
  add("before", before);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  add("after", after);
  if (single.size() == 1) return nullptr;
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"special_tokens", tokens}};
}

std::unique_ptr<PostProcessor> MakePostProcessor(const Json& json,
                                                 std::string_view where) {
  return MakeKind(kPostProcessors, "post-processor", json, where);
}

}  // namespace malmoi::text
