// Which thread gets the process's signals.
#ifndef MALMOI_BASE_SIGNALS_H_
#define MALMOI_BASE_SIGNALS_H_

#include <csignal>

namespace malmoi {

// Threads that begin while one of these lives get no signals, so that those of
// the process reach the thread that waits for them.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_SIGNALS_H_
