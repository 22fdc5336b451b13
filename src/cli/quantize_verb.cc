// quantize: a GGUF model with its matrices in another type.
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "models/quantize.h"

namespace malmoi::cli {

namespace {

std::function<bool(uint64_t, uint64_t)> Progress() {
  const bool draw = IsTerminal(STDERR_FILENO);
  return [draw](uint64_t done, uint64_t total) {
    if (draw) {
      const std::string text = done >= total
                                   ? "\r\033[K"
                                   : Format("\r{}%\033[K", done * 100 / total);
      if (write(STDERR_FILENO, text.data(), text.size()) < 0) return false;
    }
    return !InterruptGuard::Interrupted();
  };
}

void Notice(const std::string& text) {
  Note(Format("{}: {}", Translate("notice"), text));
}

void Report(const std::string& output, const models::QuantizeResult& result) {
  if (!result.quantized_from.empty()) {
    Notice(Format(
        "{}: {}", result.quantized_from,
        Translate("the model was quantized already, and errors add up")));
  }
  for (const models::Fallback& fallback : result.fallbacks) {
    Notice(Format(
        "{}: {} {} {}", Info(fallback.chosen).name, fallback.tensors,
        Translate("matrices whose rows do not fit its blocks, so they are"),
        Info(fallback.used).name));
  }
  std::string types;
  for (const auto& [name, count] : result.tensors) {
    types += Format("{}{} {}", types.empty() ? "" : ", ", count, name);
  }
  Print(Format("{}: {} -> {}, {:.2f} {}; {}\n", output,
               FormatBytes(result.source_bytes), FormatBytes(result.bytes),
               8 * static_cast<double>(result.bytes) /
                   static_cast<double>(std::max<int64_t>(1, result.parameters)),
               Translate("bits per weight"), types));
}

Json ResultJson(const std::string& output, const std::string& type,
                const models::QuantizeResult& result) {
  Json fallbacks = Json::array();
  for (const models::Fallback& fallback : result.fallbacks) {
    fallbacks.push_back({{"chosen", Info(fallback.chosen).name},
                         {"used", Info(fallback.used).name},
                         {"tensors", fallback.tensors}});
  }
  return {{"path", output},
          {"type", type},
          {"bytes", result.bytes},
          {"source_bytes", result.source_bytes},
          {"parameters", result.parameters},
          {"tensors", result.tensors},
          {"fallbacks", fallbacks}};
}

}  // namespace

int QuantizeVerb(const Invocation& call) {
  const std::string& output = call.positionals[1];
  models::QuantizeOptions options;
  if (!call.Text("--type")) {
    throw Error(ErrorCode::kUsage, {.where = "malmoi quantize",
                                    .what = "an argument is missing",
                                    .got = "--type TYPE",
                                    .hint = "--type Q4_K_M"});
  }
  options.type = *call.Text("--type");
  options.overwrite = call.Flag("--force");
  options.progress = Progress();
  models::CheckQuantize(output, options);
  const auto source = LocateModel(call.positionals[0]);
  const InterruptGuard guard;
  ThreadPool pool(ThreadsOption(call));
  const models::QuantizeResult result =
      models::QuantizeFile(source, output, options, pool);
  if (call.json()) {
    const auto& type = models::FindQuantizeType(options.type);
    PrintJson(ResultJson(output, std::string(type.name), result));
  } else {
    Report(output, result);
  }
  return 0;
}

}  // namespace malmoi::cli
