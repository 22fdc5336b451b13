// What a file is by its first bytes, and the refusal of what is no model.
#ifndef MALMOI_FORMATS_DETECT_H_
#define MALMOI_FORMATS_DETECT_H_

#include <filesystem>
#include <string_view>

namespace malmoi::formats {

enum class FileKind {
  kGguf,
  kSafetensors,
  kHfFolder,
  kFolder,
  kEmpty,
  kPickle,
  kZip,
  kGgml,  // GGML and GGJT, before GGUF
  kHtml,
  kLfsPointer,
  kJson,
  kText,
  kUnknown,
};

// Throws kNotFound and kPermission.
FileKind DetectFile(const std::filesystem::path& path);
// "a web page": for messages.
std::string_view FileKindName(FileKind kind);

// Throws kUnsupported saying what the file seems to be and what to try.
[[noreturn]] void RefuseFile(const std::filesystem::path& path);

// Of a folder without model.safetensors: says what weights lie there instead
// (kUnsupported), or that there are none (kNotFound).
[[noreturn]] void RefuseFolder(const std::filesystem::path& folder);

}  // namespace malmoi::formats

#endif  // MALMOI_FORMATS_DETECT_H_
