// quantize: a GGUF model with its matrices in another type, errors weighed by
// the importance that a text or a file gives.
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "formats/detect.h"
#include "generate/calibrate.h"
#include "models/quantize.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

// Percent on a terminal; false once Ctrl-C was pressed.
std::function<bool(uint64_t, uint64_t)> Progress(const std::string& what) {
  const bool draw = IsTerminal(STDERR_FILENO);
  return [draw, what](uint64_t done, uint64_t total) {
    if (draw) {
      const std::string text =
          done >= total ? "\r\033[K"
                        : Format("\r{} {}%\033[K", what, done * 100 / total);
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
  if (result.unweighed > 0) {
    Notice(Format("{} {}", result.unweighed,
                  Translate("matrices of which no importance is known")));
  }
  std::string types;
  for (const auto& [name, count] : result.tensors) {
    types += Format("{}{} {}", types.empty() ? "" : ", ", count, name);
  }
  Print(Format("{}: {} -> {}, {:.2f} {}; {}; {} {:.2f} %\n", output,
               FormatBytes(result.source_bytes), FormatBytes(result.bytes),
               8 * static_cast<double>(result.bytes) /
                   static_cast<double>(std::max<int64_t>(1, result.parameters)),
               Translate("bits per weight"), types,
               Translate("RMS error of the weights"),
               100 * result.record.rms_error));
}

Json ResultJson(const std::string& output, const std::string& type,
                const models::QuantizeResult& result) {
  Json fallbacks = Json::array();
  for (const models::Fallback& fallback : result.fallbacks) {
    fallbacks.push_back({{"chosen", Info(fallback.chosen).name},
                         {"used", Info(fallback.used).name},
                         {"tensors", fallback.tensors}});
  }
  Json json = {{"path", output},
               {"type", type},
               {"bytes", result.bytes},
               {"source_bytes", result.source_bytes},
               {"parameters", result.parameters},
               {"tensors", result.tensors},
               {"fallbacks", fallbacks},
               {"rms_error", result.record.rms_error}};
  if (result.record.importance) {
    json["importance"] = {{"tokens", result.record.importance_tokens},
                          {"weighed", result.weighed},
                          {"unweighed", result.unweighed}};
  }
  return json;
}

// --importance and its kin, checked before anything is computed or sought.
struct ImportanceOptions {
  std::optional<std::string> file;
  bool collects = false;  // the file is a text
  std::string text;
  std::string save;  // empty: not saved
  int64_t tokens = generate::CalibrateOptions().max_tokens;
};

ImportanceOptions ReadImportanceOptions(const Invocation& call) {
  ImportanceOptions options;
  options.file = call.Text("--importance");
  options.save = call.Text("--save-importance").value_or("");
  options.tokens = call.Integer("--importance-tokens").value_or(options.tokens);
  if (options.file) {
    options.collects =
        formats::DetectFile(*options.file) != formats::FileKind::kGguf;
  }
  for (const char* name : {"--save-importance", "--importance-tokens"}) {
    if (!call.Text(name) || options.collects) continue;
    throw Error(ErrorCode::kUsage, {.where = name,
                                    .what = "another option is needed",
                                    .expected = "--importance TEXT"});
  }
  if (options.tokens < models::kImportanceWindow ||
      options.tokens > 1'000'000'000) {
    throw Error(
        ErrorCode::kInvalidArgument,
        {.where = "--importance-tokens",
         .what = "value out of range",
         .expected = Format("{} to 1000000000", models::kImportanceWindow),
         .got = std::to_string(options.tokens)});
  }
  if (!options.collects) return options;
  options.text = ReadFile(*options.file);
  if (text::FindInvalidUtf8(options.text)) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = *options.file,
                 .what = "neither a text nor an importance file",
                 .expected = "UTF-8 or GGUF"});
  }
  if (!options.save.empty()) {
    models::CheckOutput(options.save, call.Flag("--force"));
  }
  return options;
}

models::Importance ImportanceFor(const Invocation& call,
                                 const std::filesystem::path& source,
                                 const ImportanceOptions& options) {
  if (!options.collects) return models::LoadImportance(*options.file);
  const auto model =
      generate::LanguageModel::Load(source, {.threads = ThreadsOption(call)});
  generate::CalibrateOptions calibrate;
  calibrate.max_tokens = options.tokens;
  calibrate.name = std::filesystem::path(*options.file).filename().string();
  const auto progress = Progress(Translate("reading the text"));
  calibrate.progress = [&](int64_t done, int64_t total) {
    return progress(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  };
  generate::Calibration result =
      generate::Calibrate(model, options.text, calibrate);
  if (result.tokens < result.text_tokens) {
    Notice(Format("{}: {} {} {}", *options.file, result.tokens,
                  Translate("tokens are read, evenly spread, of"),
                  result.text_tokens));
  }
  if (!options.save.empty()) {
    models::SaveImportance(result.importance, options.save);
  }
  return std::move(result.importance);
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
  options.progress = Progress(Translate("quantizing"));
  models::CheckQuantize(output, options, call.Text("--importance").has_value());
  const ImportanceOptions wanted = ReadImportanceOptions(call);
  const auto source = LocateModel(call.positionals[0]);
  const InterruptGuard guard;
  models::Importance importance;
  if (wanted.file) {
    importance = ImportanceFor(call, source, wanted);
    options.importance = &importance;
  }
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
