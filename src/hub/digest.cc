#include "hub/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <fstream>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "base/format.h"

namespace malmoi::hub {

struct Digest::State {
  explicit State(const EVP_MD* kind) : context(EVP_MD_CTX_new()) {
    MALMOI_CHECK(EVP_DigestInit_ex(context, kind, nullptr) == 1);
  }
  ~State() { EVP_MD_CTX_free(context); }
  EVP_MD_CTX* context;
};

Digest::Digest(std::unique_ptr<State> state) : state_(std::move(state)) {}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

Digest Digest::Sha256() {
  return Digest(std::make_unique<State>(EVP_sha256()));
}
Digest Digest::GitBlob(uint64_t bytes) {
  Digest digest(std::make_unique<State>(EVP_sha1()));
  std::string header = Format("blob {}", bytes);
  header += '\0';
  digest.Add(header);
  return digest;
}

void Digest::Add(std::string_view bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Digest::Hex() {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_DigestFinal_ex(state_->context, out, &size);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += Format("{:02x}", out[i]);
  return hex;
}

std::string FileSha256(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) ThrowErrno(path.string(), "cannot open file", errno);
  Digest digest = Digest::Sha256();
  std::vector<char> buffer(1 << 20);
  while (in) {
    in.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    digest.Add({buffer.data(), static_cast<size_t>(in.gcount())});
  }
  if (in.bad()) ThrowErrno(path.string(), "cannot read file", errno);
  return digest.Hex();
}

}  // namespace malmoi::hub
