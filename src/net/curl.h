// libcurl, loaded when a request first needs it: with the forty libraries
// that it needs itself it costs every start 6 ms, and most verbs never go to
// the net.
#ifndef MALMOI_NET_CURL_H_
#define MALMOI_NET_CURL_H_

#define CURL_DISABLE_TYPECHECK  // its macros would hide the names below
#include <curl/curl.h>

namespace malmoi::net {

struct CurlFunctions {
  decltype(&curl_global_init) global_init = nullptr;
  decltype(&curl_easy_init) easy_init = nullptr;
  decltype(&curl_easy_setopt) easy_setopt = nullptr;
  decltype(&curl_easy_perform) easy_perform = nullptr;
  decltype(&curl_easy_strerror) easy_strerror = nullptr;
  decltype(&curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&curl_slist_append) slist_append = nullptr;
  decltype(&curl_slist_free_all) slist_free_all = nullptr;
  decltype(&curl_url) url = nullptr;
  decltype(&curl_url_set) url_set = nullptr;
  decltype(&curl_url_get) url_get = nullptr;
  decltype(&curl_url_cleanup) url_cleanup = nullptr;
  decltype(&curl_free) free = nullptr;
};

// Loaded and initialized once for the process. Throws kUnsupported where the
// library is not installed.
const CurlFunctions& Curl();

}  // namespace malmoi::net

#endif  // MALMOI_NET_CURL_H_
