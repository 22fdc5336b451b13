// doctor: what this machine has, where things are, and who answers.
#include <unistd.h>

#include <chrono>

#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "hub/pull.h"
#include "net/http.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

struct Reached {
  std::string url;
  bool answers = false;
  int64_t ms = 0;
  std::string problem;
};

// Any answer will do, a refusal too: the question is whether there is one.
Reached Reach(const std::string& url) {
  Reached reached;
  reached.url = net::PublicUrl(url);
  const auto start = std::chrono::steady_clock::now();
  try {
    net::HttpRequest request;
    request.url = url;
    request.head = true;
    request.retries = 0;
    request.connect_timeout_ms = 3000;
    request.stall_timeout_ms = 3000;
    request.cancelled = [] { return InterruptGuard::Interrupted(); };
    net::Fetch(request);
    reached.answers = true;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    // What has a status was an answer; the rest did not get that far.
    reached.answers = error.parts().got.starts_with("status ");
    if (!reached.answers) reached.problem = error.parts().got;
  }
  reached.ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - start)
                   .count();
  return reached;
}

std::vector<Reached> ReachSources(const hub::HubOptions& options) {
  const InterruptGuard guard;
  return {Reach(options.endpoint)};
}

void Row(std::string_view label, const std::string& value) {
  std::string left = Translate(label);
  const int width = text::DisplayWidth(left);
  if (width < 14) left.append(static_cast<size_t>(14 - width), ' ');
  Print(left + " " + value + "\n");
}

}  // namespace

int DoctorVerb(const Invocation& call) {
  const ops::Machine machine = ops::DescribeMachine();
  const hub::HubOptions options = hub::HubOptions::FromEnvironment();
  const auto models = hub::ListLocal(options);
  const bool network = call.Flag("--network");
  if (network && options.offline) {
    throw Error(ErrorCode::kUsage, {.where = "--network",
                                    .what = "offline mode is on",
                                    .hint = "HF_HUB_OFFLINE=0"});
  }
  const auto sources = network ? ReachSources(options) : std::vector<Reached>();
  int status = 0;
  for (const Reached& source : sources) status |= source.answers ? 0 : 1;
  if (call.json()) {
    Json names = Json::array(), reached = Json::array();
    for (const auto& model : models) names.push_back(model.name);
    for (const Reached& source : sources) {
      reached.push_back({{"url", source.url},
                         {"answers", source.answers},
                         {"ms", source.ms},
                         {"problem", source.problem}});
    }
    Json json = {{"version", MALMOI_VERSION},
                 {"machine", MachineJson(machine)},
                 {"hub_cache", options.hub_cache.string()},
                 {"home", options.home.string()},
                 {"endpoint", net::PublicUrl(options.endpoint)},
                 {"offline", options.offline},
                 {"token", !options.token.empty()},
                 {"models", names}};
    if (network) json["network"] = reached;
    PrintJson(json);
    return status;
  }
  std::string targets, names;
  for (const std::string& target : machine.targets) {
    targets += (targets.empty() ? "" : ", ") + target;
  }
  for (const auto& model : models) {
    names += (names.empty() ? "" : ", ") + model.name;
  }
  Row("version", MALMOI_VERSION);
  Row("processor", Format("{}, {} {}", machine.cpu, machine.processors,
                          Translate("usable")));
  Row("kernels",
      Format("{} ({}: {})", machine.target, Translate("run here"), targets));
  Row("memory",
      Format("{}, {} {}", FormatBytes(machine.memory_bytes),
             FormatBytes(machine.available_bytes), Translate("free")));
  Row("Hub cache", options.hub_cache.string());
  Row("packages in", options.home.string());
  Row("endpoint",
      net::PublicUrl(options.endpoint) +
          (options.offline ? " (" + Translate("offline") + ")" : "") +
          (options.token.empty() ? "" : ", " + Translate("with a token")));
  Row("models", names.empty() ? "-" : names);
  for (const Reached& source : sources) {
    Row(source.answers ? "answers" : "no answer",
        source.answers ? Format("{} ({} ms)", source.url, source.ms)
                       : Format("{}: {}", source.url, source.problem));
  }
  return status;
}

}  // namespace malmoi::cli
