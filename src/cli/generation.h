// What run and chat share: finding the model, reading options.
#ifndef MALMOI_CLI_GENERATION_H_
#define MALMOI_CLI_GENERATION_H_

#include <memory>
#include <string>

#include "cli/verbs.h"
#include "generate/session.h"

namespace malmoi::cli {

// The model a name stands for, downloaded if need be (progress on standard
// error).
std::filesystem::path LocateModel(const std::string& name);
// --model, MALMOI_MODEL, or smollm2.
std::string ModelName(const Invocation& call);
std::shared_ptr<generate::LanguageModel> LoadModel(const Invocation& call,
                                                   const std::string& name);
// All sampling and stopping options. `breakers` of DRY come from the model.
generate::GenerateOptions ReadOptions(const Invocation& call,
                                      const generate::LanguageModel& model);
int64_t ContextOption(const Invocation& call);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_GENERATION_H_
