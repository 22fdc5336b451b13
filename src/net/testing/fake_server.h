// A loopback HTTP server that answers as a test says: a Hugging Face
// endpoint, its storage or a package index, with the faults that tests ask
// for. One thread per connection.
#ifndef MALMOI_NET_TESTING_FAKE_SERVER_H_
#define MALMOI_NET_TESTING_FAKE_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace malmoi::net {

struct FakeRequest {
  std::string method, path;
  std::map<std::string, std::string> headers;  // lower-case names
};

struct FakeResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // Of the body, how much is sent before the connection is cut; npos: all.
  size_t cut = std::string::npos;
  bool ranges = true;  // whether "Range:" is honoured
  bool length = true;  // whether Content-Length is sent
  int delay_ms = 0;    // before the answer
  int trickle_ms = 0;  // between pieces of 16 KiB
};

class FakeServer {
 public:
  using Handler = std::function<FakeResponse(const FakeRequest&)>;

  explicit FakeServer(Handler handler) : handler_(std::move(handler)) {
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        listen(listener_, 64) != 0) {
      std::abort();
    }
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Accept(); });
  }
  ~FakeServer() {
    stop_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    for (std::thread& worker : workers_) worker.join();
  }

  std::string url(const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_);
  }
  // What a test wrote before this call is seen by the handlers of requests
  // that come after it, other processes' requests too.
  static void Publish() {
    static std::mutex order;
    const std::lock_guard lock(order);
  }
  std::vector<FakeRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void Accept() {
    while (!stop_) {
      const int client = accept(listener_, nullptr, nullptr);
      if (client < 0) return;
      workers_.emplace_back([this, client] {
        Serve(client);
        close(client);
      });
    }
  }

  static FakeRequest Parse(const std::string& input) {
    FakeRequest request;
    const size_t line_end = input.find("\r\n");
    const std::string line = input.substr(0, line_end);
    const size_t first = line.find(' ');
    const size_t second = line.find(' ', first + 1);
    request.method = line.substr(0, first);
    request.path = line.substr(first + 1, second - first - 1);
    size_t at = line_end + 2;
    while (true) {
      const size_t end = input.find("\r\n", at);
      if (end == at || end == std::string::npos) return request;
      const std::string header = input.substr(at, end - at);
      const size_t colon = header.find(':');
      std::string name = header.substr(0, colon);
      for (char& c : name) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      }
      request.headers[name] = header.substr(colon + 2);
      at = end + 2;
    }
  }

  void Serve(int client) {
    std::string input;
    char buffer[4096];
    while (input.find("\r\n\r\n") == std::string::npos) {
      const ssize_t count = recv(client, buffer, sizeof(buffer), 0);
      if (count <= 0) return;
      input.append(buffer, static_cast<size_t>(count));
    }
    const FakeRequest request = Parse(input);
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    Publish();
    FakeResponse response = handler_(request);
    // Ranges of whole answers, as a file server would.
    const auto range = request.headers.find("range");
    if (response.status == 200 && response.ranges &&
        range != request.headers.end()) {
      const size_t start = std::stoul(range->second.substr(6));
      const size_t size = response.body.size();
      const std::string total = "/" + std::to_string(size);
      if (start < size) {
        response.body.erase(0, start);
        response.status = 206;
        response.headers.emplace_back("Content-Range",
                                      "bytes " + std::to_string(start) + "-" +
                                          std::to_string(size - 1) + total);
      } else {
        response = {416, {{"Content-Range", "bytes *" + total}}, ""};
      }
    }
    for (int waited = 0; waited < response.delay_ms && !stop_; waited += 10) {
      usleep(10'000);
    }
    std::string output = "HTTP/1.1 " + std::to_string(response.status) +
                         " X\r\nConnection: close\r\n";
    if (response.length) {
      output +=
          "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
    }
    for (const auto& [name, value] : response.headers) {
      output += name + ": " + value + "\r\n";
    }
    output += "\r\n";
    if (request.method != "HEAD") {
      output += response.body.substr(0, response.cut);
    }
    size_t sent = 0;
    while (sent < output.size() && !stop_) {
      const size_t piece = response.trickle_ms > 0 ? 16'384 : output.size();
      const ssize_t count =
          send(client, output.data() + sent,
               std::min(piece, output.size() - sent), MSG_NOSIGNAL);
      if (count <= 0) return;
      sent += static_cast<size_t>(count);
      if (response.trickle_ms > 0) {
        usleep(static_cast<unsigned>(response.trickle_ms) * 1000);
      }
    }
    shutdown(client, SHUT_RDWR);
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  std::vector<std::thread> workers_;  // only Accept() adds
  mutable std::mutex mutex_;
  std::vector<FakeRequest> requests_;
};

}  // namespace malmoi::net

#endif  // MALMOI_NET_TESTING_FAKE_SERVER_H_
