// Which Python package indexes to ask, and how: pip's environment variables
// and configuration files, as `pip download` reads them.
#ifndef MALMOI_HUB_PIP_CONFIG_H_
#define MALMOI_HUB_PIP_CONFIG_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::hub {

struct PipConfig {
  // index-url, then extra-index-url, without a slash at the end; none with
  // no-index. They may hold a user and a password.
  std::vector<std::string> index_urls = {"https://pypi.org/simple"};
  // Local folders of find-links, looked into first.
  std::vector<std::filesystem::path> find_links;
  std::vector<std::string> trusted_hosts;  // "host" or "host:port"
  std::string ca_file;                     // cert
  std::string proxy;

  static PipConfig FromEnvironment();

  // Whether the certificate of this URL's host need not be checked.
  bool Trusts(std::string_view url) const;
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_PIP_CONFIG_H_
