#include "hub/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <cctype>
#include <cstdlib>

namespace malmoi::hub {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::filesystem::path HomeFolder() {
  const std::string home = Env("HOME");
  if (!home.empty()) return home;
  const passwd* entry = getpwuid(getuid());
  return entry != nullptr && entry->pw_dir != nullptr ? entry->pw_dir : "/";
}

std::filesystem::path ExpandPath(const std::string& path) {
  std::string out;
  size_t at = 0;
  if (path == "~" || path.starts_with("~/")) {
    out = HomeFolder();
    at = 1;
  }
  const auto is_name = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  while (at < path.size()) {
    if (path[at] != '$') {
      out += path[at++];
      continue;
    }
    const bool braces = at + 1 < path.size() && path[at + 1] == '{';
    const size_t begin = at + (braces ? 2 : 1);
    size_t end = begin;
    while (end < path.size() && is_name(path[end])) ++end;
    const bool closed = !braces || (end < path.size() && path[end] == '}');
    const size_t after = end + (braces && closed ? 1 : 0);
    const std::string name = path.substr(begin, end - begin);
    const char* value =
        name.empty() || !closed ? nullptr : std::getenv(name.c_str());
    out += value != nullptr ? std::string(value) : path.substr(at, after - at);
    at = after;
  }
  return out;
}

std::string TrimSpace(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::string UpperCase(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

std::string LowerCase(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

}  // namespace malmoi::hub
