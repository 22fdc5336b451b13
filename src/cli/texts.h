// Texts that verbs work through: from the command line, or a line of standard
// input each.
#ifndef MALMOI_CLI_TEXTS_H_
#define MALMOI_CLI_TEXTS_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "cli/verbs.h"

namespace malmoi::cli {

// A line of {"text": "..."}, of a JSON string, or of plain text.
std::string TextOf(const std::string& line);

// use(texts, first): some at a time, the number of the first counted from 0.
// `given`: those of the command line; where there are none, lines, as many as
// have come, up to a thousand, so that a slow pipe is answered at once.
void ForTexts(const std::vector<std::string>& given,
              const std::function<void(const std::vector<std::string>& texts,
                                       size_t first)>& use);

// All texts of standard input.
std::vector<std::string> AllTexts();

// The same of lines as they are.
void ForLines(const std::function<void(const std::vector<std::string>& lines,
                                       size_t first)>& use);

// A note on standard error that a text was cut.
void NoteTruncated(size_t number, int64_t tokens);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_TEXTS_H_
