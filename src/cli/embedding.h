// What embed and similar share: the embedder that was asked for, and how it
// reads texts.
#ifndef MALMOI_CLI_EMBEDDING_H_
#define MALMOI_CLI_EMBEDDING_H_

#include <memory>
#include <span>
#include <string>

#include "cli/verbs.h"
#include "represent/contextual/embedder.h"

namespace malmoi::cli {

std::shared_ptr<represent::Embedder> LoadEmbedder(const Invocation& call);
// Shows a set of texts to an embedder that wants to see one (--sif), and keeps
// what it learnt (--save-component).
void LearnFrom(const Invocation& call, represent::Embedder& embedder,
               std::span<const std::string> texts,
               const represent::EmbedOptions& options);
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
