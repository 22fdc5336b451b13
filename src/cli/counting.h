// What the verbs that count texts share: options of texts and words, progress.
#ifndef MALMOI_CLI_COUNTING_H_
#define MALMOI_CLI_COUNTING_H_

#include <memory>
#include <optional>
#include <string>

#include "cli/verbs.h"
#include "represent/sparse/analyzer.h"
#include "represent/sparse/counter.h"
#include "represent/sparse/documents.h"

namespace malmoi::cli {

// --analyzer, --words, --ngrams, --no-lowercase, --strip-accents,
// --stop-words.
represent::AnalyzerOptions AnalyzerOption(const Invocation& call);

// --words; nullopt where it is not given.
std::optional<text::WordRule> WordRuleOption(const Invocation& call);

// --format, --column, --no-header of a file, or "-".
std::unique_ptr<represent::DocumentReader> OpenDocuments(
    const Invocation& call, const std::string& path);

// Percent on a terminal; false once Ctrl-C was pressed. --memory.
represent::CountOptions CountOption(const Invocation& call);

// Throws kUsage where an option is missing.
std::string Required(const Invocation& call, const char* name,
                     const char* expected);
[[noreturn]] void BadValue(const char* option, std::string expected,
                           std::string got);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_COUNTING_H_
