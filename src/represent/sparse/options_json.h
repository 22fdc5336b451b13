// Options of analyzers and vectorizers in files.
#ifndef MALMOI_REPRESENT_SPARSE_OPTIONS_JSON_H_
#define MALMOI_REPRESENT_SPARSE_OPTIONS_JSON_H_

#include <string>

#include "base/json.h"
#include "represent/sparse/vectorizer.h"

namespace malmoi::represent {

Json AnalyzerJson(const AnalyzerOptions& options);
Json OptionsJson(const VectorizerOptions& options);
// Throw kCorrupt for a value that is missing or of another kind.
AnalyzerOptions AnalyzerOfJson(const Json& json, const std::string& where);
VectorizerOptions OptionsOfJson(const Json& json, const std::string& where);

// "word", "char", "char_wb", "jamo".
std::string_view UnitName(Unit unit);
std::optional<Unit> FindUnit(std::string_view name);
// "none", "unicode", "ascii".
std::string_view AccentsName(text::Accents accents);
std::optional<text::Accents> FindAccents(std::string_view name);
// "smooth", "plain", "none".
std::string_view IdfName(Idf idf);
std::optional<Idf> FindIdf(std::string_view name);
// "none", "l1", "l2".
std::string_view NormName(RowNorm norm);
std::optional<RowNorm> FindNorm(std::string_view name);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_SPARSE_OPTIONS_JSON_H_
