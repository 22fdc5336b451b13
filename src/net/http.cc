#include "net/http.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/format.h"
#include "net/curl.h"

namespace malmoi::net {

namespace {

constexpr int kMaxRedirects = 10;
constexpr int64_t kLongestWaitMs = 10'000;

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

struct UrlHandle {
  explicit UrlHandle(std::string_view url) : handle(Curl().url()) {
    valid = Curl().url_set(handle, CURLUPART_URL, std::string(url).c_str(),
                           0) == CURLUE_OK;
  }
  ~UrlHandle() { Curl().url_cleanup(handle); }
  std::string Get(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (Curl().url_get(handle, part, &text, flags) != CURLUE_OK) return "";
    std::string result(text);
    Curl().free(text);
    return result;
  }
  CURLU* handle;
  bool valid;
};

// One exchange with one server.
struct Exchange {
  const HttpRequest* request;
  HttpResponse response;
  bool body_started = false;
  bool stopped_by_caller = false;
  bool too_large = false;
  // What a callback threw: it may not pass through C's frames.
  std::exception_ptr thrown;
};

bool Success(long status) { return status >= 200 && status < 300; }

size_t OnHeader(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) {
    line.remove_suffix(1);
  }
  if (line.starts_with("HTTP/")) {  // a new answer (100, proxies)
    exchange.response.headers.clear();
    const size_t space = line.find(' ');
    exchange.response.status =
        space == std::string_view::npos
            ? 0
            : std::atol(std::string(line.substr(space + 1)).c_str());
    return size;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  exchange.response.headers[Lower(line.substr(0, colon))] = std::string(value);
  return size;
}

// `body`, with what it throws kept for Once(); false where it threw.
template <typename F>
bool Guarded(Exchange& exchange, F&& body) {
  try {
    body();
    return true;
  } catch (...) {
    exchange.thrown = std::current_exception();
    return false;
  }
}

void StartBody(Exchange& exchange) {
  if (exchange.body_started) return;
  exchange.body_started = true;
  if (exchange.request->on_response) {
    exchange.request->on_response(exchange.response);
  }
}

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const HttpRequest& request = *exchange.request;
  if (Success(exchange.response.status) && request.on_body) {
    const bool fine = Guarded(exchange, [&] {
      StartBody(exchange);
      if (!request.on_body(std::string_view(data, size))) {
        exchange.stopped_by_caller = true;
      }
    });
    return fine && !exchange.stopped_by_caller ? size : 0;
  }
  if (exchange.response.body.size() + size > request.max_body_bytes) {
    exchange.too_large = true;
    return 0;
  }
  exchange.response.body.append(data, size);
  return size;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& exchange = *static_cast<Exchange*>(user);
  const bool fine = Guarded(exchange, [&] {
    if (exchange.request->cancelled && exchange.request->cancelled()) {
      exchange.stopped_by_caller = true;
    }
  });
  return fine && !exchange.stopped_by_caller ? 0 : 1;
}

[[noreturn]] void Cancelled(const std::string& url) {
  throw Error(ErrorCode::kCancelled,
              {.where = PublicUrl(url), .what = "the download was cancelled"});
}

void SetAuthorities(CURL* c, const HttpRequest& request) {
  if (!request.verify_tls) {
    Curl().easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    Curl().easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    return;
  }
  if (!request.ca_file.empty()) {
    Curl().easy_setopt(c, CURLOPT_CAINFO, request.ca_file.c_str());
    return;
  }
  for (const char* name :
       {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}) {
    const char* bundle = std::getenv(name);
    if (bundle != nullptr && *bundle != '\0') {
      Curl().easy_setopt(c, CURLOPT_CAINFO, bundle);
      return;
    }
  }
}

void SetOptions(CURL* c, const std::string& url, Exchange& exchange) {
  const HttpRequest& request = *exchange.request;
  Curl().easy_setopt(c, CURLOPT_URL, url.c_str());
  Curl().easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  Curl().easy_setopt(c, CURLOPT_NOBODY, request.head ? 1L : 0L);
  Curl().easy_setopt(c, CURLOPT_USERAGENT, "malmoi");
  Curl().easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  Curl().easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  Curl().easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request.connect_timeout_ms));
  Curl().easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1024L);
  Curl().easy_setopt(
      c, CURLOPT_LOW_SPEED_TIME,
      static_cast<long>(std::max(1, request.stall_timeout_ms / 1000)));
  if (request.head || !request.on_body) {  // small answers
    Curl().easy_setopt(c, CURLOPT_TIMEOUT_MS,
                       static_cast<long>(request.connect_timeout_ms +
                                         request.stall_timeout_ms));
  }
  if (!request.proxy.empty()) {
    Curl().easy_setopt(c, CURLOPT_PROXY, request.proxy.c_str());
  }
  SetAuthorities(c, request);
  if (request.range_start > 0) {
    Curl().easy_setopt(c, CURLOPT_RANGE,
                       Format("{}-", request.range_start).c_str());
  }
  Curl().easy_setopt(c, CURLOPT_HEADERFUNCTION, OnHeader);
  Curl().easy_setopt(c, CURLOPT_HEADERDATA, &exchange);
  Curl().easy_setopt(c, CURLOPT_WRITEFUNCTION, OnBody);
  Curl().easy_setopt(c, CURLOPT_WRITEDATA, &exchange);
  Curl().easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  Curl().easy_setopt(c, CURLOPT_XFERINFOFUNCTION, OnProgress);
  Curl().easy_setopt(c, CURLOPT_XFERINFODATA, &exchange);
}

