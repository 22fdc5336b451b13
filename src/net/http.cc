#include "net/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::net {

namespace {

constexpr int kMaxRedirects = 10;

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

struct UrlHandle {
  explicit UrlHandle(std::string_view url) : handle(curl_url()) {
    valid = curl_url_set(handle, CURLUPART_URL, std::string(url).c_str(), 0) ==
            CURLUE_OK;
  }
  ~UrlHandle() { curl_url_cleanup(handle); }
  std::string Get(CURLUPart part, unsigned flags = 0) const {
    char* text = nullptr;
    if (curl_url_get(handle, part, &text, flags) != CURLUE_OK) return "";
    std::string result(text);
    curl_free(text);
    return result;
  }
  CURLU* handle;
  bool valid;
};

void InitializeOnce() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// One exchange with one server.
struct Exchange {
  const HttpRequest* request;
  HttpResponse response;
  bool body_started = false;
  bool stopped_by_caller = false;
  bool too_large = false;
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

size_t OnBody(char* data, size_t, size_t size, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const HttpRequest& request = *exchange.request;
  if (Success(exchange.response.status) && request.on_body) {
    if (!exchange.body_started) {
      exchange.body_started = true;
      if (request.on_response) request.on_response(exchange.response);
    }
    if (!request.on_body(std::string_view(data, size))) {
      exchange.stopped_by_caller = true;
      return 0;
    }
    return size;
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
  if (exchange.request->cancelled && exchange.request->cancelled()) {
    exchange.stopped_by_caller = true;
    return 1;
  }
  return 0;
}

[[noreturn]] void Cancelled(const std::string& url) {
  throw Error(ErrorCode::kCancelled,
              {.where = PublicUrl(url), .what = "the download was cancelled"});
}

// Throws for transport failures; any status is a result.
HttpResponse Once(const HttpRequest& request, const std::string& url,
                  bool with_authorization) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(),
                                                    curl_easy_cleanup);
  Exchange exchange;
  exchange.request = &request;
  exchange.response.url = url;
  curl_slist* list = nullptr;
  for (const auto& [name, value] : request.headers) {
    list = curl_slist_append(list, (name + ": " + value).c_str());
  }
  if (with_authorization && !request.authorization.empty()) {
    list = curl_slist_append(
        list, ("Authorization: " + request.authorization).c_str());
  }
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
      list, curl_slist_free_all);
  CURL* c = curl.get();
  curl_easy_setopt(c, CURLOPT_URL, url.c_str());
  curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(c, CURLOPT_NOBODY, request.head ? 1L : 0L);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(c, CURLOPT_USERAGENT, "malmoi");
  curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connect_timeout_ms));
  curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1024L);
  curl_easy_setopt(
      c, CURLOPT_LOW_SPEED_TIME,
      static_cast<long>(std::max(1, request.stall_timeout_ms / 1000)));
  if (request.head || !request.on_body) {  // small answers
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(request.connect_timeout_ms +
                                       request.stall_timeout_ms));
  }
  for (const char* name :
       {"SSL_CERT_FILE", "CURL_CA_BUNDLE", "PIP_CERT", "REQUESTS_CA_BUNDLE"}) {
    const char* bundle = std::getenv(name);
    if (bundle != nullptr && *bundle != '\0') {
      curl_easy_setopt(c, CURLOPT_CAINFO, bundle);
      break;
    }
  }
  if (request.range_start > 0) {
    curl_easy_setopt(c, CURLOPT_RANGE,
                     Format("{}-", request.range_start).c_str());
  }
  curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(c, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(c, CURLOPT_XFERINFODATA, &exchange);
  const CURLcode code = curl_easy_perform(c);
  if (exchange.stopped_by_caller) Cancelled(url);
  if (exchange.too_large) {
    throw Error(
        ErrorCode::kLimit,
        {.where = PublicUrl(url),
         .what = "the answer is too large",
         .expected = Format("at most {} bytes", request.max_body_bytes)});
  }
  if (code != CURLE_OK) {
    throw Error(ErrorCode::kNetwork, {.where = PublicUrl(url),
                                      .what = "no answer",
                                      .got = curl_easy_strerror(code),
                                      .hint = "checking the connection"});
  }
  return std::move(exchange.response);
}

