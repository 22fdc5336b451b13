// The parts of malmoi run: what a prompt becomes, what an answer looks like,
// and the stream of JSON lines.
#ifndef MALMOI_CLI_RUN_H_
#define MALMOI_CLI_RUN_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "cli/verbs.h"
#include "generate/session.h"

namespace malmoi::cli {

// run_verb.cc
// Throws kInvalidArgument, naming the first byte that is wrong.
void RequireUtf8(const std::string& text, const char* where);
// The conversation of one prompt, with --system before it.
Json Messages(const Invocation& call, const std::string& prompt);
// The text the model reads.
std::string Rendered(const Invocation& call,
                     const generate::LanguageModel& model, const Json& messages,
                     const std::string& prompt);
Json CompletionJson(const generate::LanguageModel& model,
                    const generate::Completion& completion, bool logprobs);

// run_lines.cc
bool IsBlank(const std::string& line);
// What was wrong with a line; other lines are answered all the same.
void NoteError(const Error& error, int64_t number);
// Is piped text that begins with this line a JSONL stream?
bool BeginsJsonLines(const std::string& line, bool json);
// Answers `line`, the `number`th of standard input, and all that follow. The
// exit status.
int AnswerLines(const Invocation& call, const generate::LanguageModel& model,
                generate::Session& session,
                const generate::GenerateOptions& options,
                std::optional<std::string> line, int64_t number);
// The same with `parallel` lines at a time.
int AnswerLinesAtOnce(
    const Invocation& call,
    const std::shared_ptr<const generate::LanguageModel>& model,
    int64_t context, int64_t parallel, const generate::GenerateOptions& options,
    std::optional<std::string> line, int64_t number);

// seq2seq_verbs.cc
// run with an encoder-decoder: answers `prompt` or, where there is a `line`,
// the `number`th of standard input, that and all that follow.
int RunSeq2Seq(const Invocation& call, const std::filesystem::path& path,
               const std::string& prompt,
               const std::optional<std::string>& line, int64_t number);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_RUN_H_
