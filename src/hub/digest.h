// Digests that name content: sha256, and git's sha1 of a blob.
#ifndef MALMOI_HUB_DIGEST_H_
#define MALMOI_HUB_DIGEST_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace malmoi::hub {

class Digest {
 public:
  static Digest Sha256();
  // Git's object name of a file of `bytes` bytes.
  static Digest GitBlob(uint64_t bytes);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void Add(std::string_view bytes);
  std::string Hex();  // ends it

 private:
  struct State;
  explicit Digest(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Of a whole file. Throws as reading does.
std::string FileSha256(const std::filesystem::path& path);

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_DIGEST_H_
