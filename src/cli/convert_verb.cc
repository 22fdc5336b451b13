// convert: a Hugging Face folder as a GGUF file, or as a folder anew; a GGUF
// file as a folder.
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "generate/convert.h"
#include "models/convert_folder.h"
#include "models/quantize.h"

namespace malmoi::cli {

namespace {

std::optional<DType> TypeOption(const Invocation& call) {
  const auto name = call.Text("--type");
  if (!name) return {};
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    if (*name == Info(dtype).name) return dtype;
  }
  throw Error(ErrorCode::kUsage, {.where = "--type",
                                  .what = "not a type of a folder's weights",
                                  .expected = "F32, F16 or BF16",
                                  .got = *name,
                                  .hint = "malmoi quantize, for others"});
}

bool Draw(uint64_t done, uint64_t total) {
  if (IsTerminal(STDERR_FILENO)) {
    const std::string text =
        done >= total ? "\r\033[K"
                      : Format("\r{} {}%\033[K", Translate("converting"),
                               done * 100 / total);
    if (write(STDERR_FILENO, text.data(), text.size()) < 0) return false;
  }
  return !InterruptGuard::Interrupted();
}

models::ConvertResult ToGguf(const Invocation& call,
                             const std::string& output) {
  for (const char* option : {"--type", "--adapter"}) {
    if (call.Texts(option).empty() && !call.Text(option)) continue;
    throw Error(ErrorCode::kUsage, {.where = option,
                                    .what = "only for a folder as output",
                                    .got = output,
                                    .hint = "a folder first, then its GGUF"});
  }
  models::CheckOutput(output, call.Flag("--force"));
  const auto source = LocateModel(call.positionals[0]);
  const InterruptGuard guard;
  return generate::ConvertModel(source, output, call.Flag("--force"), Draw);
}

models::ConvertResult ToFolder(const Invocation& call,
                               const std::string& output) {
  models::ConvertFolderOptions options;
  options.dtype = TypeOption(call);
  options.overwrite = call.Flag("--force");
  options.progress = Draw;
  auto source = models::Checkpoint::Open(LocateModel(call.positionals[0]));
  if (source.gguf && !call.Texts("--adapter").empty()) {
    throw Error(ErrorCode::kUsage, {.where = "--adapter",
                                    .what = "not for a GGUF as source",
                                    .got = call.positionals[0],
                                    .hint = "a folder first, then that"});
  }
  source.Adapt(AdapterOption(call));
  const InterruptGuard guard;
  return source.gguf ? generate::ConvertGgufToFolder(source, output, options)
                     : models::ConvertToFolder(source, output, options);
}

}  // namespace

int ConvertVerb(const Invocation& call) {
  const std::string& output = call.positionals[1];
  const models::ConvertResult result =
      output.ends_with(".gguf") ? ToGguf(call, output) : ToFolder(call, output);
  if (call.json()) {
    PrintJson({{"path", output},
               {"architecture", result.architecture},
               {"bytes", result.bytes},
               {"tensors", result.tensors},
               {"parameters", result.parameters}});
  } else {
    Print(Format("{}: {}, {} {}, {}\n", output, result.architecture,
                 result.tensors, Translate("tensors"),
                 FormatBytes(result.bytes)));
  }
  return 0;
}

}  // namespace malmoi::cli
