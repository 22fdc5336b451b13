// Several answers at once, one forward a step. Every answer that is being
// drawn has its row in every step; what is left of a step's rows goes to
// prompts in equal shares. One thread; scheduler.h puts one around it.
#ifndef MALMOI_GENERATE_BATCH_BATCHER_H_
#define MALMOI_GENERATE_BATCH_BATCHER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "generate/batch/page_count.h"
#include "generate/batch/prefix_cache.h"
#include "generate/batch/request.h"

namespace malmoi::generate {

struct SchedulerOptions {
  int64_t context = 0;  // tokens of each sequence; 0: as the model's training
  int64_t max_sequences = 8;
  std::optional<models::KvType> kv_type;  // else the decoder's
  // Rows of a step. Where so many answers are drawn that their rows are more,
  // each still has one, and so have the prompts together.
  int64_t step_tokens = 512;
  // Keys and values, and states, of all sequences, those kept for later prompts
  // included.
  // 0: what max_sequences full contexts take.
  size_t memory_bytes = 0;
  // Sequences of finished requests that are kept for prompts which begin as
  // they did, as far as their memory is not needed.
  int64_t max_kept = 16;
};

struct SchedulerStats {
  int64_t waiting = 0;  // requests, by state
  int64_t running = 0;
  int64_t finished = 0;           // since the start, however they ended
  int64_t kept_sequences = 0;     // for later prompts
  int64_t evicted_sequences = 0;  // since the start
  size_t bytes = 0;               // of all sequences; shared pages once
  size_t memory_bytes = 0;        // their bound
  int64_t steps = 0;              // since the start
  int64_t step_rows = 0;          // of the last step
  int64_t step_prompt_rows = 0;
  int64_t step_sequences = 0;
};

class Batcher {
 public:
  // Throws kInvalidArgument for options out of range.
  Batcher(std::shared_ptr<const LanguageModel> model,
          const SchedulerOptions& options);

  // From any thread. Throws what Session::Generate throws for the prompt and
  // the options, and kLimit where the answer may grow beyond memory_bytes.
  // `on_done` is called once at the end, behind the last other callback.
  std::shared_ptr<Request> NewRequest(std::vector<int32_t> prompt,
                                      GenerateOptions options,
                                      std::function<void()> on_done = {}) const;

  // Behind those that wait.
  void Add(std::shared_ptr<Request> request);
  // One forward and what follows from it. False if there was nothing to do.
  // Callbacks are called here; what they throw ends their request only.
  bool Step();
  // Ends all with kCancelled.
  void CancelAll();

  SchedulerStats stats() const;

 private:
  using RequestPtr = std::shared_ptr<Request>;
  struct Share {
    Request* request = nullptr;
    int64_t rows = 0;
    models::SequenceInput input;
  };

  void EndCancelled();
  void Admit();
  bool MakeRoom(const Request& request);
  void Evict();
  size_t MostBytes(const Request* also, bool with_kept) const;
  int64_t Growth(const Request& request, const PageCount& count) const;
  void Attach(Request& request);
  bool Follows(const Request& request) const;
  std::vector<Share> Plan();
  void ShareRows(int64_t rows, std::span<Share> prompts);
  void Forward(std::vector<Share>& shares);
  void ForwardEach(std::vector<Share>& shares);
  void Take(Request& request, std::span<const float> logits);
  void End(Request& request);
  void RemoveEnded();

  std::shared_ptr<const LanguageModel> model_;
  SchedulerOptions options_;
  models::KvShape shape_;
  Arena arena_;
  std::deque<RequestPtr> waiting_;
  std::vector<RequestPtr> running_;  // in the order of their admission
  PrefixCache cache_;
  int64_t turn_ = 0;      // whose prompt gets the remainder of the rows
  SchedulerStats stats_;  // what is counted as it happens
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_BATCH_BATCHER_H_
