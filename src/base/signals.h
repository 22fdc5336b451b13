// Which thread gets the process's signals.
#ifndef MALMOI_BASE_SIGNALS_H_
#define MALMOI_BASE_SIGNALS_H_

#include <csignal>

namespace malmoi {

// While one of these lives its thread, and threads that begin in it, get no
// signals, or not the one named; so those of the process reach a thread that
// waits for them.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  explicit NoSignals(int signal) {
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signal);
    pthread_sigmask(SIG_BLOCK, &one, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace malmoi

#endif  // MALMOI_BASE_SIGNALS_H_
