#include "hub/pip_config.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "hub/environment.h"
#include "net/http.h"

namespace malmoi::hub {

namespace {

namespace fs = std::filesystem;

using Values = std::map<std::string, std::string>;

// A key as pip compares it: "Index_URL" is "index-url".
std::string KeyOf(const std::string& text) {
  std::string key = LowerCase(TrimSpace(text));
  std::replace(key.begin(), key.end(), '_', '-');
  if (key.starts_with("--")) key = key.substr(2);
  return key;
}

// Adds the values of one file, by section. An indented line goes on with the
// value before it. Lines that are neither are passed over.
void ReadFileInto(const fs::path& path, std::map<std::string, Values>& all) {
  std::ifstream in(path);
  std::string line, section;
  std::string* open = nullptr;
  while (std::getline(in, line)) {
    const bool indented = !line.empty() && (line[0] == ' ' || line[0] == '\t');
    const std::string text = TrimSpace(line);
    if (text.empty() || text[0] == '#' || text[0] == ';') continue;
    if (indented && open != nullptr) {
      *open += " " + text;
      continue;
    }
    open = nullptr;
    if (text[0] == '[') {
      section = text.substr(1, text.find(']') - 1);
      continue;
    }
    const size_t separator = text.find_first_of("=:");
    if (separator == std::string::npos) continue;
    open = &all[section][KeyOf(text.substr(0, separator))];
    *open = TrimSpace(text.substr(separator + 1));
  }
}

// From the most general to the most specific: later ones win.
std::vector<fs::path> ConfigFiles() {
  const std::string own = Env("PIP_CONFIG_FILE");
  if (own == "/dev/null") return {};
  std::vector<fs::path> files;
  const std::string dirs = Env("XDG_CONFIG_DIRS");
  std::istringstream list(dirs.empty() ? "/etc/xdg" : dirs);
  for (std::string dir; std::getline(list, dir, ':');) {
    files.push_back(fs::path(dir) / "pip/pip.conf");
  }
  files.emplace_back("/etc/pip.conf");
  files.push_back(HomeFolder() / ".pip/pip.conf");
  const std::string config_home = Env("XDG_CONFIG_HOME");
  files.push_back((config_home.empty() ? HomeFolder() / ".config"
                                       : ExpandPath(config_home)) /
                  "pip/pip.conf");
  const std::string prefix = Env("VIRTUAL_ENV");
  if (!prefix.empty()) files.push_back(fs::path(prefix) / "pip.conf");
  if (!own.empty()) files.push_back(ExpandPath(own));
  return files;
}

Values Settings() {
  std::map<std::string, Values> sections;
  for (const fs::path& file : ConfigFiles()) ReadFileInto(file, sections);
  Values settings;
  for (const char* section : {"global", "install", "download"}) {
    for (const auto& [key, value] : sections[section]) settings[key] = value;
  }
  for (const char* key : {"index-url", "extra-index-url", "no-index",
                          "find-links", "trusted-host", "cert", "proxy"}) {
    std::string name = "PIP_" + UpperCase(key);
    std::replace(name.begin(), name.end(), '-', '_');
    const std::string value = Env(name.c_str());
    if (!value.empty()) settings[key] = value;
  }
  return settings;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream in(text);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool IsTrue(const std::string& text) {
  const std::string value = LowerCase(text);
  return value == "1" || value == "true" || value == "yes" || value == "on" ||
         value == "y" || value == "t";
}

}  // namespace

PipConfig PipConfig::FromEnvironment() {
  PipConfig config;
  Values settings = Settings();
  std::vector<std::string> urls = Words(settings["index-url"]);
  if (urls.empty()) urls = config.index_urls;
  for (const std::string& url : Words(settings["extra-index-url"])) {
    urls.push_back(url);
  }
  for (std::string& url : urls) {
    while (url.ends_with('/')) url.pop_back();
  }
  config.index_urls = urls;
  if (IsTrue(settings["no-index"])) config.index_urls.clear();
  for (const std::string& link : Words(settings["find-links"])) {
    if (link.starts_with("file://")) {
      config.find_links.push_back(ExpandPath(link.substr(7)));
    } else if (link.find("://") == std::string::npos) {
      config.find_links.push_back(ExpandPath(link));
    }
  }
  config.trusted_hosts = Words(settings["trusted-host"]);
  config.ca_file =
      settings["cert"].empty() ? "" : ExpandPath(settings["cert"]).string();
  config.proxy = settings["proxy"];
  return config;
}

bool PipConfig::Trusts(std::string_view url) const {
  const std::string origin = net::Origin(url);  // scheme://host:port
  const size_t begin = origin.find("://");
  if (begin == std::string::npos) return false;
  const std::string with_port = origin.substr(begin + 3);
  const std::string host = with_port.substr(0, with_port.rfind(':'));
  return std::any_of(trusted_hosts.begin(), trusted_hosts.end(),
                     [&](const std::string& trusted) {
                       const std::string name = LowerCase(trusted);
                       return name == host || name == with_port;
                     });
}

}  // namespace malmoi::hub
