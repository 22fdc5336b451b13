#include "text/tokenize/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace malmoi::text {

struct Regex::Code {
  pcre2_code* code = nullptr;
  ~Code() { pcre2_code_free(code); }
};

namespace {

// What a thread needs to match: room for one range, a stack for compiled
// patterns (the default of 32 KiB is short for alternatives in a loop).
struct MatchData {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr);

  MatchData() {
    pcre2_set_match_limit(context, 100'000'000);
    pcre2_set_heap_limit(context, 256 << 10);  // KiB
    if (stack != nullptr) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~MatchData() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    pcre2_jit_stack_free(stack);
  }
  MatchData(const MatchData&) = delete;
  MatchData& operator=(const MatchData&) = delete;
};

}  // namespace

Regex::Regex(std::string_view pattern, std::string_view where)
    : pattern_(pattern), code_(std::make_unique<Code>()) {
  const std::string translated = TranslateOniguruma(pattern, where);
  int error = 0;
  PCRE2_SIZE offset = 0;
  // In Oniguruma ^ and $ are those of every line.
  code_->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error,
      &offset, nullptr);
  if (code_->code == nullptr) {
    PCRE2_UCHAR message[128] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    throw Error(ErrorCode::kUnsupported,
                {.where = std::string(where),
                 .what = "unsupported pattern of a tokenizer",
                 .expected = reinterpret_cast<const char*>(message),
                 .got = pattern_});
  }
  // Without JIT (some systems forbid it) matching is slower, not different.
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

std::optional<std::pair<size_t, size_t>> Regex::Find(std::string_view text,
                                                     size_t from) const {
  thread_local MatchData match;
  const int result = pcre2_match(
      code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
      PCRE2_NO_UTF_CHECK, match.data, match.context);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    throw Error(ErrorCode::kLimit,
                {.where = "pre-tokenizer",
                 .what = "matching takes too many steps",
                 .got = "PCRE2 error " + std::to_string(result)});
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.data);
  // \K in a look-ahead could give a range that runs backwards.
  if (range[0] < from || range[1] < range[0]) return std::nullopt;
  return std::pair<size_t, size_t>(range[0], range[1]);
}

}  // namespace malmoi::text
