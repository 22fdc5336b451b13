#include "cli/generation.h"

#include <unistd.h>

#include <cstdlib>

#include "base/error.h"
#include "base/format.h"
#include "cli/terminal.h"
#include "hub/environment.h"
#include "hub/pull.h"

namespace malmoi::cli {

std::filesystem::path LocateModel(const std::string& name) {
  const InterruptGuard guard;
  TerminalProgress progress;
  return hub::Resolve(hub::ParseModelRef(name),
                      hub::HubOptions::FromEnvironment(), progress)
      .path;
}

std::string ModelName(const Invocation& call) {
  if (const auto name = call.Text("--model")) return *name;
  const char* chosen = std::getenv("MALMOI_MODEL");
  return chosen != nullptr && *chosen != '\0' ? chosen : "smollm2";
}

models::PackedCacheOptions PackedOption() {
  models::PackedCacheOptions options;
  if (hub::Env("MALMOI_PACKED") != "0") {
    options.folder = hub::HubOptions::FromEnvironment().home / "packed";
  }
  return options;
}

std::vector<models::AdapterChoice> AdapterOption(const Invocation& call) {
  std::vector<models::AdapterChoice> choices;
  for (const std::string& text : call.Texts("--adapter")) {
    choices.push_back(models::ParseAdapterChoice(text));
  }
  return choices;
}

std::shared_ptr<generate::LanguageModel> LoadModel(const Invocation& call,
                                                   const std::string& name,
                                                   bool adapters) {
  generate::LoadOptions options;
  if (adapters) options.adapters = AdapterOption(call);
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  auto model = generate::LanguageModel::Load(LocateModel(name), options);
  if (IsTerminal(STDERR_FILENO)) {
    for (const auto& adapter : model->info().adapters) {
      Note(Format(
          "{}: {} {}{}", adapter->path().string(), Translate("adapter of rank"),
          adapter->rank(),
          adapter->base().empty()
              ? ""
              : Format(", {} {}", Translate("made for"), adapter->base())));
    }
  }
  return model;
}

int ThreadsOption(const Invocation& call) {
  const int64_t threads = call.Integer("--threads").value_or(0);
  if (threads < 0 || threads > 1024) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "--threads",
                                              .what = "value out of range",
                                              .expected = "0 (all) to 1024",
                                              .got = std::to_string(threads)});
  }
  return static_cast<int>(threads);
}

namespace {

generate::Lookup LookupOption(const Invocation& call) {
  const std::string mode = call.Text("--lookup").value_or("auto");
  if (mode == "on") return generate::Lookup::kOn;
  if (mode == "off") return generate::Lookup::kOff;
  if (mode == "auto") return generate::Lookup::kAutomatic;
  throw Error(ErrorCode::kInvalidArgument, {.where = "--lookup",
                                            .what = "value out of range",
                                            .expected = "on, off or auto",
                                            .got = mode});
}

}  // namespace

generate::GenerateOptions ReadOptions(const Invocation& call) {
  generate::GenerateOptions options;
  generate::SamplingOptions& s = options.sampling;
  const auto number = [&](const char* name, double& value) {
    value = call.Number(name).value_or(value);
  };
  const auto integer = [&](const char* name, int& value) {
    const int64_t given = call.Integer(name).value_or(value);
    if (given < INT32_MIN || given > INT32_MAX) {
      throw Error(ErrorCode::kInvalidArgument, {.where = name,
                                                .what = "value out of range",
                                                .got = std::to_string(given)});
    }
    value = static_cast<int>(given);
  };
  number("--temperature", s.temperature);
  integer("--top-k", s.top_k);
  number("--top-p", s.top_p);
  number("--min-p", s.min_p);
  number("--typical", s.typical_p);
  number("--repetition-penalty", s.repetition_penalty);
  number("--presence-penalty", s.presence_penalty);
  number("--frequency-penalty", s.frequency_penalty);
  integer("--penalty-window", s.penalty_window);
  number("--dry-multiplier", s.dry_multiplier);
  number("--dry-base", s.dry_base);
  integer("--dry-allowed-length", s.dry_allowed_length);
  integer("--dry-window", s.dry_window);
  s.seed = static_cast<uint64_t>(call.Integer("--seed").value_or(0));
  options.max_tokens = call.Integer("--max-tokens").value_or(-1);
  if (call.Text("--max-tokens") && options.max_tokens < 0) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--max-tokens",
                 .what = "value out of range",
                 .expected = "0 or more",
                 .got = std::to_string(options.max_tokens)});
  }
  options.stop = call.Texts("--stop");
  for (const std::string& stop : options.stop) {
    if (stop.empty()) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "--stop", .what = "an empty stop string"});
    }
  }
  options.sliding_window = call.Integer("--sliding-window").value_or(0);
  if (call.Text("--sliding-window") && options.sliding_window < 1) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--sliding-window",
                 .what = "value out of range",
                 .expected = "1 or more",
                 .got = std::to_string(options.sliding_window)});
  }
  options.lookup = LookupOption(call);
  options.ignore_end = call.Flag("--ignore-end");
  if (call.Text("--logprobs")) {
    const int64_t count = *call.Integer("--logprobs");
    if (count < 0 || count > 1000) {
      throw Error(ErrorCode::kInvalidArgument, {.where = "--logprobs",
                                                .what = "value out of range",
                                                .expected = "0 to 1000",
                                                .got = std::to_string(count)});
    }
    options.top_logprobs = static_cast<int>(count);
  }
  options.cancelled = [] { return InterruptGuard::Interrupted(); };
  // Values are checked before a long prompt is read.
  generate::Sampler check(s);
  return options;
}

void AddBreakers(const generate::LanguageModel& model,
                 generate::GenerateOptions& options) {
  if (options.sampling.dry_multiplier <= 0) return;
  // Where a sequence may not go on: the usual sequence breakers.
  for (const char* text : {"\n", ":", "\"", "*"}) {
    const auto ids = model.tokenizer().Encode(text, {false, false}).ids;
    if (ids.size() == 1) options.sampling.dry_breakers.push_back(ids[0]);
  }
}

int64_t ContextOption(const Invocation& call) {
  const auto context = call.Integer("--context");
  if (context && *context < 1) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "--context",
                                              .what = "value out of range",
                                              .expected = "1 or more",
                                              .got = std::to_string(*context)});
  }
  return context.value_or(0);
}

std::optional<models::KvType> KvOption(const Invocation& call) {
  const auto name = call.Text("--kv");
  if (!name) return {};
  return models::FindKvType(*name);
}

void LoadSession(const Invocation& call, generate::Session& session) {
  const auto file = call.Text("--session");
  if (file && std::filesystem::exists(*file)) session.Load(*file);
}

void SaveSession(const Invocation& call, const generate::Session& session) {
  if (const auto file = call.Text("--session")) session.Save(*file);
}

}  // namespace malmoi::cli
