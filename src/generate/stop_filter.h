// Ends an answer before a stop string, which may come in several pieces.
#ifndef MALMOI_GENERATE_STOP_FILTER_H_
#define MALMOI_GENERATE_STOP_FILTER_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace malmoi::generate {

// Holds text back while it may be the beginning of a stop string.
class StopFilter {
 public:
  explicit StopFilter(const std::vector<std::string>& stops) : stops_(stops) {
    for (const std::string& stop : stops_) {
      if (stop.empty()) {
        throw Error(ErrorCode::kInvalidArgument,
                    {.where = "stop", .what = "an empty stop string"});
      }
    }
  }

  // What may be shown; `stopped()` once a stop string is complete.
  std::string Push(const std::string& text) {
    if (stops_.empty()) return text;
    held_ += text;
    size_t first = std::string::npos;
    for (const std::string& stop : stops_) {
      first = std::min(first, held_.find(stop));
    }
    if (first != std::string::npos) {
      stopped_ = true;
      return held_.substr(0, first);
    }
    size_t keep = 0;
    for (const std::string& stop : stops_) {
      for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
        if (std::string_view(held_).ends_with(stop.substr(0, n))) keep = n;
      }
    }
    std::string ready = held_.substr(0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return ready;
  }
  std::string Finish() { return stopped_ ? "" : std::move(held_); }
  bool stopped() const { return stopped_; }

 private:
  const std::vector<std::string>& stops_;
  std::string held_;
  bool stopped_ = false;
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_STOP_FILTER_H_
