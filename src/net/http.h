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
  // Where the environment's own settings (SSL_CERT_FILE ..., https_proxy)
  // are not meant: a bundle of authorities, a proxy's URL.
  std::string ca_file, proxy;
  bool verify_tls = true;
  bool follow_redirects = true;
  int connect_timeout_ms = 4000;
  // Fails when fewer than 1 KiB/s arrive for this long.
  int stall_timeout_ms = 10'000;
  // How often a broken connection, 429 or 5xx is tried again, with growing
  // waits; a Retry-After of up to ten seconds is honoured, a longer one is an
  // error at once. Never after a part of a body was handed to on_body.
  int retries = 2;
  // Receives the body of a 2xx answer in pieces; false ends the transfer as
  // cancelled, an exception comes out of Fetch. Without it the body is
  // collected, up to max_body_bytes.
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

// Performs the request. Answers outside 2xx (3xx when redirects are not
// followed, and 416 to a range) throw: 401 and 403 kAuth, 404 and 410
// kNotFound, others kNetwork. No answer is kNetwork, a cancelled transfer
// kCancelled, a URL or header that cannot be sent kInvalidArgument. Messages
// name the URL without credentials or query; `got` holds the status and what
// X-Error-Code and X-Error-Message say. A redirect from https to http is
// refused.
HttpResponse Fetch(const HttpRequest& request);

// The URL without user, password, query and fragment: for messages.
std::string PublicUrl(std::string_view url);
// scheme://host:port, lower case: what credentials belong to.
std::string Origin(std::string_view url);
// Resolves a possibly relative reference against a base URL.
std::string ResolveUrl(std::string_view base, std::string_view reference);
// `url` with the user and password of `base`, where it has none of its own
// and both have one origin.
std::string WithCredentialsOf(std::string_view base, std::string_view url);
// Percent-encodes all but letters, digits, "-._~" and `keep`.
std::string PercentEncode(std::string_view text, std::string_view keep = "");

}  // namespace malmoi::net

#endif  // MALMOI_NET_HTTP_H_
