#include "generate/translation.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::generate {

namespace {

bool AllOf(std::string_view text, int (*kind)(int)) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return kind(static_cast<unsigned char>(c)) != 0;
  });
}

// "__de__", "de_DE", "deu_Latn".
bool NamesLanguage(std::string_view token) {
  const auto code = [](std::string_view text) {
    return text.size() >= 2 && text.size() <= 3 && AllOf(text, std::islower);
  };
  if (token.starts_with("__") && token.ends_with("__") && token.size() > 4) {
    return code(token.substr(2, token.size() - 4));
  }
  const size_t bar = token.find('_');
  if (bar == std::string_view::npos || !code(token.substr(0, bar))) {
    return false;
  }
  const std::string_view rest = token.substr(bar + 1);
  return (rest.size() == 2 || rest.size() == 4) && AllOf(rest, std::isalpha) &&
         std::isupper(static_cast<unsigned char>(rest[0]));
}

// Languages as models that read words call them.
constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    {"ar", "Arabic"},     {"cs", "Czech"},      {"da", "Danish"},
    {"de", "German"},     {"el", "Greek"},      {"en", "English"},
    {"es", "Spanish"},    {"fi", "Finnish"},    {"fr", "French"},
    {"he", "Hebrew"},     {"hi", "Hindi"},      {"hu", "Hungarian"},
    {"id", "Indonesian"}, {"it", "Italian"},    {"ja", "Japanese"},
    {"ko", "Korean"},     {"nl", "Dutch"},      {"no", "Norwegian"},
    {"pl", "Polish"},     {"pt", "Portuguese"}, {"ro", "Romanian"},
    {"ru", "Russian"},    {"sv", "Swedish"},    {"th", "Thai"},
    {"tr", "Turkish"},    {"uk", "Ukrainian"},  {"vi", "Vietnamese"},
    {"zh", "Chinese"}};

std::string NameOf(const std::string& language) {
  for (const auto& [code, name] : kNames) {
    if (code == language) return std::string(name);
  }
  return language;
}
std::string CodeOf(const std::string& language) {
  for (const auto& [code, name] : kNames) {
    if (name == language) return std::string(code);
  }
  return language;
}

[[noreturn]] void Refuse(std::string_view option, const char* what,
                         std::string expected, const std::string& got) {
  throw Error(ErrorCode::kInvalidArgument, {.where = std::string(option),
                                            .what = what,
                                            .expected = std::move(expected),
                                            .got = got});
}

}  // namespace

std::map<std::string, int32_t, std::less<>> LanguageTokens(
    const text::Tokenizer& tokenizer) {
  std::map<std::string, int32_t, std::less<>> known;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (!tokenizer.IsSpecial(id)) continue;
    const std::string token = tokenizer.TokenText(id);
    if (NamesLanguage(token)) known.emplace(token, id);
  }
  return known;
}

Translation::Translation(const Seq2Seq& model, const std::string& from,
                         const std::string& to)
    : model_(model),
      options_(model.defaults()),
      known_(LanguageTokens(model.tokenizer())) {
  if (!known_.empty()) {
    UseTokens(from, to);
  } else if (model.HasTasks()) {
    UseWords(from, to);
  } else {
    UseDirection(from, to);
  }
}

// One that is trained for two languages, or from one into several.
void Translation::UseDirection(const std::string& from, const std::string& to) {
  const auto token = model_.tokenizer().TokenId(">>" + to + "<<");
  if (token) {
    before_ = {*token};
  } else {
    FindTargets(to);
  }
  if (!from.empty()) {
    Refuse("--from", "the model is not told what it reads", "", from);
  }
}

// `to`: empty, or a language that is none of them.
void Translation::FindTargets(const std::string& to) {
  const text::Tokenizer& tokenizer = model_.tokenizer();
  std::string all;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string token = tokenizer.TokenText(id);
    if (!token.starts_with(">>") || !token.ends_with("<<")) continue;
    targets_.push_back(token);
    all += (all.empty() ? "" : " ") + token.substr(2, token.size() - 4);
  }
  if (to.empty()) return;
  if (targets_.empty()) {
    Refuse("--to", "the model translates one way and names no languages", "",
           to);
  }
  Refuse("--to", "which language?", all, to);
}

// Tokens of their own: mBART, M2M-100, NLLB.
void Translation::UseTokens(const std::string& from, const std::string& to) {
  const auto find = [&](const char* option, const std::string& name) {
    for (const std::string& spelling : {name, "__" + name + "__"}) {
      const auto found = known_.find(spelling);
      if (found != known_.end()) return found->second;
    }
    std::vector<int32_t> begins;
    std::string all;
    for (const auto& [language, id] : known_) {
      if (language.starts_with(name + "_")) begins.push_back(id);
      all += (all.empty() ? "" : " ") + language;
    }
    if (begins.size() != 1 || name.empty()) {
      Refuse(option, "which language?", all, name);
    }
    return begins[0];
  };
  const int32_t target = find("--to", to);
  if (!from.empty()) source_ = find("--from", from);
  // NLLB's files put the language last, as it was trained at first; the
  // reference has it first all the same.
  const Json config = ReadJsonIfThere(model_.path() / "tokenizer_config.json");
  if (config.is_object() && config.contains("tokenizer_class") &&
      config["tokenizer_class"].is_string()) {
    const auto name = config["tokenizer_class"].get<std::string>();
    first_ =
        name.starts_with("Nllb") && !(config.contains("legacy_behaviour") &&
                                      config["legacy_behaviour"] == true);
  }
  // The first mBART begins with the language itself, the others with a token
  // that it follows.
  const bool starts = !options_.start ||
                      std::any_of(known_.begin(), known_.end(), [&](auto& one) {
                        return one.second == *options_.start;
                      });
  if (starts) {
    options_.start = target;
  } else {
    options_.rules.first = target;
  }
}

// "translate English to German: ", as T5 was trained.
void Translation::UseWords(const std::string& from, const std::string& to) {
  if (from.empty()) Refuse("--from", "which language?", "a code or a name", "");
  if (to.empty()) Refuse("--to", "which language?", "a code or a name", "");
  const std::string task =
      Format("translation_{}_to_{}", CodeOf(from), CodeOf(to));
  prefix_ = model_.TaskPrefix(task);
  options_ = model_.TaskDefaults(task).value_or(options_);
  if (prefix_.empty()) {
    prefix_ = Format("translate {} to {}: ", NameOf(from), NameOf(to));
  }
}

std::vector<int32_t> Translation::Encode(const std::string& text) const {
  std::vector<int32_t> ids = before_;
  std::string rest = text;
  if (before_.empty()) {
    for (const std::string& target : targets_) {
      if (!text.starts_with(target)) continue;
      ids = {*model_.tokenizer().TokenId(target)};
      rest = text.substr(target.size());
    }
  }
  const text::Encoding encoding =
      model_.tokenizer().Encode(prefix_ + rest, {.parse_special = false});
  ids.insert(ids.end(), encoding.ids.begin(), encoding.ids.end());
  if (known_.empty()) return ids;
  // The tokenizer's own language, wherever it puts one.
  const auto language = std::find_if(ids.begin(), ids.end(), [&](int32_t id) {
    return std::any_of(known_.begin(), known_.end(),
                       [&](const auto& one) { return one.second == id; });
  });
  int32_t source = source_;
  if (language != ids.end()) {
    if (source < 0) source = *language;
    if (!first_) {
      *language = source;
      return ids;
    }
    ids.erase(language);
  }
  if (source >= 0) ids.insert(ids.begin(), source);
  return ids;
}

}  // namespace malmoi::generate
