#include "models/packed_cache.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/log.h"
#include "base/sha256.h"
#include "base/signals.h"
#include "kernels/kernels.h"

namespace malmoi::models {

namespace {

namespace fs = std::filesystem;

// A file: the boot in which it was last known to be whole, a line; at 64 the
// header; at 1 MiB the sum of every piece of the panels; at 2 MiB (a huge
// page, which some file systems map as one) the panels. Nothing is synced:
// while the machine has not been started anew the page cache has all of it,
// and after that every sum is checked once.
constexpr size_t kHeaderStart = 64;
constexpr size_t kSumsStart = size_t{1} << 20;
constexpr size_t kDataStart = size_t{2} << 20;
constexpr size_t kPiece = size_t{8} << 20;
constexpr std::string_view kSuffix = ".panels";

std::string BootLine() {
  std::string line;
  try {
    line = ReadFile("/proc/sys/kernel/random/boot_id");
  } catch (const Error&) {  // then sums are checked at every load
  }
  line.resize(kHeaderStart, ' ');
  return line;
}

std::vector<uint64_t> Sums(std::span<const std::byte> panels,
                           ThreadPool& pool) {
  std::vector<uint64_t> sums((panels.size() + kPiece - 1) / kPiece);
  pool.Run(static_cast<int>(sums.size()), [&](int task, int) {
    const size_t at = static_cast<size_t>(task) * kPiece;
    sums[static_cast<size_t>(task)] = kernels::Kernels().read_sum(
        panels.data() + at, std::min(kPiece, panels.size() - at));
  });
  return sums;
}

// All that the panels depend on, as text: the head of a file.
std::string Header(const Checkpoint& checkpoint,
                   std::span<const ops::PackJob> jobs) {
  std::string out = Format("malmoi packed panels 2\n{}\n",
                           WeightsMark(checkpoint.path, /*times=*/true));
  for (const ops::PackJob& job : jobs) {
    const ops::PackedMatrix& matrix = *job.matrix;
    const kernels::PanelFormat& format = matrix.format;
    out += Format("{} {} {} {} {} {} {} {} {}\n", Info(job.tensor->dtype).name,
                  static_cast<int>(format.codes), format.super, format.group,
                  format.stored_min, format.zero, matrix.lanes, matrix.rows,
                  matrix.columns);
  }
  return out + "end\n";
}

fs::path FileFor(const fs::path& folder, const std::string& header) {
  const std::string hash = Sha256Hex(std::as_bytes(std::span(header)));
  return folder / (hash.substr(0, 32) + std::string(kSuffix));
}

// Removes the files used longest ago until `bytes` more fit the limit, and
// what a killed process left half written.
bool MakeRoom(const PackedCacheOptions& options, uint64_t bytes) {
  struct Kept {
    fs::file_time_type used;
    uint64_t bytes;
    fs::path path;
  };
  std::error_code error;
  const fs::space_info space = fs::space(options.folder, error);
  if (error || bytes > options.limit_bytes ||
      space.available < 2 * bytes + (uint64_t{1} << 30)) {
    return false;
  }
  std::vector<Kept> kept;
  uint64_t total = 0;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(options.folder, error)) {
    const std::string name = entry.path().filename().string();
    Kept file = {entry.last_write_time(error), entry.file_size(error),
                 entry.path()};
    if (name.find(std::string(kSuffix) + ".tmp.") != std::string::npos) {
      if (now - file.used > std::chrono::hours(24)) {
        fs::remove(file.path, error);
      }
    } else if (name.ends_with(kSuffix)) {
      total += file.bytes;
      kept.push_back(std::move(file));
    }
  }
  std::sort(kept.begin(), kept.end(),
            [](const Kept& a, const Kept& b) { return a.used < b.used; });
  for (const Kept& file : kept) {
    if (total + bytes <= options.limit_bytes) break;
    if (fs::remove(file.path, error)) total -= file.bytes;
  }
  return total + bytes <= options.limit_bytes;
}

bool WriteAt(int fd, size_t offset, const void* data, size_t bytes) {
  const auto* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = pwrite(fd, from, bytes, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    from += n;
    offset += static_cast<size_t>(n);
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

// Whether a file's panels are what was written. Sums are checked if it is of
// an earlier boot; it is then marked as of this one.
bool IsWhole(const MappedFile& file, ThreadPool& pool) {
  const std::string boot = BootLine();
  const auto bytes = file.bytes();
  if (boot.front() != ' ' &&
      std::memcmp(bytes.data(), boot.data(), boot.size()) == 0) {
    return true;
  }
  const auto panels = bytes.subspan(kDataStart);
  const auto sums = Sums(panels, pool);
  if (std::memcmp(bytes.data() + kSumsStart, sums.data(),
                  sums.size() * sizeof(uint64_t)) != 0) {
    return false;
  }
  const int fd = open(file.path().c_str(), O_WRONLY | O_CLOEXEC);
  if (fd >= 0) {  // a folder that may only be read is checked every time
    WriteAt(fd, 0, boot.data(), boot.size());
    close(fd);
  }
  return true;
}

}  // namespace

PackedCache::~PackedCache() {
  // Not worth doing again what takes a moment to finish.
  constexpr size_t kSoon = size_t{4} << 30;
  if (left_.load() > kSoon) stop_.store(true);
  Finish();
}

void PackedCache::Finish() {
  if (writer_.joinable()) writer_.join();
}

bool PackedCache::Map(const Checkpoint& checkpoint,
                      std::span<const ops::PackJob> jobs, ThreadPool& pool) {
  if (options_.folder.empty() || jobs.empty()) return false;
  ops::PlanPanels(jobs);
  const std::string header = Header(checkpoint, jobs);
  const fs::path path = FileFor(options_.folder, header);
  std::shared_ptr<const MappedFile> file;
  try {
    file = MappedFile::Open(path);
  } catch (const Error&) {
    return false;  // there is none
  }
  const auto bytes = file->bytes();
  if (bytes.size() != kDataStart + ops::PanelBlockBytes(jobs) ||
      header.size() > kSumsStart - kHeaderStart ||
      std::memcmp(bytes.data() + kHeaderStart, header.data(), header.size()) !=
          0 ||
      !IsWhole(*file, pool)) {
    Log(LogLevel::kWarning,
        Format("{}: not what was written; packing anew", path.string()));
    return false;
  }
  ops::PlacePanels(jobs, {file, bytes.data() + kDataStart});
  std::error_code error;  // it was used now
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);
  return true;
}

void PackedCache::Keep(const Checkpoint& checkpoint,
                       std::span<const ops::PackJob> jobs) {
  if (options_.folder.empty() || jobs.empty() || writer_.joinable()) return;
  std::error_code error;
  fs::create_directories(options_.folder, error);
  const size_t bytes = ops::PanelBlockBytes(jobs);
  const std::string header = Header(checkpoint, jobs);
  if (error || header.size() > kSumsStart - kHeaderStart ||
      bytes / kPiece * sizeof(uint64_t) >= kDataStart - kSumsStart ||
      !MakeRoom(options_, kDataStart + bytes)) {
    Log(LogLevel::kInfo,
        Format("{}: no room to keep packed weights", options_.folder.string()));
    return;
  }
  const ops::PackedMatrix& first = *jobs.front().matrix;
  const std::shared_ptr<const std::byte> block(first.owner, first.data);
  left_.store(bytes);
  const NoSignals quiet;
  writer_ = std::thread([this, path = FileFor(options_.folder, header), header,
                         block, bytes] { Write(path, header, block, bytes); });
}

void PackedCache::Write(const fs::path& path, const std::string& header,
                        std::shared_ptr<const std::byte> block, size_t bytes) {
  setpriority(PRIO_PROCESS, 0, 10);  // of this thread, on Linux
  std::string temporary = path.string() + ".tmp.XXXXXX";
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return;
  const std::string boot = BootLine();
  bool good = WriteAt(fd, 0, boot.data(), boot.size()) &&
              WriteAt(fd, kHeaderStart, header.data(), header.size());
  std::vector<uint64_t> sums;
  for (size_t at = 0; good && at < bytes; at += kPiece) {
    const size_t count = std::min(kPiece, bytes - at);
    sums.push_back(kernels::Kernels().read_sum(block.get() + at, count));
    good =
        !stop_.load() && WriteAt(fd, kDataStart + at, block.get() + at, count);
    left_.store(bytes - at - count);
  }
  good = good &&
         WriteAt(fd, kSumsStart, sums.data(), sums.size() * sizeof(uint64_t)) &&
         fchmod(fd, 0644) == 0;
  close(fd);
  if (!good || rename(temporary.c_str(), path.c_str()) != 0) {
    unlink(temporary.c_str());
    Log(LogLevel::kInfo,
        Format("{}: packed weights are not kept", path.string()));
  }
  left_.store(0);
}

}  // namespace malmoi::models
