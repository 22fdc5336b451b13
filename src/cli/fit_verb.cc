// fit: whether a model fits into this machine's memory and how fast it will
// be, before it is loaded or even downloaded.
#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "generate/fit.h"
#include "hub/pull.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

namespace fs = std::filesystem;

std::string Cell(const std::string& text, int width) {
  std::string cell = text;
  const int have = text::DisplayWidth(text);
  if (have < width) cell.insert(0, static_cast<size_t>(width - have), ' ');
  return cell;
}

void Row(std::string_view label, const std::string& value) {
  std::string left = Translate(label);
  const int width = text::DisplayWidth(left);
  if (width < 10) left.append(static_cast<size_t>(10 - width), ' ');
  Print(left + " " + value + "\n");
}

std::string Verdict(bool fits) {
  return Translate(fits ? "fits" : "does not fit");
}

std::string Reason(generate::FitReason reason) {
  switch (reason) {
    case generate::FitReason::kSource:
      return Translate("as it is, it fits into the free memory with room");
    case generate::FitReason::kLargest:
      return Translate("the largest that fits into the free memory with room");
    case generate::FitReason::kTight:
      return Translate("it fits, but leaves little memory for anything else");
    case generate::FitReason::kNothingFits:
      break;
  }
  return Translate("even this does not fit into the free memory");
}

const char* ReasonName(generate::FitReason reason) {
  constexpr const char* kNames[] = {"source", "largest", "tight",
                                    "nothing_fits"};
  return kNames[static_cast<int>(reason)];
}

