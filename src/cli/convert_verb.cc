// convert: a Hugging Face folder as a GGUF file.
#include <unistd.h>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "generate/convert.h"
#include "models/quantize.h"

namespace malmoi::cli {

int ConvertVerb(const Invocation& call) {
  const std::string& output = call.positionals[1];
  if (!output.ends_with(".gguf")) {
    throw Error(ErrorCode::kUsage, {.where = output,
                                    .what = "not a name of a GGUF file",
                                    .expected = "OUT.gguf",
                                    .got = output});
  }
  models::CheckOutput(output, call.Flag("--force"));
  const auto source = LocateModel(call.positionals[0]);
  const InterruptGuard guard;
  const bool draw = IsTerminal(STDERR_FILENO);
  const models::ConvertResult result = generate::ConvertModel(
      source, output, call.Flag("--force"), [&](uint64_t done, uint64_t total) {
        if (draw) {
          const std::string text =
              done >= total ? "\r\033[K"
                            : Format("\r{} {}%\033[K", Translate("converting"),
                                     done * 100 / total);
          if (write(STDERR_FILENO, text.data(), text.size()) < 0) return false;
        }
        return !InterruptGuard::Interrupted();
      });
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
