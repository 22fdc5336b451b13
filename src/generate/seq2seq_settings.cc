// What an encoder-decoder's folder says about writing: generation_config.json,
// or config.json in older folders, and its settings for tasks. What its GGUF
// says.
#include <algorithm>
#include <string>

#include "base/error.h"
#include "generate/seq2seq.h"

namespace malmoi::generate {

namespace {

class Settings {
 public:
  Settings(const Json& json, std::string where)
      : json_(json), where_(std::move(where)) {}

  const Json* Find(const char* key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  void Read(const char* key, int64_t& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number_integer()) Refuse(key, *value);
    to = value->get<int64_t>();
  }
  void Read(const char* key, int& to) const {
    int64_t value = to;
    Read(key, value);
    if (value < INT32_MIN || value > INT32_MAX) Refuse(key, *Find(key));
    to = static_cast<int>(value);
  }
  void Read(const char* key, double& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_number()) Refuse(key, *value);
    to = value->get<double>();
  }
  void Read(const char* key, bool& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_boolean()) Refuse(key, *value);
    to = value->get<bool>();
  }
  void Read(const char* key, std::optional<int32_t>& to) const {
    if (const Json* value = Find(key)) to = Token(key, *value);
  }
  // A token, or a list of them.
  void Read(const char* key, std::vector<int32_t>& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    to.clear();
    if (!value->is_array()) {
      to.push_back(Token(key, *value));
      return;
    }
    for (const Json& token : *value) to.push_back(Token(key, token));
  }
  void Read(const char* key, EarlyStopping& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (value->is_boolean()) {
      to = value->get<bool>() ? EarlyStopping::kYes : EarlyStopping::kNo;
    } else if (*value == "never") {
      to = EarlyStopping::kNever;
    } else {
      Refuse(key, *value);
    }
  }
  void Read(const char* key, std::vector<std::vector<int32_t>>& to) const {
    const Json* value = Find(key);
    if (value == nullptr) return;
    if (!value->is_array()) Refuse(key, *value);
    to.clear();
    for (const Json& word : *value) {
      if (!word.is_array() || word.empty()) Refuse(key, word);
      to.emplace_back();
      for (const Json& token : word) to.back().push_back(Token(key, token));
    }
  }
  // Settings that change what is written and that malmoi lacks.
  void RefuseOthers() const {
    static const std::pair<const char*, Json> kNeutral[] = {
        {"num_beam_groups", 1},
        {"diversity_penalty", 0.0},
        {"penalty_alpha", 0.0},
        {"guidance_scale", 1.0},
        {"encoder_no_repeat_ngram_size", 0},
        {"encoder_repetition_penalty", 1.0},
        {"sequence_bias", Json::array()},
        {"suppress_tokens", Json::array()},
        {"begin_suppress_tokens", Json::array()},
        {"force_words_ids", Json::array()},
        {"constraints", Json::array()},
        {"exponential_decay_length_penalty", Json::array()}};
    for (const auto& [key, neutral] : kNeutral) {
      const Json* value = Find(key);
      if (value != nullptr && *value != neutral) Refuse(key, *value);
    }
  }

 private:
  int32_t Token(const char* key, const Json& value) const {
    if (!value.is_number_integer() || value.get<int64_t>() < 0 ||
        value.get<int64_t>() > INT32_MAX) {
      Refuse(key, value);
    }
    return value.get<int32_t>();
  }
  [[noreturn]] void Refuse(const char* key, const Json& value) const {
    throw Error(ErrorCode::kUnsupported,
                {.where = where_,
                 .what = "unsupported setting",
                 .got = std::string(key) + ": " + DumpJson(value)});
  }

  const Json& json_;
  std::string where_;
};

