#include "hub/options.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/file.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string Trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// As the Hub's client reads booleans.
bool Flag(const char* name) {
  std::string value = Env(name);
  for (char& c : value) c = static_cast<char>(std::toupper(c));
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

int Seconds(const char* name, int fallback_ms) {
  const int seconds = std::atoi(Env(name).c_str());
  return seconds > 0 && seconds < 3600 ? seconds * 1000 : fallback_ms;
}

fs::path Expand(const std::string& path) {
  if (path == "~" || path.starts_with("~/")) {
    return fs::path(Env("HOME")) / path.substr(path.size() > 1 ? 2 : 1);
  }
  return path;
}

// Values of index-url and extra-index-url of one pip.conf.
void ReadPipConfig(const fs::path& path, std::string& index,
                   std::string& extra) {
  std::ifstream in(path);
  std::string line, section;
  std::string* continued = nullptr;
  while (std::getline(in, line)) {
    const bool indented = !line.empty() && (line[0] == ' ' || line[0] == '\t');
    const std::string text = Trim(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') continue;
    if (text[0] == '[') {
      section = text;
      continued = nullptr;
      continue;
    }
    if (indented && continued != nullptr) {
      *continued += " " + text;
      continue;
    }
    continued = nullptr;
    if (section != "[global]" && section != "[download]" &&
        section != "[install]") {
      continue;
    }
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = Trim(text.substr(0, equals));
    std::string* value = key == "index-url"         ? &index
                         : key == "extra-index-url" ? &extra
                                                    : nullptr;
    if (value == nullptr) continue;
    *value = Trim(text.substr(equals + 1));
    continued = value;
  }
}

std::vector<std::string> IndexUrls() {
  std::string index = "https://pypi.org/simple";
  std::string extra;
  const std::string home = Env("HOME");
  const std::string config_home = Env("XDG_CONFIG_HOME");
  // From the most general to the most specific; later ones win.
  std::vector<fs::path> files = {"/etc/pip.conf"};
  const std::string dirs = Env("XDG_CONFIG_DIRS");
  std::istringstream list(dirs.empty() ? "/etc/xdg" : dirs);
  for (std::string dir; std::getline(list, dir, ':');) {
    files.insert(files.begin(), fs::path(dir) / "pip/pip.conf");
  }
  files.push_back(fs::path(home) / ".pip/pip.conf");
  files.push_back((config_home.empty() ? fs::path(home) / ".config"
                                       : fs::path(config_home)) /
                  "pip/pip.conf");
  const std::string prefix = Env("VIRTUAL_ENV");
  if (!prefix.empty()) files.push_back(fs::path(prefix) / "pip.conf");
  const std::string own = Env("PIP_CONFIG_FILE");
  if (own == "/dev/null") files.clear();
  if (!own.empty()) files.push_back(Expand(own));
  for (const fs::path& file : files) ReadPipConfig(file, index, extra);
  if (!Env("PIP_INDEX_URL").empty()) index = Env("PIP_INDEX_URL");
  if (!Env("PIP_EXTRA_INDEX_URL").empty()) extra = Env("PIP_EXTRA_INDEX_URL");
  std::vector<std::string> urls;
  std::istringstream all(index + " " + extra);
  for (std::string url; all >> url;) {
    while (url.ends_with('/')) url.pop_back();
    urls.push_back(url);
  }
  return urls;
}

}  // namespace

HubOptions HubOptions::FromEnvironment() {
  HubOptions options;
  options.endpoint = Env("HF_ENDPOINT");
  if (options.endpoint.empty()) options.endpoint = "https://huggingface.co";
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  const std::string xdg = Env("XDG_CACHE_HOME");
  const fs::path cache =
      xdg.empty() ? fs::path(Env("HOME")) / ".cache" : Expand(xdg);
  const std::string hf_home = Env("HF_HOME");
  const fs::path home =
      hf_home.empty() ? cache / "huggingface" : Expand(hf_home);
  options.hub_cache = home / "hub";
  for (const char* name : {"HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"}) {
    if (!Env(name).empty()) options.hub_cache = Expand(Env(name));
  }
  const std::string own = Env("MALMOI_HOME");
  options.home = own.empty() ? cache / "malmoi" : Expand(own);
  options.offline = Flag("HF_HUB_OFFLINE") || Flag("TRANSFORMERS_OFFLINE");
  options.etag_timeout_ms =
      Seconds("HF_HUB_ETAG_TIMEOUT", options.etag_timeout_ms);
  options.download_timeout_ms =
      Seconds("HF_HUB_DOWNLOAD_TIMEOUT", options.download_timeout_ms);
  if (!Flag("HF_HUB_DISABLE_IMPLICIT_TOKEN")) {
    options.token = Trim(Env("HF_TOKEN"));
    if (options.token.empty())
      options.token = Trim(Env("HUGGING_FACE_HUB_TOKEN"));
    const std::string token_path = Env("HF_TOKEN_PATH");
    const fs::path file =
        token_path.empty() ? home / "token" : Expand(token_path);
    std::error_code error;
    if (options.token.empty() && fs::is_regular_file(file, error)) {
      std::ifstream in(file);
      std::getline(in, options.token);
      options.token = Trim(options.token);
    }
  }
  options.index_urls = IndexUrls();
  return options;
}

}  // namespace malmoi::hub
