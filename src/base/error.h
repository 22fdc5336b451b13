// The one exception type for what the outside world got wrong: a bad file, a
// missing model, a refused connection. Our own mistakes are MALMOI_CHECKs.
// The library throws; it never prints, aborts or exits for the user's input.
// The command line maps the code to an exit status, the server to HTTP. The
// type itself is public: include/malmoi/error.h.
#ifndef MALMOI_BASE_ERROR_H_
#define MALMOI_BASE_ERROR_H_

#include "malmoi/error.h"

namespace malmoi {

// Throws the Error for a failed system call: ENOENT is kNotFound, EACCES
// kPermission, ENOSPC and EDQUOT kDiskFull, the rest kIo.
// Example: ThrowErrno(path, "cannot open file").
[[noreturn]] void ThrowErrno(std::string where, std::string what,
                             int error_number);

}  // namespace malmoi

#endif  // MALMOI_BASE_ERROR_H_
