// Where models come from and where they are kept: the Hub client's own
// environment variables and defaults, and pip's configuration.
#ifndef MALMOI_HUB_OPTIONS_H_
#define MALMOI_HUB_OPTIONS_H_

#include <filesystem>
#include <string>

#include "hub/pip_config.h"

namespace malmoi::hub {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";  // HF_ENDPOINT
  std::string token;                 // HF_TOKEN, HF_TOKEN_PATH, HF_HOME/token
  std::filesystem::path hub_cache;   // HF_HUB_CACHE, HF_HOME/hub, ...
  std::filesystem::path home;        // MALMOI_HOME: models from packages
  bool offline = false;              // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  bool progress_bars = true;         // HF_HUB_DISABLE_PROGRESS_BARS
  int etag_timeout_ms = 10'000;      // HF_HUB_ETAG_TIMEOUT
  int download_timeout_ms = 10'000;  // HF_HUB_DOWNLOAD_TIMEOUT
  PipConfig pip;

  static HubOptions FromEnvironment();
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_OPTIONS_H_