// The free space of the file system that `folder` will be on.
uint64_t FreeDisk(fs::path folder) {
  std::error_code error;
  while (!folder.empty() && !fs::exists(folder, error) &&
         folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  const fs::space_info space = fs::space(folder, error);
  return error ? 0 : space.available;
}

// What can be said before a download: sizes, and what cannot be said.
int FitRemote(const Invocation& call, const hub::ModelRef& ref,
              const hub::HubOptions& options) {
  const std::string& name = call.positionals[0];
  const InterruptGuard guard;
  TerminalProgress progress;
  const hub::DownloadPlan plan = hub::PlanDownload(ref, options, progress);
  const ops::Machine machine = ops::DescribeMachine();
  const uint64_t disk = FreeDisk(options.hub_cache);
  // Panels are at most 3 % larger than a file's rows.
  const bool fits = static_cast<double>(plan.total_bytes) * 1.03 <=
                    static_cast<double>(machine.available_bytes);
  const Error missing(
      ErrorCode::kNotFound,
      {.where = name,
       .what = "keys and values, quantizations and speed cannot be predicted",
       .expected = "the model's header on this machine",
       .hint = "malmoi pull " + name});
  if (call.json()) {
    PrintJson({{"name", plan.name},
               {"source", plan.source},
               {"licence", plan.licence},
               {"files", plan.files},
               {"download_bytes", plan.total_bytes},
               {"disk_available_bytes", disk},
               {"machine", MachineJson(machine)},
               {"memory",
                {{"weights_bytes", plan.total_bytes},
                 {"available_bytes", machine.available_bytes},
                 {"fits", fits}}},
               {"speed", nullptr},
               {"quantizations", Json::array()},
               {"missing", missing.message()}});
    return 0;
  }
  Row("name", plan.name);
  Row("source", Format("{}; {}", plan.source,
                       plan.licence.empty() ? Translate("licence not stated")
                                            : plan.licence));
  Row("disk",
      Format("{}; {} {}: {}", FormatBytes(plan.total_bytes), FormatBytes(disk),
             Translate("free"), Verdict(plan.total_bytes <= disk)));
  Row("memory", Format("{} {}; {} {}: {}", FormatBytes(plan.total_bytes),
                       Translate("for the weights, more for keys and values"),
                       FormatBytes(machine.available_bytes), Translate("free"),
                       Verdict(fits)));
  Note(Format("{}: {}", Translate("notice"), Message(missing)));
  return 0;
}

Json OptionJson(const generate::FitOption& option) {
  return {{"type", option.type},
          {"source", option.source},
          {"file_bytes", option.file_bytes},
          {"memory_bytes", option.memory.total()},
          {"fits", option.fits},
          {"prompt_tokens_per_s", option.speed.prompt_tokens_per_s},
          {"decode_tokens_per_s", option.speed.decode_tokens_per_s}};
}

Json ReportJson(const generate::ModelInfo& info, const ops::Machine& machine,
                const ops::Roofs& roofs, int threads,
                const generate::FitReport& report) {
  const generate::FitOption& source = report.options[0];
  const generate::FitOption& choice = report.options[report.choice];
  Json options = Json::array();
  for (const auto& option : report.options) {
    options.push_back(OptionJson(option));
  }
  return {{"name", info.name},
          {"path", info.path.string()},
          {"architecture", info.architecture},
          {"parameters", report.plan.parameters},
          {"quantization", info.quantization},
          {"context", report.context},
          {"machine", MachineJson(machine)},
          {"threads", threads},
          {"roofs",
           {{"read_bytes_per_s", roofs.read_bytes_per_s},
            {"int8_ops_per_s", roofs.int8_ops_per_s},
            {"f32_ops_per_s", roofs.f32_ops_per_s}}},
          {"memory",
           {{"weights_bytes", source.memory.weights},
            {"kv_bytes", source.memory.kv},
            {"scratch_bytes", source.memory.scratch},
            {"total_bytes", source.memory.total()},
            {"available_bytes", report.available_bytes},
            {"fits", source.fits}}},
          {"speed",
           {{"prompt_tokens_per_s", source.speed.prompt_tokens_per_s},
            {"decode_tokens_per_s", source.speed.decode_tokens_per_s}}},
          {"quantizations", options},
          {"choice",
           {{"type", choice.type}, {"reason", ReasonName(report.reason)}}}};
}

void PrintOption(const generate::FitOption& option, bool chosen) {
  const std::string type =
      option.type + (option.source ? " " + Translate("(as it is)") : "");
  Print(Format("{} {}{}{}{}{}  {}\n", chosen ? "*" : " ",
               type + std::string(static_cast<size_t>(std::max(
                                      0, 20 - text::DisplayWidth(type))),
                                  ' '),
               Cell(FormatBytes(option.file_bytes), 11),
               Cell(FormatBytes(option.memory.total()), 11),
               Cell(Format("{:.1f}", option.speed.prompt_tokens_per_s), 13),
               Cell(Format("{:.1f}", option.speed.decode_tokens_per_s), 13),
               Verdict(option.fits)));
}

void PrintReport(const generate::ModelInfo& info, const ops::Machine& machine,
                 int threads, const generate::FitReport& report) {
  const generate::FitOption& source = report.options[0];
  const generate::PredictedMemory& memory = source.memory;
  const models::KvShape& shape = report.plan.kv;
  const char* held = shape.rewinds()     ? "keys and values"
                     : shape.layers == 0 ? "states"
                                         : "keys, values and states";
  Row("name",
      Format("{}, {}, {}", info.name, info.architecture, info.quantization));
  Row("machine", Format("{}, {} {}, {}", machine.cpu, threads,
                        Translate("threads"), machine.target));
  Row("memory", Format("{}; {} {}: {}", FormatBytes(memory.total()),
                       FormatBytes(report.available_bytes), Translate("free"),
                       Verdict(source.fits)));
  Row("", Format("{} {}, {} {} ({} {}), {} {}", Translate("weights"),
                 FormatBytes(memory.weights), Translate(held),
                 FormatBytes(memory.kv), report.context, Translate("tokens"),
                 Translate("scratch"), FormatBytes(memory.scratch)));
  Row("speed",
      Format("{} {:.1f}, {} {:.1f} tokens/s ({})", Translate("prompt"),
             source.speed.prompt_tokens_per_s, Translate("decoding"),
             source.speed.decode_tokens_per_s, Translate("predicted")));
  Print(Format("\n  {}{}{}{}{}\n", std::string(20, ' '),
               Cell(Translate("file"), 11), Cell(Translate("memory"), 11),
               Cell("prompt 512", 13), Cell("decode 128", 13)));
  for (size_t i = 0; i < report.options.size(); ++i) {
    PrintOption(report.options[i], i == report.choice);
  }
  const generate::FitOption& choice = report.options[report.choice];
  Print(Format("\n{}: {}\n", choice.type, Reason(report.reason)));
  if (report.choice != 0) {
    Print(Format("malmoi quantize {} OUT.gguf --type {}\n", info.path.string(),
                 choice.type));
  }
}

}  // namespace

int FitVerb(const Invocation& call) {
  const int64_t context = ContextOption(call);
  const int threads = ThreadsOption(call);
  const hub::HubOptions options = hub::HubOptions::FromEnvironment();
  const hub::ModelRef ref = hub::ParseModelRef(call.positionals[0]);
  const auto local = hub::FindLocal(ref, options);
  if (!local) return FitRemote(call, ref, options);
  const auto checkpoint = models::Checkpoint::Open(local->path);
  const generate::ModelInfo info = generate::DescribeModel(local->path);
  // What is wrong with the file or the context is said before measuring.
  generate::PlannedContext(models::PlanDecoder(checkpoint).spec, context);
  const ops::Machine machine = ops::DescribeMachine();
  ThreadPool pool(threads);
  const ops::Roofs roofs = ops::MeasureRoofs(pool);
  const generate::FitReport report =
      generate::FitModel(checkpoint, machine, roofs, context);
  if (call.json()) {
    PrintJson(ReportJson(info, machine, roofs, pool.threads(), report));
  } else {
    PrintReport(info, machine, pool.threads(), report);
  }
  if (report.choice != 0 && IsQuantized(report.plan.matrices[0].dtype)) {
    Note(Format(
        "{}: {}", Translate("notice"),
        Translate("the model was quantized already, and errors add up")));
  }
  return 0;
}

}  // namespace malmoi::cli
