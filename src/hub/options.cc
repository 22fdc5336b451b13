#include "hub/options.h"

#include <cstdlib>
#include <fstream>

#include "hub/environment.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

// As the Hub's client reads booleans.
bool IsTrue(const std::string& text) {
  const std::string value = UpperCase(text);
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

int Milliseconds(const char* seconds_name, int fallback_ms) {
  const int seconds = std::atoi(Env(seconds_name).c_str());
  return seconds > 0 && seconds < 3600 ? seconds * 1000 : fallback_ms;
}

// The variables' first value, else `fallback`; ~ and $NAME replaced.
fs::path Folder(std::initializer_list<const char*> names,
                const fs::path& fallback) {
  for (const char* name : names) {
    const std::string value = Env(name);
    if (!value.empty()) return ExpandPath(value);
  }
  return fallback;
}

std::string Token(const fs::path& hf_home) {
  if (IsTrue(Env("HF_HUB_DISABLE_IMPLICIT_TOKEN"))) return "";
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    const std::string token = TrimSpace(Env(name));
    if (!token.empty()) return token;
  }
  std::ifstream in(Folder({"HF_TOKEN_PATH"}, hf_home / "token"));
  std::string line;
  std::getline(in, line);
  return TrimSpace(line);
}

}  // namespace

HubOptions HubOptions::FromEnvironment() {
  HubOptions options;
  if (!Env("HF_ENDPOINT").empty()) options.endpoint = Env("HF_ENDPOINT");
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  const fs::path cache = Folder({"XDG_CACHE_HOME"}, HomeFolder() / ".cache");
  const fs::path hf_home = Folder({"HF_HOME"}, cache / "huggingface");
  options.hub_cache =
      Folder({"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}, hf_home / "hub");
  options.home = Folder({"MALMOI_HOME"}, cache / "malmoi");
  const std::string offline = Env("HF_HUB_OFFLINE");
  options.offline =
      IsTrue(offline.empty() ? Env("TRANSFORMERS_OFFLINE") : offline);
  options.progress_bars = !IsTrue(Env("HF_HUB_DISABLE_PROGRESS_BARS"));
  options.etag_timeout_ms =
      Milliseconds("HF_HUB_ETAG_TIMEOUT", options.etag_timeout_ms);
  options.download_timeout_ms =
      Milliseconds("HF_HUB_DOWNLOAD_TIMEOUT", options.download_timeout_ms);
  options.token = Token(hf_home);
  options.pip = PipConfig::FromEnvironment();
  return options;
}

}  // namespace malmoi::hub
