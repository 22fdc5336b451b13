#include "formats/detect.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace malmoi::formats {

namespace {

std::string FirstBytes(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) ThrowErrno(path.string(), "cannot open file", errno);
  std::string bytes(512, '\0');
  const ssize_t count = read(file, bytes.data(), bytes.size());
  const int error = errno;
  close(file);
  if (count < 0) ThrowErrno(path.string(), "cannot read file", error);
  bytes.resize(static_cast<size_t>(count));
  return bytes;
}

bool IsText(const std::string& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 || c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

}  // namespace

FileKind DetectFile(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    return std::filesystem::exists(path / "config.json", error)
               ? FileKind::kHfFolder
               : FileKind::kFolder;
  }
  const std::string bytes = FirstBytes(path);
  const auto starts = [&](std::string_view prefix) {
    return std::string_view(bytes).starts_with(prefix);
  };
  if (bytes.empty()) return FileKind::kEmpty;
  if (starts("GGUF")) return FileKind::kGguf;
  if (starts("tjgg") || starts("lmgg") || starts("fmgg")) {
    return FileKind::kGgml;
  }
  if (starts("PK\x03\x04")) return FileKind::kZip;
  if (bytes[0] == '\x80' && bytes.size() > 1 && bytes[1] >= 2 &&
      bytes[1] <= 5) {
    return FileKind::kPickle;
  }
  if (starts("version https://git-lfs")) return FileKind::kLfsPointer;
  if (bytes.size() > 9 && bytes[8] == '{' && bytes[7] == '\0') {
    return FileKind::kSafetensors;
  }
  std::string lower(bytes);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  const size_t first = lower.find_first_not_of(" \t\r\n");
  const std::string_view content = first == std::string::npos
                                       ? std::string_view()
                                       : std::string_view(lower).substr(first);
  if (content.starts_with("<!doctype html") || content.starts_with("<html")) {
    return FileKind::kHtml;
  }
  if (!IsText(bytes)) return FileKind::kUnknown;
  return content.starts_with("{") || content.starts_with("[") ? FileKind::kJson
                                                              : FileKind::kText;
}

std::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kGguf:
      return "a GGUF file";
    case FileKind::kSafetensors:
      return "a safetensors file";
    case FileKind::kHfFolder:
      return "a Hugging Face folder";
    case FileKind::kFolder:
      return "a folder without config.json";
    case FileKind::kEmpty:
      return "an empty file";
    case FileKind::kPickle:
      return "a Python pickle";
    case FileKind::kZip:
      return "a zip archive (perhaps of PyTorch)";
    case FileKind::kGgml:
      return "a GGML file from before GGUF";
    case FileKind::kHtml:
      return "a web page";
    case FileKind::kLfsPointer:
      return "a Git LFS pointer, not the file";
    case FileKind::kJson:
      return "JSON";
    case FileKind::kText:
      return "text";
    case FileKind::kUnknown:
      break;
  }
  return "something else";
}

namespace {

constexpr std::string_view kPickled =
    "pickled weights are refused, because loading them runs code";
constexpr std::string_view kSafer =
    "the safetensors or GGUF files of the same model";

// Weights that are none of malmoi's, by the ends of their names; the first row
// that fits counts.
struct Foreign {
  std::string_view end, what, hint;
};
constexpr Foreign kForeign[] = {
    {"adapter_config.json", "an adapter, not a model",
     "--adapter with this folder, and the model it was made for"},
    {".gguf", "not a model", "the .gguf file in this folder"},
    {"pytorch_model.bin", kPickled, kSafer},
    {"pytorch_model.bin.index.json", kPickled, kSafer},
    {".pt", kPickled, kSafer},
    {".pth", kPickled, kSafer},
    {".ckpt", kPickled, kSafer},
    {".bin", kPickled, kSafer},
    {".safetensors", "weights under another name", "model.safetensors"},
    {".h5", "weights of another framework", kSafer},
    {".msgpack", "weights of another framework", kSafer},
    {".onnx", "weights of another framework", kSafer},
    {".ot", "weights of another framework", kSafer},
    {".tflite", "weights of another framework", kSafer},
    {".mlmodel", "weights of another framework", kSafer},
};

// What training leaves beside weights.
bool IsOfTraining(std::string_view name) {
  return name.starts_with("optimizer") || name.starts_with("scheduler") ||
         name.starts_with("rng_state") || name.starts_with("training_args");
}

// Throws where there are weights that malmoi does not read.
void RefuseForeign(const std::filesystem::path& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  for (const Foreign& foreign : kForeign) {
    for (const std::string& name : names) {
      if (!name.ends_with(foreign.end) || IsOfTraining(name)) continue;
      throw Error(ErrorCode::kUnsupported, {.where = folder.string(),
                                            .what = std::string(foreign.what),
                                            .expected = "model.safetensors",
                                            .got = name,
                                            .hint = std::string(foreign.hint)});
    }
  }
}

}  // namespace

void RefuseFolder(const std::filesystem::path& folder) {
  RefuseForeign(folder);
  throw Error(ErrorCode::kNotFound, {.where = folder.string(),
                                     .what = "no weights in this folder",
                                     .expected = "model.safetensors"});
}

void RefuseFile(const std::filesystem::path& path) {
  const FileKind kind = DetectFile(path);
  if (kind == FileKind::kFolder) RefuseForeign(path);
  std::string what = "not a model";
  std::string hint = "a .gguf file or a Hugging Face folder";
  if (kind == FileKind::kPickle || kind == FileKind::kZip) {
    what = kPickled;
    hint = kSafer;
  } else if (kind == FileKind::kLfsPointer) {
    hint = "git lfs pull";
  } else if (kind == FileKind::kSafetensors) {
    what = "a lone safetensors file has no configuration";
    hint = "the folder it belongs to, with config.json";
  }
  throw Error(ErrorCode::kUnsupported, {.where = path.string(),
                                        .what = std::move(what),
                                        .expected = "a model",
                                        .got = std::string(FileKindName(kind)),
                                        .hint = std::move(hint)});
}

}  // namespace malmoi::formats
