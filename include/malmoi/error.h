// The one exception type of malmoi: what the outside world got wrong. Our own
// mistakes are std::logic_error.
#ifndef MALMOI_ERROR_H_
#define MALMOI_ERROR_H_

#include <exception>
#include <string>
#include <string_view>

#include "malmoi/export.h"

namespace malmoi {

enum class ErrorCode {
  kInvalidArgument,  // a value the caller gave makes no sense
  kUsage,            // the command line itself is wrong
  kNotFound,         // file, model, alias or entry is not there
  kCorrupt,          // bytes that break their format's rules
  kUnsupported,      // well-formed, but not something malmoi can do
  kContextOverflow,  // more tokens than the context holds
  kNetwork,          // no connection, time-out, server error
  kAuth,             // 401, 403, gated model
  kDiskFull,         // no space left, quota
  kPermission,       // unwritable or unreadable path
  kIo,               // any other failure of the operating system
  kHashMismatch,     // content differs from its pinned hash
  kLimit,            // a safety limit (steps, depth, output, memory)
  kCancelled,        // the user stopped it
};

// "not_found" for kNotFound: stable, used in --json output.
MALMOI_EXPORT std::string_view ErrorCodeName(ErrorCode code);

// The parts of a message `where: what; expected X, got Y; try Z`. `where` and
// `what` are required, the others may be empty. `what` is a short constant
// English phrase where possible, so that it can be translated.
struct ErrorParts {
  std::string where;
  std::string what;
  std::string expected;
  std::string got;
  std::string hint;  // what to try
};

class MALMOI_EXPORT Error : public std::exception {
 public:
  Error(ErrorCode code, ErrorParts parts);

  ErrorCode code() const { return code_; }
  const ErrorParts& parts() const { return parts_; }
  // The English message, `where: what; expected X, got Y; try Z`.
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  ErrorParts parts_;
  std::string message_;
};

}  // namespace malmoi

#endif  // MALMOI_ERROR_H_
