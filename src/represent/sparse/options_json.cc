#include "represent/sparse/options_json.h"

#include "base/error.h"

namespace malmoi::represent {

namespace {

template <typename T>
struct Name {
  T value;
  std::string_view name;
};
constexpr Name<Unit> kUnits[] = {{Unit::kWord, "word"},
                                 {Unit::kChar, "char"},
                                 {Unit::kCharInWord, "char_wb"},
                                 {Unit::kJamo, "jamo"}};
constexpr Name<text::Accents> kAccents[] = {
    {text::Accents::kKeep, "none"},
    {text::Accents::kUnicode, "unicode"},
    {text::Accents::kAscii, "ascii"}};
constexpr Name<Idf> kIdfs[] = {
    {Idf::kSmooth, "smooth"}, {Idf::kPlain, "plain"}, {Idf::kNone, "none"}};
constexpr Name<RowNorm> kNorms[] = {
    {RowNorm::kNone, "none"}, {RowNorm::kL1, "l1"}, {RowNorm::kL2, "l2"}};

template <typename T, size_t N>
std::string_view NameOf(const Name<T> (&names)[N], T value) {
  for (const auto& each : names) {
    if (each.value == value) return each.name;
  }
  return "";
}
template <typename T, size_t N>
std::optional<T> FindName(const Name<T> (&names)[N], std::string_view name) {
  for (const auto& each : names) {
    if (each.name == name) return each.value;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(const Json& json, const std::string& where)
      : json_(json), where_(where) {
    if (!json.is_object()) Fail("options");
  }
  const Json& At(const char* key) const {
    if (!json_.contains(key)) Fail(key);
    return json_[key];
  }
  bool Truth(const char* key) const {
    if (!At(key).is_boolean()) Fail(key);
    return At(key).get<bool>();
  }
  int64_t Integer(const char* key) const {
    if (!At(key).is_number_integer()) Fail(key);
    return At(key).get<int64_t>();
  }
  double Number(const char* key) const {
    if (!At(key).is_number()) Fail(key);
    return At(key).get<double>();
  }
  std::string Text(const char* key) const {
    if (!At(key).is_string()) Fail(key);
    return At(key).get<std::string>();
  }
  template <typename T>
  T Named(const char* key, std::optional<T> (*find)(std::string_view)) const {
    const auto value = find(Text(key));
    if (!value) Fail(key);
    return *value;
  }
  [[noreturn]] void Fail(const char* key) const {
    throw Error(ErrorCode::kCorrupt,
                {.where = where_, .what = "a bad option", .got = key});
  }

 private:
  const Json& json_;
  const std::string& where_;
};

Json LimitJson(const DocumentLimit& limit) {
  return {{"value", limit.value}, {"fraction", limit.fraction}};
}
DocumentLimit LimitOf(const Json& json, const std::string& where) {
  const Reader reader(json, where);
  return {reader.Number("value"), reader.Truth("fraction")};
}

}  // namespace

std::string_view UnitName(Unit unit) { return NameOf(kUnits, unit); }
std::optional<Unit> FindUnit(std::string_view name) {
  return FindName(kUnits, name);
}
std::string_view AccentsName(text::Accents accents) {
  return NameOf(kAccents, accents);
}
std::optional<text::Accents> FindAccents(std::string_view name) {
  return FindName(kAccents, name);
}
std::string_view IdfName(Idf idf) { return NameOf(kIdfs, idf); }
std::optional<Idf> FindIdf(std::string_view name) {
  return FindName(kIdfs, name);
}
std::string_view NormName(RowNorm norm) { return NameOf(kNorms, norm); }
std::optional<RowNorm> FindNorm(std::string_view name) {
  return FindName(kNorms, name);
}

Json AnalyzerJson(const AnalyzerOptions& options) {
  return {{"analyzer", UnitName(options.unit)},
          {"words", text::WordRuleName(options.words)},
          {"lowercase", options.fold.lowercase},
          {"strip_accents", AccentsName(options.fold.accents)},
          {"min_n", options.min_n},
          {"max_n", options.max_n},
          {"stop_words", options.stop_words}};
}

AnalyzerOptions AnalyzerOfJson(const Json& json, const std::string& where) {
  const Reader reader(json, where);
  AnalyzerOptions options;
  options.unit = reader.Named("analyzer", FindUnit);
  options.words = reader.Named("words", text::FindWordRule);
  options.fold.lowercase = reader.Truth("lowercase");
  options.fold.accents = reader.Named("strip_accents", FindAccents);
  const int64_t min_n = reader.Integer("min_n");
  const int64_t max_n = reader.Integer("max_n");
  if (min_n < 1 || max_n < min_n || max_n > kMaxGram) reader.Fail("max_n");
  options.min_n = static_cast<int>(min_n);
  options.max_n = static_cast<int>(max_n);
  const Json& words = reader.At("stop_words");
  if (!words.is_array() || (!words.empty() && options.unit != Unit::kWord)) {
    reader.Fail("stop_words");
  }
  for (const Json& word : words) {
    if (!word.is_string()) reader.Fail("stop_words");
    options.stop_words.push_back(word.get<std::string>());
  }
  return options;
}

Json OptionsJson(const VectorizerOptions& options) {
  Json json = {{"analyzer", AnalyzerJson(options.analyzer)},
               {"min_df", LimitJson(options.limits.min_df)},
               {"max_df", LimitJson(options.limits.max_df)},
               {"max_features", nullptr},
               {"tfidf", options.weights.tfidf},
               {"binary", options.weights.binary},
               {"sublinear", options.weights.sublinear},
               {"idf", IdfName(options.weights.idf)},
               {"norm", NormName(options.weights.norm)},
               {"hashing", nullptr}};
  if (options.limits.max_features) {
    json["max_features"] = *options.limits.max_features;
  }
  if (options.hashing) {
    json["hashing"] = {{"features", options.hashing->features},
                       {"alternate_sign", options.hashing->alternate_sign}};
  }
  return json;
}

VectorizerOptions OptionsOfJson(const Json& json, const std::string& where) {
  const Reader reader(json, where);
  VectorizerOptions options;
  options.analyzer = AnalyzerOfJson(reader.At("analyzer"), where);
  options.limits.min_df = LimitOf(reader.At("min_df"), where);
  options.limits.max_df = LimitOf(reader.At("max_df"), where);
  if (!reader.At("max_features").is_null()) {
    options.limits.max_features = reader.Integer("max_features");
  }
  options.weights.tfidf = reader.Truth("tfidf");
  options.weights.binary = reader.Truth("binary");
  options.weights.sublinear = reader.Truth("sublinear");
  options.weights.idf = reader.Named("idf", FindIdf);
  options.weights.norm = reader.Named("norm", FindNorm);
  if (!reader.At("hashing").is_null()) {
    const Reader hashing(reader.At("hashing"), where);
    const int64_t features = hashing.Integer("features");
    if (features < 1 || features > INT32_MAX || options.weights.tfidf) {
      reader.Fail("hashing");
    }
    options.hashing = {features, hashing.Truth("alternate_sign")};
  }
  return options;
}

}  // namespace malmoi::represent