[[noreturn]] void ThrowTransport(CURLcode code, const std::string& url) {
  const bool tls = code == CURLE_PEER_FAILED_VERIFICATION ||
                   code == CURLE_SSL_CACERT_BADFILE;
  throw Error(
      ErrorCode::kNetwork,
      {.where = PublicUrl(url),
       .what = tls ? "the server's certificate is not trusted" : "no answer",
       .got = Curl().easy_strerror(code),
       .hint = tls ? "the authorities' file in SSL_CERT_FILE"
                   : "checking the connection"});
}

// Throws for transport failures; any status is a result. `touched` becomes
// true when a part of the body has reached the caller.
HttpResponse Once(const HttpRequest& request, const std::string& url,
                  bool with_authorization, bool& touched) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(Curl().easy_init(),
                                                    Curl().easy_cleanup);
  Exchange exchange;
  exchange.request = &request;
  exchange.response.url = url;
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) {
    list = Curl().slist_append(list, (name + ": " + value).c_str());
  }
  if (with_authorization && !request.authorization.empty()) {
    list = Curl().slist_append(
        list, ("Authorization: " + request.authorization).c_str());
  }
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
      list, Curl().slist_free_all);
  SetOptions(curl.get(), url, exchange);
  Curl().easy_setopt(curl.get(), CURLOPT_HTTPHEADER, list);
  const CURLcode code = Curl().easy_perform(curl.get());
  touched = exchange.body_started;
  if (exchange.thrown) std::rethrow_exception(exchange.thrown);
  if (exchange.stopped_by_caller) Cancelled(url);
  if (exchange.too_large) {
    throw Error(
        ErrorCode::kLimit,
        {.where = PublicUrl(url),
         .what = "the answer is too large",
         .expected = Format("at most {} bytes", request.max_body_bytes)});
  }
  if (code != CURLE_OK) ThrowTransport(code, url);
  if (Success(exchange.response.status) && request.on_body) {
    StartBody(exchange);  // an empty one
  }
  return std::move(exchange.response);
}

[[noreturn]] void ThrowStatus(const HttpResponse& response) {
  ErrorCode code = ErrorCode::kNetwork;
  std::string what = "the server refused the request";
  std::string hint;
  switch (response.status) {
    case 401:
    case 403:
      code = ErrorCode::kAuth;
      what = "not allowed";
      break;
    case 404:
    case 410:
      code = ErrorCode::kNotFound;
      what = "not found";
      break;
    case 429:
      what = "too many requests";
      hint = "again in some minutes";
      break;
    default:
      if (response.status >= 500) {
        what = "the server failed";
        hint = "again later";
      }
  }
  std::string got = Format("status {}", response.status);
  for (const char* name : {"x-error-code", "x-error-message"}) {
    const std::string value = response.Header(name);
    if (!value.empty()) got += ", " + value.substr(0, 300);
  }
  throw Error(code, {.where = PublicUrl(response.url),
                     .what = std::move(what),
                     .got = std::move(got),
                     .hint = std::move(hint)});
}

bool WorthRetrying(long status) { return status == 429 || status >= 500; }

}  // namespace

std::string HttpResponse::Header(const std::string& lower_name) const {
  const auto it = headers.find(lower_name);
  return it == headers.end() ? "" : it->second;
}

namespace {

// Throws kInvalidArgument for what must not be sent.
void CheckRequest(const HttpRequest& request) {
  const std::string origin = Origin(request.url);
  if (!origin.starts_with("http://") && !origin.starts_with("https://")) {
    throw Error(ErrorCode::kInvalidArgument, {.where = PublicUrl(request.url),
                                              .what = "not a URL of the web",
                                              .expected = "https://..."});
  }
  const auto clean = [](const std::string& text) {
    return std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return c >= ' ' && c != 127; });
  };
  bool fine = clean(request.authorization);
  for (const auto& [name, value] : request.headers) {
    fine = fine && clean(name) && clean(value);
  }
  if (!fine) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = PublicUrl(request.url),
                 .what = "a header or token holds control characters"});
  }
}

