// verify, bench, eval: measuring models.
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "generate/bench.h"
#include "generate/evaluate.h"
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

Json MachineJson(const ops::Machine& machine) {
  return {{"cpu", machine.cpu},
          {"processors", machine.processors},
          {"memory_bytes", machine.memory_bytes},
          {"available_bytes", machine.available_bytes},
          {"target", machine.target},
          {"targets", machine.targets}};
}

namespace {

std::string Mark(bool passed) {
  return passed ? Paint("32", "ok  ", STDOUT_FILENO)
                : Paint("31", "FAIL", STDOUT_FILENO);
}

int PrintArchitectures(const Invocation& call,
                       const std::vector<generate::ArchitectureCheck>& checks) {
  std::set<std::string> names;
  size_t passed = 0;
  double worst = 0;
  Json list = Json::array();
  for (const generate::ArchitectureCheck& check : checks) {
    names.insert(check.architecture);
    passed += check.passed;
    if (check.error.empty()) worst = std::max(worst, check.difference);
    if (call.json()) {
      list.push_back({{"architecture", check.architecture},
                      {"model", check.model},
                      {"passed", check.passed},
                      {"difference", check.difference},
                      {"error", check.error}});
      continue;
    }
    Print(Format("{} {:<18} {:<22} {}\n", Mark(check.passed),
                 check.architecture, check.model,
                 check.error.empty() ? Format("{:.1e}", check.difference)
                                     : check.error));
  }
  const bool all = passed == checks.size();
  if (call.json()) {
    PrintJson({{"passed", all}, {"largest", worst}, {"checks", list}});
  } else {
    Print(
        Format("{} of {} models of {} architectures within 1e-4 of their "
               "reference; the largest difference is {:.1e}\n",
               passed, checks.size(), names.size(), worst));
  }
  return all ? 0 : 1;
}

}  // namespace

int VerifyVerb(const Invocation& call) {
  const std::string name =
      call.positionals.empty() ? "" : call.positionals.front();
  if (name.empty() || !std::filesystem::exists(name)) {
    const auto checks = generate::VerifyArchitectures(name, ThreadsOption(call),
                                                      ProgressLine());
    if (!checks.empty()) return PrintArchitectures(call, checks);
  }
  const auto path = LocateModel(name);
  const generate::VerifyReport report =
      generate::VerifyModel(path, ThreadsOption(call), ProgressLine());
  if (call.json()) {
    Json checks = Json::array();
    for (const generate::VerifyCheck& check : report.checks) {
      checks.push_back({{"name", check.name},
                        {"passed", check.passed},
                        {"measured", check.measured},
                        {"allowed", check.allowed}});
    }
    PrintJson({{"passed", report.passed},
               {"architecture_only", report.architecture_only},
               {"checks", checks}});
  } else {
    if (report.architecture_only) {
      Print(
          "malmoi has no reference outputs of this very file. What was "
          "checked is its architecture:\n");
    }
    for (const generate::VerifyCheck& check : report.checks) {
      Print(Format("{} {:<18} {} ({})\n", Mark(check.passed), check.name,
                   check.measured, check.allowed));
    }
  }
  return report.passed ? 0 : 1;
}

int BenchVerb(const Invocation& call) {
  generate::BenchOptions options;
  options.prompt_tokens = Positive(call, "--prompt", 512, 1);
  options.decode_tokens = Positive(call, "--decode", 128, 1);
  options.depth = Positive(call, "--depth", 0, 0);
  options.sequences = Positive(call, "--sequences", 1, 1);
  options.kv_type = KvOption(call);
  options.repetitions = Positive(call, "--repetitions", 5, 1);
  const std::string name =
      call.positionals.empty() ? ModelName(call) : call.positionals[0];
  const auto model = LoadModel(call, name);
  const auto results = generate::BenchModel(model, options, ProgressLine());
  const ops::Machine machine = ops::DescribeMachine();
  if (call.json()) {
    Json list = Json::array();
    for (const auto& result : results) {
      const generate::PredictedTime& time = result.predicted;
      list.push_back({{"work", result.work},
                      {"tokens_per_s", result.tokens_per_s},
                      {"predicted_tokens_per_s", result.predicted_tokens_per_s},
                      {"share_of_roof", result.share_of_roof},
                      {"roof", result.roof},
                      {"predicted_s",
                       {{"arithmetic", time.arithmetic},
                        {"memory", time.memory},
                        {"attention", time.attention},
                        {"elements", time.elements},
                        {"regions", time.regions}}}});
    }
    PrintJson({{"machine", MachineJson(machine)},
               {"threads", model->pool().threads()},
               {"results", list}});
    return 0;
  }
  Print(Format("{}, {} {}, {}\n", machine.cpu, model->pool().threads(),
               Translate("threads"), machine.target));
  for (const auto& result : results) {
    Print(Format("{:<20} {:>9.1f} tokens/s  ({} {:.1f})  {:>5.1f}% {}\n",
                 result.work, result.tokens_per_s, Translate("predicted"),
                 result.predicted_tokens_per_s, 100 * result.share_of_roof,
                 Translate("of " + result.roof)));
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
  const generate::EvalOptions options = {ContextOption(call), KvOption(call)};
  const auto model = LoadModel(call, call.positionals[1]);
  const auto other = call.Text("--reference");
  generate::Comparison result;
  if (other) {
    result = generate::CompareModels(model, LoadModel(call, *other, false),
                                     text, options, ProgressLine());
  } else {
    result.model =
        generate::EvaluatePerplexity(model, text, options, ProgressLine());
  }
  const generate::Divergence& divergence = result.divergence;
  if (call.json()) {
    Json json = {{"perplexity", result.model.perplexity},
                 {"tokens", result.model.tokens},
                 {"nll", result.model.nll}};
    if (other) {
      json["reference_perplexity"] = result.reference.perplexity;
      json["kl_mean"] = divergence.kl_mean;
      json["kl_p99"] = divergence.kl_p99;
      json["kl_max"] = divergence.kl_max;
      json["same_top"] = divergence.same_top;
    }
    PrintJson(json);
    return 0;
  }
  Print(Format("{} {:.4f}, {} {}\n", Translate("perplexity"),
               result.model.perplexity, result.model.tokens,
               Translate("tokens")));
  if (!other) return 0;
  Print(Format("{} {:.4f}\n", Translate("perplexity of the reference"),
               result.reference.perplexity));
  Print(Format("KL {} {:.5f}, 99 % {:.5f}, {} {:.5f}\n", Translate("mean"),
               divergence.kl_mean, divergence.kl_p99, Translate("largest"),
               divergence.kl_max));
  Print(Format("{} {:.2f} %\n", Translate("same most probable token"),
               100 * divergence.same_top));
  return 0;
}

}  // namespace malmoi::cli
