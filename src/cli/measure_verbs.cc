// verify, bench, eval, doctor: measuring models and the machine.
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "generate/evaluate.h"
#include "hub/pull.h"
#include "ops/machine.h"

namespace malmoi::cli {

namespace {

generate::EvalProgress ProgressLine() {
  if (!IsTerminal(STDERR_FILENO)) return {};
  return [](int64_t done, int64_t total) {
    const std::string text =
        done >= total ? "\r\033[K" : Format("\r{}/{}\033[K", done, total);
    if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
  };
}

Json MachineJson(const ops::Machine& machine) {
  return {{"cpu", machine.cpu},
          {"processors", machine.processors},
          {"memory_bytes", machine.memory_bytes},
          {"available_bytes", machine.available_bytes},
          {"target", machine.target},
          {"targets", machine.targets}};
}

int Positive(const Invocation& call, const char* name, int fallback,
             int least) {
  const int64_t value = call.Integer(name).value_or(fallback);
  if (value < least || value > 1'000'000) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = name,
                 .what = "value out of range",
                 .expected = Format("{} to 1000000", least),
                 .got = std::to_string(value)});
  }
  return static_cast<int>(value);
}

}  // namespace

int VerifyVerb(const Invocation& call) {
  const auto path = LocateModel(call.positionals[0]);
  const generate::VerifyReport report = generate::VerifyModel(
      path, static_cast<int>(call.Integer("--threads").value_or(0)),
      ProgressLine());
  if (call.json()) {
    Json checks = Json::array();
    for (const generate::VerifyCheck& check : report.checks) {
      checks.push_back({{"name", check.name},
                        {"passed", check.passed},
                        {"measured", check.measured},
                        {"allowed", check.allowed}});
    }
    PrintJson({{"passed", report.passed}, {"checks", checks}});
  } else {
    for (const generate::VerifyCheck& check : report.checks) {
      Print(Format("{} {:<18} {} ({})\n",
                   check.passed ? Paint("32", "ok  ", STDOUT_FILENO)
                                : Paint("31", "FAIL", STDOUT_FILENO),
                   check.name, check.measured, check.allowed));
    }
  }
  return report.passed ? 0 : 1;
}

int BenchVerb(const Invocation& call) {
  const int prompt = Positive(call, "--prompt", 512, 1);
  const int decode = Positive(call, "--decode", 128, 1);
  const int repetitions = Positive(call, "--repetitions", 5, 1);
  const std::string name =
      call.positionals.empty() ? "smollm2" : call.positionals[0];
  const auto model = LoadModel(call, name);
  const auto results =
      generate::BenchModel(model, prompt, decode, repetitions, ProgressLine());
  const ops::Machine machine = ops::DescribeMachine();
  if (call.json()) {
    Json list = Json::array();
    for (const auto& result : results) {
      list.push_back({{"work", result.work},
                      {"tokens_per_s", result.tokens_per_s},
                      {"share_of_roof", result.share_of_roof},
                      {"roof", result.roof}});
    }
    PrintJson({{"machine", MachineJson(machine)},
               {"threads", model->pool().threads()},
               {"results", list}});
    return 0;
  }
  Print(Format("{}, {} threads, {}\n", machine.cpu, model->pool().threads(),
               machine.target));
  for (const auto& result : results) {
    Print(Format("{:<12} {:>9.1f} tokens/s  {:>5.1f}% of {}\n", result.work,
                 result.tokens_per_s, 100 * result.share_of_roof, result.roof));
  }
  return 0;
}

int EvalVerb(const Invocation& call) {
  if (call.positionals[0] != "perplexity") {
    throw Error(ErrorCode::kUsage, {.where = "malmoi eval",
                                    .what = "unknown verb",
                                    .expected = "perplexity",
                                    .got = call.positionals[0]});
  }
  const std::string text = ReadFile(call.positionals[2]);
  const int64_t context = ContextOption(call);
  const auto model = LoadModel(call, call.positionals[1]);
  const generate::Perplexity result =
      generate::EvaluatePerplexity(model, text, context, ProgressLine());
  if (call.json()) {
    PrintJson({{"perplexity", result.perplexity},
               {"tokens", result.tokens},
               {"nll", result.nll}});
  } else {
    Print(Format("perplexity {:.4f} over {} tokens\n", result.perplexity,
                 result.tokens));
  }
  return 0;
}

int DoctorVerb(const Invocation& call) {
  const ops::Machine machine = ops::DescribeMachine();
  const hub::HubOptions options = hub::HubOptions::FromEnvironment();
  const auto models = hub::ListLocal(options);
  if (call.json()) {
    Json names = Json::array();
    for (const auto& model : models) names.push_back(model.name);
    PrintJson({{"version", MALMOI_VERSION},
               {"machine", MachineJson(machine)},
               {"hub_cache", options.hub_cache.string()},
               {"home", options.home.string()},
               {"endpoint", options.endpoint},
               {"offline", options.offline},
               {"token", !options.token.empty()},
               {"models", names}});
    return 0;
  }
  std::string targets;
  for (const std::string& target : machine.targets) {
    targets += (targets.empty() ? "" : ", ") + target;
  }
  Print(Format("malmoi        {}\n", MALMOI_VERSION));
  Print(
      Format("processor     {}, {} usable\n", machine.cpu, machine.processors));
  Print(Format("kernels       {} (also here: {})\n", machine.target, targets));
  Print(Format("memory        {}, {} free\n", FormatBytes(machine.memory_bytes),
               FormatBytes(machine.available_bytes)));
  Print(Format("hub cache     {}\n", options.hub_cache.string()));
  Print(Format("packages in   {}\n", options.home.string()));
  Print(Format("endpoint      {}{}{}\n", options.endpoint,
               options.offline ? " (offline)" : "",
               options.token.empty() ? "" : ", with a token"));
  Print(Format("models        {}\n", models.size()));
  return 0;
}

}  // namespace malmoi::cli
