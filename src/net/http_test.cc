// The client against a loopback server with the faults a real one can have.
#include "net/http.h"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>

#include "base/error.h"
#include "net/testing/fake_server.h"

namespace malmoi::net {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The Error that `request` ends in.
Error Failure(const HttpRequest& request) {
  try {
    Fetch(request);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error from " << request.url;
  return Error(ErrorCode::kIo, {});
}

HttpRequest Get(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.retries = 0;
  return request;
}

TEST(Http, HeadersAreFoundWhateverTheirCase) {
  FakeServer server([](const FakeRequest& request) {
    EXPECT_EQ(request.headers.at("accept"), "text/plain");
    return FakeResponse{200, {{"X-ReP-Commit", " abc "}}, "body"};
  });
  HttpRequest request = Get(server.url() + "/x");
  request.headers["Accept"] = "text/plain";
  const HttpResponse response = Fetch(request);
  EXPECT_EQ(response.body, "body");
  EXPECT_EQ(response.Header("x-rep-commit").substr(0, 3), "abc");
  EXPECT_EQ(response.Header("nothing"), "");
}

TEST(Http, HeadBringsNoBody) {
  FakeServer server([](const FakeRequest& request) {
    EXPECT_EQ(request.method, "HEAD");
    return FakeResponse{200, {{"ETag", "\"e\""}}, "body"};
  });
  HttpRequest request = Get(server.url());
  request.head = true;
  const HttpResponse response = Fetch(request);
  EXPECT_EQ(response.body, "");
  EXPECT_EQ(response.Header("content-length"), "4");
}

TEST(Http, CredentialsStayWithTheirHost) {
  FakeServer other(
      [](const FakeRequest&) { return FakeResponse{200, {}, "from storage"}; });
  FakeServer server([&](const FakeRequest& request) {
    if (request.path == "/here") return FakeResponse{200, {}, "from here"};
    if (request.path == "/own") {
      return FakeResponse{307, {{"Location", "/here"}}, ""};
    }
    return FakeResponse{302, {{"Location", other.url() + "/blob?sig=1"}}, ""};
  });
  HttpRequest request = Get(server.url() + "/away");
  request.authorization = "Bearer secret";
  HttpResponse response = Fetch(request);
  EXPECT_EQ(response.body, "from storage");
  EXPECT_EQ(response.url, other.url() + "/blob?sig=1");
  // The same machine at another port, or under another name, is another.
  EXPECT_FALSE(other.requests()[0].headers.contains("authorization"));
  request.url = server.url() + "/own";
  EXPECT_EQ(Fetch(request).body, "from here");
  EXPECT_EQ(server.requests().back().headers.at("authorization"),
            "Bearer secret");
}

TEST(Http, RedirectsEnd) {
  FakeServer server([](const FakeRequest&) {
    return FakeResponse{302, {{"Location", "/again"}}, ""};
  });
  EXPECT_EQ(Failure(Get(server.url())).code(), ErrorCode::kNetwork);
  EXPECT_LE(server.requests().size(), 12u);
  HttpRequest request = Get(server.url());
  request.follow_redirects = false;
  EXPECT_EQ(Fetch(request).status, 302);
}

TEST(Http, OtherSchemesAreRefused) {
  FakeServer server([](const FakeRequest&) {
    return FakeResponse{302, {{"Location", "file:///etc/passwd"}}, ""};
  });
  EXPECT_EQ(Failure(Get(server.url())).code(), ErrorCode::kNetwork);
  for (const char* url : {"file:///etc/passwd", "nonsense", "", "ftp://h/x"}) {
    EXPECT_EQ(Failure(Get(url)).code(), ErrorCode::kInvalidArgument) << url;
  }
}

TEST(Http, StatusesBecomeErrors) {
  int status = 0;
  FakeServer server([&](const FakeRequest&) {
    return FakeResponse{
        status, {{"X-Error-Code", "Reason"}, {"X-Error-Message", "Why"}}, "no"};
  });
  const std::vector<std::pair<int, ErrorCode>> expected = {
      {400, ErrorCode::kNetwork},  {401, ErrorCode::kAuth},
      {403, ErrorCode::kAuth},     {404, ErrorCode::kNotFound},
      {410, ErrorCode::kNotFound}, {429, ErrorCode::kNetwork},
      {500, ErrorCode::kNetwork},  {503, ErrorCode::kNetwork}};
  for (const auto& [number, code] : expected) {
    status = number;
    HttpRequest request = Get(server.url() + "/p?token=secret");
    request.authorization = "Bearer secret";
    const Error error = Failure(request);
    EXPECT_EQ(error.code(), code) << number;
    EXPECT_EQ(error.parts().where, server.url() + "/p");
    EXPECT_EQ(error.parts().got,
              "status " + std::to_string(number) + ", Reason, Why");
    EXPECT_EQ(error.message().find("secret"), std::string::npos);
  }
}

TEST(Http, FailuresAreTriedAgainAfterTheTimeAsked) {
  std::atomic<int> failures{0};
  std::string retry_after = "1";
  FakeServer server([&](const FakeRequest&) {
    if (failures-- > 0) {
      return FakeResponse{429, {{"Retry-After", retry_after}}, ""};
    }
    return FakeResponse{200, {}, "fine"};
  });
  HttpRequest request = Get(server.url());
  request.retries = 2;
  failures = 1;
  const auto start = Clock::now();
  EXPECT_EQ(Fetch(request).body, "fine");
  EXPECT_GE(SecondsSince(start), 1.0);
  // Longer than one would wait for a program: an error at once.
  failures = 1;
  retry_after = "3600";
  const auto again = Clock::now();
  EXPECT_EQ(Failure(request).code(), ErrorCode::kNetwork);
  EXPECT_LT(SecondsSince(again), 1.0);
}

TEST(Http, ABrokenBodyIsNotBegunAgain) {
  FakeServer server([](const FakeRequest&) {
    return FakeResponse{200, {}, std::string(100'000, 'x'), 50'000};
  });
  HttpRequest request = Get(server.url());
  request.retries = 3;
  size_t bytes = 0;
  request.on_body = [&](std::string_view piece) {
    bytes += piece.size();
    return true;
  };
  EXPECT_EQ(Failure(request).code(), ErrorCode::kNetwork);
  EXPECT_EQ(bytes, 50'000u);
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Http, WhatACallbackThrowsComesOut) {
  FakeServer server([](const FakeRequest&) {
    return FakeResponse{200, {}, std::string(100'000, 'x')};
  });
  HttpRequest request = Get(server.url());
  request.on_body = [](std::string_view) -> bool {
    throw std::runtime_error("mine");
  };
  EXPECT_THROW(Fetch(request), std::runtime_error);
  request.on_body = [](std::string_view) { return true; };
  request.on_response = [](const HttpResponse&) {
    throw std::runtime_error("mine");
  };
  EXPECT_THROW(Fetch(request), std::runtime_error);
  request = Get(server.url());
  request.cancelled = []() -> bool { throw std::runtime_error("mine"); };
  EXPECT_THROW(Fetch(request), std::runtime_error);
}

TEST(Http, BodiesAreBoundedAndCancellable) {
  FakeServer server([](const FakeRequest&) {
    return FakeResponse{200, {}, std::string(100'000, 'x')};
  });
  HttpRequest request = Get(server.url());
  request.max_body_bytes = 1000;
  EXPECT_EQ(Failure(request).code(), ErrorCode::kLimit);
  request.max_body_bytes = 1 << 20;
  request.on_body = [](std::string_view) { return false; };
  EXPECT_EQ(Failure(request).code(), ErrorCode::kCancelled);
}

TEST(Http, RangesAndTheirEnd) {
  FakeServer server(
      [](const FakeRequest&) { return FakeResponse{200, {}, "0123456789"}; });
  HttpRequest request = Get(server.url());
  request.range_start = 7;
  const HttpResponse part = Fetch(request);
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "789");
  request.range_start = 10;
  EXPECT_EQ(Fetch(request).status, 416);
}

TEST(Http, SilenceIsGivenUpInTime) {
  FakeServer server([](const FakeRequest&) {
    FakeResponse response{200, {}, "late"};
    response.delay_ms = 20'000;
    return response;
  });
  HttpRequest request = Get(server.url());
  request.connect_timeout_ms = 500;
  request.stall_timeout_ms = 1000;
  const auto start = Clock::now();
  EXPECT_EQ(Failure(request).code(), ErrorCode::kNetwork);
  EXPECT_LT(SecondsSince(start), 5.0);
}

TEST(Http, ARefusedConnectionIsANetworkError) {
  std::string url;
  {
    url = FakeServer([](const FakeRequest&) { return FakeResponse{}; }).url();
  }
  const Error error = Failure(Get(url));
  EXPECT_EQ(error.code(), ErrorCode::kNetwork);
  EXPECT_EQ(error.parts().where, url + "/");
}

TEST(Http, HeadersCannotBeInjected) {
  FakeServer server([](const FakeRequest&) { return FakeResponse{}; });
  HttpRequest request = Get(server.url());
  request.authorization = "Bearer a\r\nX-Evil: 1";
  EXPECT_EQ(Failure(request).code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(server.requests().empty());
}

TEST(Urls, MessagesCarryNoSecrets) {
  EXPECT_EQ(PublicUrl("https://user:pass@h.example/p?token=1#x"),
            "https://h.example/p");
  EXPECT_EQ(Origin("HTTPS://H.example/p"), "https://h.example:443");
  EXPECT_NE(Origin("http://h.example"), Origin("https://h.example"));
  EXPECT_NE(Origin("http://h.example:1"), Origin("http://h.example:2"));
}

TEST(Urls, ReferencesAndCredentials) {
  EXPECT_EQ(ResolveUrl("http://h.example/a/b/", "../c?d"),
            "http://h.example/a/c?d");
  EXPECT_EQ(ResolveUrl("http://h.example/a", "https://i.example/x"),
            "https://i.example/x");
  EXPECT_EQ(WithCredentialsOf("http://u:p@h.example/s", "http://h.example/f"),
            "http://u:p@h.example/f");
  EXPECT_EQ(WithCredentialsOf("http://u:p@h.example/s", "http://i.example/f"),
            "http://i.example/f");
  EXPECT_EQ(PercentEncode("a b/ü#", "/"), "a%20b/%C3%BC%23");
  EXPECT_EQ(PercentEncode("refs/pr/1"), "refs%2Fpr%2F1");
}

}  // namespace
}  // namespace malmoi::net
