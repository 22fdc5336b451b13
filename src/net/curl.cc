#include "net/curl.h"

#include <dlfcn.h>

#include "base/error.h"

namespace malmoi::net {

namespace {

#if defined(__APPLE__)
constexpr const char* kNames[] = {"libcurl.4.dylib"};
#else
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
#endif

[[noreturn]] void ThrowAbsent(const char* got) {
  throw Error(ErrorCode::kUnsupported,
              {.where = "libcurl",
               .what = "the library for downloads is not usable",
               .expected = kNames[0],
               .got = got == nullptr ? "none" : got,
               .hint = "installing it (Debian and Ubuntu: libcurl4)"});
}

CurlFunctions Load() {
  void* library = nullptr;
  for (const char* name : kNames) {
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) ThrowAbsent(dlerror());
  const auto find = [&](const char* name, auto& function) {
    using Function = std::remove_reference_t<decltype(function)>;
    function = reinterpret_cast<Function>(dlsym(library, name));
    if (function == nullptr) ThrowAbsent(dlerror());
  };
  CurlFunctions curl;
  find("curl_global_init", curl.global_init);
  find("curl_easy_init", curl.easy_init);
  find("curl_easy_setopt", curl.easy_setopt);
  find("curl_easy_perform", curl.easy_perform);
  find("curl_easy_strerror", curl.easy_strerror);
  find("curl_easy_cleanup", curl.easy_cleanup);
  find("curl_slist_append", curl.slist_append);
  find("curl_slist_free_all", curl.slist_free_all);
  find("curl_url", curl.url);
  find("curl_url_set", curl.url_set);
  find("curl_url_get", curl.url_get);
  find("curl_url_cleanup", curl.url_cleanup);
  find("curl_free", curl.free);
  curl.global_init(CURL_GLOBAL_DEFAULT);
  return curl;
}

}  // namespace

const CurlFunctions& Curl() {
  static const CurlFunctions curl = Load();
  return curl;
}

}  // namespace malmoi::net
