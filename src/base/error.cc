#include "base/error.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace malmoi {

std::string_view ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid_argument";
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kContextOverflow:
      return "context_overflow";
    case ErrorCode::kNetwork:
      return "network";
    case ErrorCode::kAuth:
      return "auth";
    case ErrorCode::kDiskFull:
      return "disk_full";
    case ErrorCode::kPermission:
      return "permission";
    case ErrorCode::kIo:
      return "io";
    case ErrorCode::kHashMismatch:
      return "hash_mismatch";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

namespace {

std::string Format(const ErrorParts& parts) {
  std::string message = parts.where;
  if (!message.empty()) message += ": ";
  message += parts.what;
  if (!parts.expected.empty()) message += "; expected " + parts.expected;
  if (!parts.got.empty()) {
    message += parts.expected.empty() ? "; got " : ", got ";
    message += parts.got;
  }
  if (!parts.hint.empty()) message += "; try " + parts.hint;
  return message;
}

}  // namespace

Error::Error(ErrorCode code, ErrorParts parts)
    : code_(code), parts_(std::move(parts)), message_(Format(parts_)) {}

void ThrowErrno(std::string where, std::string what, int error_number) {
  ErrorCode code = ErrorCode::kIo;
  std::string hint;
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      code = ErrorCode::kNotFound;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = ErrorCode::kPermission;
      hint = "checking the permissions of the path";
      break;
    case ENOSPC:
    case EDQUOT:
      code = ErrorCode::kDiskFull;
      hint = "freeing space, or a cache on another disk";
      break;
    default:
      break;
  }
  throw Error(code, {.where = std::move(where),
                     .what = std::move(what),
                     .got = std::strerror(error_number),
                     .hint = std::move(hint)});
}

}  // namespace malmoi
