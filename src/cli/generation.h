// What run and chat share: finding the model, reading options.
#ifndef MALMOI_CLI_GENERATION_H_
#define MALMOI_CLI_GENERATION_H_

#include <memory>
#include <string>
#include <vector>

#include "cli/verbs.h"
#include "generate/session.h"
#include "ops/machine.h"

namespace malmoi::cli {

// The model a name stands for, downloaded if need be (progress on standard
// error).
std::filesystem::path LocateModel(const std::string& name);
// --model, MALMOI_MODEL, or smollm2.
std::string ModelName(const Invocation& call);
// Where packed weights are kept; nowhere with MALMOI_PACKED=0.
models::PackedCacheOptions PackedOption();
// --adapter, each with its scale.
std::vector<models::AdapterChoice> AdapterOption(const Invocation& call);
// With the adapters of the call, or without.
std::shared_ptr<generate::LanguageModel> LoadModel(const Invocation& call,
                                                   const std::string& name,
                                                   bool adapters = true);
// All sampling and stopping options, checked: call it before LoadModel, so
// that a wrong value is not found after a download.
generate::GenerateOptions ReadOptions(const Invocation& call);
// What of the options depends on the model: the tokens where DRY begins anew.
void AddBreakers(const generate::LanguageModel& model,
                 generate::GenerateOptions& options);
// 0: one per usable processor.
int ThreadsOption(const Invocation& call);
int64_t ContextOption(const Invocation& call);
std::optional<models::KvType> KvOption(const Invocation& call);

// --session: what the file holds, if there is one, before the first answer;
// then what the session holds, after the last.
void LoadSession(const Invocation& call, generate::Session& session);
void SaveSession(const Invocation& call, const generate::Session& session);

// As `bench` and `doctor` print it.
Json MachineJson(const ops::Machine& machine);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_GENERATION_H_
