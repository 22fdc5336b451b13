// How downloads report themselves; the caller decides what to show.
#ifndef MALMOI_HUB_PROGRESS_H_
#define MALMOI_HUB_PROGRESS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::hub {

struct DownloadPlan {
  std::string name;     // of the model
  std::string source;   // "the Hub, org/repo" or "package x 1.0"
  std::string licence;  // empty: not stated
  uint64_t total_bytes = 0;
  std::vector<std::string> files;  // that are not here yet
};

class Progress {
 public:
  virtual ~Progress() = default;
  virtual void Notice(std::string_view) {}   // a source passed over
  virtual void Plan(const DownloadPlan&) {}  // before the first byte
  virtual void Bytes(uint64_t /*done*/, uint64_t /*total*/) {}
  virtual bool Cancelled() { return false; }
};

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_PROGRESS_H_
