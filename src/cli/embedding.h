// What embed and similar share: the embedder that was asked for, and how it
// reads texts.
#ifndef MALMOI_CLI_EMBEDDING_H_
#define MALMOI_CLI_EMBEDDING_H_

#include <memory>
#include <string>

#include "cli/verbs.h"
#include "represent/contextual/embedder.h"

namespace malmoi::cli {

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call);
// --long or --truncate, --overlap, --dimensions, --normalize.
represent::EmbedOptions ReadEmbedOptions(const Invocation& call);
// --prompt-text, --prompt or the model's default.
std::string PromptOption(const Invocation& call,
                         const represent::Embedder& embedder);
// Notes on standard error which texts were cut, or read in windows.
void NoteLong(const represent::Embeddings& result, size_t first);
[[noreturn]] void ThrowUsage(std::string where, std::string what,
                             std::string expected = "", std::string hint = "");

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_EMBEDDING_H_