[[noreturn]] void ThrowStatus(const HttpResponse& response) {
  ErrorCode code = ErrorCode::kNetwork;
  std::string what = "the server refused the request";
  std::string hint;
  const std::string reason = response.Header("x-error-message");
  switch (response.status) {
    case 401:
    case 403:
      code = ErrorCode::kAuth;
      what = response.Header("x-error-code") == "GatedRepo"
                 ? "access to this model must be asked for on its page"
                 : "not allowed";
      hint = "a token in HF_TOKEN";
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
  throw Error(code, {.where = PublicUrl(response.url),
                     .what = std::move(what),
                     .got = Format("status {}{}{}", response.status,
                                   reason.empty() ? "" : ", ", reason),
                     .hint = std::move(hint)});
}

bool WorthRetrying(long status) { return status == 429 || status >= 500; }

}  // namespace

std::string HttpResponse::Header(const std::string& lower_name) const {
  const auto it = headers.find(lower_name);
  return it == headers.end() ? "" : it->second;
}

HttpResponse Fetch(const HttpRequest& original) {
  InitializeOnce();
  // A body that has begun is not begun again: its receiver resumes it.
  bool started = false;
  HttpRequest request = original;
  if (original.on_body) {
    request.on_body = [&](std::string_view bytes) {
      started = true;
      return original.on_body(bytes);
    };
  }
  const std::string origin = Origin(request.url);
  for (int attempt = 0;; ++attempt) {
    const auto wait = [&](int64_t ms) {
      for (int64_t waited = 0; waited < ms; waited += 50) {
        if (request.cancelled && request.cancelled()) Cancelled(request.url);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    };
    HttpResponse response;
    std::map<std::string, std::string> first_headers;
    try {
      std::string url = request.url;
      for (int hop = 0;; ++hop) {
        response = Once(request, url, Origin(url) == origin);
        if (hop == 0) first_headers = response.headers;
        const bool redirect =
            response.status >= 301 && response.status <= 308 &&
            response.status != 304 && !response.Header("location").empty();
        if (!redirect || !request.follow_redirects) break;
        if (hop == kMaxRedirects) {
          throw Error(ErrorCode::kNetwork, {.where = PublicUrl(request.url),
                                            .what = "too many redirects"});
        }
        url = ResolveUrl(url, response.Header("location"));
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNetwork || started ||
          attempt >= request.retries) {
        throw;
      }
      wait(300 << attempt);
      continue;
    }
    response.first_headers = std::move(first_headers);
    const bool redirect = response.status >= 300 && response.status < 400;
    if (Success(response.status) || (redirect && !request.follow_redirects)) {
      return response;
    }
    if (!WorthRetrying(response.status) || attempt >= request.retries) {
      ThrowStatus(response);
    }
    const int64_t asked =
        std::atoll(response.Header("retry-after").c_str()) * 1000;
    wait(std::clamp<int64_t>(asked, 300 << attempt, 5000));
  }
}

std::string PublicUrl(std::string_view url) {
  const UrlHandle parsed(url);
  if (!parsed.valid) return "a malformed URL";
  curl_url_set(parsed.handle, CURLUPART_USER, nullptr, 0);
  curl_url_set(parsed.handle, CURLUPART_PASSWORD, nullptr, 0);
  curl_url_set(parsed.handle, CURLUPART_QUERY, nullptr, 0);
  curl_url_set(parsed.handle, CURLUPART_FRAGMENT, nullptr, 0);
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
      curl_url_set(parsed.handle, CURLUPART_URL, std::string(reference).c_str(),
                   0) != CURLUE_OK) {
    throw Error(ErrorCode::kNetwork,
                {.where = PublicUrl(base),
                 .what = "a malformed URL",
                 .got = std::string(reference.substr(0, 80))});
  }
  return parsed.Get(CURLUPART_URL);
}

}  // namespace malmoi::net