// Follows redirects; `touched` as of Once().
HttpResponse Follow(const HttpRequest& request, bool& touched) {
  const std::string origin = Origin(request.url);
  std::map<std::string, std::string> first_headers;
  std::string url = request.url;
  for (int hop = 0;; ++hop) {
    HttpResponse response = Once(request, url, Origin(url) == origin, touched);
    if (hop == 0) first_headers = response.headers;
    const bool redirect = response.status >= 301 && response.status <= 308 &&
                          response.status != 304 &&
                          !response.Header("location").empty();
    if (!redirect || !request.follow_redirects) {
      response.first_headers = std::move(first_headers);
      return response;
    }
    const std::string next = ResolveUrl(url, response.Header("location"));
    const bool downgrade = Origin(url).starts_with("https://") &&
                           !Origin(next).starts_with("https://");
    if (downgrade || hop == kMaxRedirects) {
      throw Error(ErrorCode::kNetwork,
                  {.where = PublicUrl(url),
                   .what = downgrade ? "a redirect from https to http"
                                     : "too many redirects"});
    }
    url = next;
  }
}

}  // namespace

HttpResponse Fetch(const HttpRequest& request) {
  CheckRequest(request);
  const auto wait = [&](int64_t ms) {
    for (int64_t waited = 0; waited < ms; waited += 50) {
      if (request.cancelled && request.cancelled()) Cancelled(request.url);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  };
  for (int attempt = 0;; ++attempt) {
    const int64_t pause = int64_t{300} << std::min(attempt, 5);
    HttpResponse response;
    bool touched = false;
    try {
      response = Follow(request, touched);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNetwork || touched ||
          attempt >= request.retries) {
        throw;
      }
      wait(pause);
      continue;
    }
    const bool redirect = response.status >= 300 && response.status < 400;
    const bool past_end = response.status == 416 && request.range_start > 0;
    if (Success(response.status) || past_end ||
        (redirect && !request.follow_redirects)) {
      return response;
    }
    const int64_t asked =
        std::atoll(response.Header("retry-after").c_str()) * 1000;
    if (!WorthRetrying(response.status) || attempt >= request.retries ||
        asked > kLongestWaitMs) {
      ThrowStatus(response);
    }
    wait(std::max(asked, pause));
  }
}

std::string PublicUrl(std::string_view url) {
  const UrlHandle parsed(url);
  if (!parsed.valid) return "a malformed URL";
  Curl().url_set(parsed.handle, CURLUPART_USER, nullptr, 0);
  Curl().url_set(parsed.handle, CURLUPART_PASSWORD, nullptr, 0);
  Curl().url_set(parsed.handle, CURLUPART_QUERY, nullptr, 0);
  Curl().url_set(parsed.handle, CURLUPART_FRAGMENT, nullptr, 0);
  return parsed.Get(CURLUPART_URL);
}

std::string Origin(std::string_view url) {
  const UrlHandle parsed(url);
  if (!parsed.valid) return "";
  return Lower(parsed.Get(CURLUPART_SCHEME) + "://" +
               parsed.Get(CURLUPART_HOST) + ":" +
               parsed.Get(CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

std::string ResolveUrl(std::string_view base, std::string_view reference) {
  const UrlHandle parsed(base);
  if (!parsed.valid ||
      Curl().url_set(parsed.handle, CURLUPART_URL,
                     std::string(reference).c_str(), 0) != CURLUE_OK) {
    throw Error(ErrorCode::kNetwork,
                {.where = PublicUrl(base),
                 .what = "a malformed URL",
                 .got = std::string(reference.substr(0, 80))});
  }
  return parsed.Get(CURLUPART_URL);
}

std::string WithCredentialsOf(std::string_view base, std::string_view url) {
  const UrlHandle from(base), to(url);
  if (!from.valid || !to.valid || Origin(base) != Origin(url) ||
      !to.Get(CURLUPART_USER).empty() || from.Get(CURLUPART_USER).empty()) {
    return std::string(url);
  }
  Curl().url_set(to.handle, CURLUPART_USER, from.Get(CURLUPART_USER).c_str(),
                 0);
  const std::string password = from.Get(CURLUPART_PASSWORD);
  if (!password.empty()) {
    Curl().url_set(to.handle, CURLUPART_PASSWORD, password.c_str(), 0);
  }
  return to.Get(CURLUPART_URL);
}

std::string PercentEncode(std::string_view text, std::string_view keep) {
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                       c == '_' || c == '~' ||
                       keep.find(static_cast<char>(c)) != keep.npos;
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += Format("%{:02X}", c);
    }
  }
  return out;
}

}  // namespace malmoi::net
