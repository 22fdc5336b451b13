// HTTP downloads on libcurl: streamed bodies, ranges, redirects that do not
// carry credentials to another host, bounded time and retries.
#ifndef MALMOI_NET_HTTP_H_
#define MALMOI_NET_HTTP_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace malmoi::net {

struct HttpRequest {
  std::string url;
  bool head = false;
  std::map<std::string, std::string> headers;
  // "Bearer TOKEN"; sent to the first URL's scheme, host and port only.
  std::string authorization;
  int64_t range_start = 0;  // > 0: "Range: bytes=start-"
  bool follow_redirects = true;
  int connect_timeout_ms = 4000;
  // Fails when fewer than 1 KiB/s arrive for this long.
  int stall_timeout_ms = 10'000;
  // How often a broken connection, 429 or 5xx is tried again, with growing
  // waits; a Retry-After of a few seconds is honoured.
  int retries = 2;
  // Receives the body of a 2xx answer in pieces; false ends the transfer as
  // cancelled. Without it the body is collected, up to max_body_bytes.
  std::function<bool(std::string_view)> on_body;
  // Before the first piece of a 2xx body.
  std::function<void(const struct HttpResponse&)> on_response;
  std::function<bool()> cancelled;
  size_t max_body_bytes = size_t{64} << 20;
};

struct HttpResponse {
  long status = 0;
  std::string url;                             // after redirects
  std::map<std::string, std::string> headers;  // of the last answer, lower
  // Headers of the first answer: the Hub's redirect carries what matters.
  std::map<std::string, std::string> first_headers;
  std::string body;

  std::string Header(const std::string& lower_name) const;
};

// Performs the request. Answers outside 2xx (and 3xx when redirects are not
// followed) throw: 401 and 403 kAuth, 404 and 410 kNotFound, others kNetwork.
// No answer is kNetwork, a cancelled transfer kCancelled. Messages name the
// URL without credentials or query.
HttpResponse Fetch(const HttpRequest& request);

// The URL without user, password, query and fragment: for messages.
std::string PublicUrl(std::string_view url);
// scheme://host:port, lower case: what credentials belong to.
std::string Origin(std::string_view url);
// Resolves a possibly relative reference against a base URL.
std::string ResolveUrl(std::string_view base, std::string_view reference);

}  // namespace malmoi::net

#endif  // MALMOI_NET_HTTP_H_
