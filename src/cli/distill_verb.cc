// distill: static vectors of tokens from an encoder.
#include <unistd.h>

#include <chrono>

#include "base/format.h"
#include "cli/embedding.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/word2vec.h"
#include "learn/distill/distill.h"

namespace malmoi::cli {

int DistillVerb(const Invocation& call) {
  const auto output = call.Text("--output");
  if (!output) {
    ThrowUsage("malmoi distill", "an argument is missing", "-o FOLDER");
  }
  learn::DistillOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  if (call.Integer("--dimensions")) {
    options.dimensions = IntegerBetween(call, "--dimensions", 0, 0, 1 << 20);
  }
  options.sif_weight = call.Number("--sif-weight").value_or(1e-4);
  options.half = !call.Flag("--float32");
  const bool draw = IsTerminal(STDERR_FILENO);
  options.progress = [draw](int64_t done, int64_t all) {
    if (draw) {
      const std::string line =
          Format("\r{} / {} {}\033[K", done, all, Translate("tokens"));
      if (write(STDERR_FILENO, line.data(), line.size()) < 0) return false;
    }
    return !InterruptGuard::Interrupted();
  };
  const InterruptGuard guard;
  const auto start = std::chrono::steady_clock::now();
  const auto result =
      learn::Distill(LocateModel(call.positionals[0]), *output, options);
  if (draw && write(STDERR_FILENO, "\r\033[K", 4) < 0) return 1;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  if (call.json()) {
    PrintJson({{"path", *output},
               {"tokens", result.tokens},
               {"dimensions", result.dimensions},
               {"variance", result.share},
               {"seconds", seconds}});
  } else {
    Print(Format("{}: {} {}, {} {}, {:.1f} % {}, {:.1f} s\n", *output,
                 result.tokens, Translate("tokens"), result.dimensions,
                 Translate("dimensions"), 100 * result.share,
                 Translate("of the variance"), seconds));
  }
  return 0;
}

}  // namespace malmoi::cli