// What steers the search, as a folder or one of its tasks says it.
void ReadSearch(const Settings& settings, int64_t context,
                Seq2SeqOptions& options) {
  settings.RefuseOthers();
  settings.Read("num_beams", options.beams);
  settings.Read("length_penalty", options.length_penalty);
  settings.Read("early_stopping", options.early_stopping);
  LogitRules& rules = options.rules;
  settings.Read("repetition_penalty", rules.repetition_penalty);
  settings.Read("no_repeat_ngram_size", rules.no_repeat_ngram);
  settings.Read("bad_words_ids", rules.bad_words);
  settings.Read("renormalize_logits", rules.renormalize);
  // Lengths count the start token.
  int64_t length = 1, tokens = rules.min_tokens;
  settings.Read("min_length", length);
  settings.Read("min_new_tokens", tokens);
  rules.min_tokens = std::max(length - 1, tokens);
  length = options.max_tokens < 0 ? 0 : options.max_tokens + 1;
  settings.Read("max_length", length);
  if (length > 0) options.max_tokens = length - 1;
  settings.Read("max_new_tokens", options.max_tokens);
  if (context > 0) options.max_tokens = std::min(options.max_tokens, context);
  bool samples = options.sampling.temperature > 0;
  settings.Read("do_sample", samples);
  if (!samples) return;
  SamplingOptions& sampling = options.sampling;
  sampling = {.temperature = 1.0, .top_k = 50, .top_p = 1.0};
  settings.Read("temperature", sampling.temperature);
  settings.Read("top_k", sampling.top_k);
  settings.Read("top_p", sampling.top_p);
  settings.Read("min_p", sampling.min_p);
  settings.Read("typical_p", sampling.typical_p);
}

}  // namespace

// A GGUF names the tokens, and nothing of a search.
void Seq2Seq::ReadGgufSettings(const models::Checkpoint& checkpoint) {
  const formats::GgufFile& file = *checkpoint.gguf;
  const auto token = [&](const std::string& key) -> std::optional<int32_t> {
    const auto value = file.GetInt(key);
    if (!value || *value < 0 || *value > INT32_MAX) return {};
    return static_cast<int32_t>(*value);
  };
  defaults_.start =
      token(checkpoint.Architecture() + ".decoder_start_token_id");
  if (const auto end = token("tokenizer.ggml.eos_token_id")) {
    ends_.push_back(*end);
  }
}

void Seq2Seq::ReadSettings(const models::Checkpoint& checkpoint) {
  if (checkpoint.gguf) return ReadGgufSettings(checkpoint);
  const formats::HfFolder& folder = *checkpoint.folder;
  const Settings model(folder.config, (path_ / "config.json").string());
  const Settings own(folder.generation_config,
                     (path_ / "generation_config.json").string());
  // Tokens stand in either file.
  for (const Settings* settings : {&model, &own}) {
    settings->Read("decoder_start_token_id", defaults_.start);
    settings->Read("eos_token_id", ends_);
    settings->Read("forced_bos_token_id", defaults_.rules.first);
    settings->Read("forced_eos_token_id", defaults_.rules.last);
  }
  ReadSearch(folder.generation_config.is_object() ? own : model,
             model_->spec().context, defaults_);
  // An end token that is a bad word may come all the same.
  std::erase_if(defaults_.rules.bad_words, [&](const auto& word) {
    return word.size() == 1 &&
           std::find(ends_.begin(), ends_.end(), word[0]) != ends_.end();
  });
  if (const Json* tasks = model.Find("task_specific_params")) tasks_ = *tasks;
}

const Json* Seq2Seq::Task(std::string_view task) const {
  if (!tasks_.is_object()) return nullptr;
  const auto found = tasks_.find(std::string(task));
  return found == tasks_.end() ? nullptr : &*found;
}

bool Seq2Seq::HasTasks() const {
  return tasks_.is_object() &&
         std::any_of(tasks_.begin(), tasks_.end(), [](const Json& task) {
           return task.is_object() && task.contains("prefix");
         });
}

std::optional<Seq2SeqOptions> Seq2Seq::TaskDefaults(
    std::string_view task) const {
  const Json* settings = Task(task);
  if (settings == nullptr) return {};
  Seq2SeqOptions options = defaults_;
  ReadSearch(Settings(*settings, (path_ / "config.json").string()),
             model_->spec().context, options);
  return options;
}

std::string Seq2Seq::TaskPrefix(std::string_view task) const {
  const Json* settings = Task(task);
  if (settings == nullptr || !settings->is_object()) return "";
  return settings->value("prefix", "");
}

}  // namespace malmoi::generate
