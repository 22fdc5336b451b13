// One answer as a state machine: it says which tokens to feed next and takes
// their logits. Whoever holds it runs the forward, a session for one answer,
// batch/ for many at once, so that both give the same answers.
#ifndef MALMOI_GENERATE_GENERATION_H_
#define MALMOI_GENERATE_GENERATION_H_

#include <cstdint>
#include <span>
#include <vector>

#include "generate/session.h"
#include "generate/stop_filter.h"
#include "generate/token_sequence.h"

namespace malmoi::generate {

// Guessed tokens are fed with the last one and looked at in order: each is
// drawn as if it came alone, and as the logits are the same bit for bit, so
// is the answer.
class Generation {
 public:
  // Model, prompt and options must outlive it; `lookup` stands for that of
  // the options. Throws what Session::Generate says, and kInvalidArgument for
  // options out of range.
  Generation(const LanguageModel& model, std::span<const int32_t> prompt,
             const GenerateOptions& options, Lookup lookup, int64_t context);
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // What is read: the whole prompt, or the last tokens of one that is longer
  // than the context.
  std::span<const int32_t> prompt() const { return prompt_; }

  // From here on it appends to `past`, which holds a beginning of prompt(),
  // at least one token less than all, and room for the context.
  void Begin(TokenSequence& past);

  // While it is not done: Next, a forward of what it says, Take.
  bool done() const { return done_; }
  // Tokens that are left of the prompt, or of a window that has slid. 0 while
  // the answer is drawn.
  int64_t left() const { return static_cast<int64_t>(reading_.size() - read_); }
  // At most `most` tokens (>= 1), valid until Take.
  models::SequenceInput Next(int64_t most);
  // The logits that Next asked for. Calls on_prompt, on_step and cancelled;
  // what these throw goes through. Afterwards all tokens of the past are
  // those of the text.
  void Take(std::span<const float> logits);
  // Ends it with kCancelled unless it is done.
  void Cancel();
  // Once, when it is done.
  Completion Finish();

 private:
  bool Guessing() const { return lookup_ != Lookup::kOff; }
  bool Cancelled() const { return options_.cancelled && options_.cancelled(); }
  bool IsEnd(int32_t token) const;
  bool Complete() const;
  void Draw(std::span<const float> logits);
  Step Choose(std::span<const float> logits);
  void Show(Step step);
  void ShowRest();
  void Slide();
  std::vector<int32_t> Guess(int64_t most);
  void DropGuesses();
  void End(FinishReason reason);

  const LanguageModel& model_;
  const GenerateOptions& options_;
  Lookup lookup_;
  int64_t context_;
  size_t vocab_;
  std::span<const int32_t> prompt_;
  Sampler sampler_;
  StopFilter filter_;
  text::StreamDecoder decoder_;
  std::vector<int32_t> history_;
  LookupIndex index_;
  LookupPolicy policy_;
  TokenSequence* past_ = nullptr;
  std::span<const int32_t> reading_;  // the prompt's new tokens, or kept_
  size_t read_ = 0;                   // how many of them were fed
  std::vector<int32_t> kept_;         // the window that is read anew
  bool sliding_ = false;
  int32_t token_ = 0;           // the last that was drawn, to be fed
  std::vector<int32_t> guess_;  // fed after it
  size_t row_ = 0;              // how many of them are known to be right
  std::vector<int32_t> fed_;    // what Next said
  bool done_ = false;
  double created_ = 0, begun_ = 0, first_token_ = 0, ended_ = 0;  // seconds
  Completion completion_;
};

// `context` or, for 0, what the model was trained for. Throws
// kInvalidArgument for more than that.
int64_t ResolveContext(const LanguageModel& model, int64_t context);

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_GENERATION_H_
