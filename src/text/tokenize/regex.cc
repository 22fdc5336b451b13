#include "text/tokenize/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"

namespace malmoi::text {

namespace {

// White_Space of Unicode. PCRE2's \s also takes U+180E, which Unicode took
// off the list in version 6.3.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

std::string WithUnicodeSpaces(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's') {
        out +=
            in_class ? std::string(kSpaces) : "[" + std::string(kSpaces) + "]";
      } else if (next == 'S' && !in_class) {
        out += "[^" + std::string(kSpaces) + "]";
      } else {
        out += {c, next};
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    out += c;
  }
  return out;
}

}  // namespace

struct Regex::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  ~Code() {
    pcre2_code_free(code);
    pcre2_match_context_free(context);
  }
};

Regex::Regex(std::string_view pattern, std::string_view where)
    : pattern_(pattern), code_(std::make_unique<Code>()) {
  const std::string adapted = WithUnicodeSpaces(pattern);
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(adapted.data()), adapted.size(),
      PCRE2_UTF | PCRE2_UCP | PCRE2_NO_UTF_CHECK, &error, &offset, nullptr);
  if (code_->code == nullptr) {
    PCRE2_UCHAR message[128] = {};
    pcre2_get_error_message(error, message, sizeof(message));
    throw Error(ErrorCode::kUnsupported,
                {.where = std::string(where),
                 .what = "unsupported pattern of a pre-tokenizer",
                 .expected = reinterpret_cast<const char*>(message),
                 .got = pattern_});
  }
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
  code_->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(code_->context, 100'000'000);
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;

std::optional<std::pair<size_t, size_t>> Regex::Find(std::string_view text,
                                                     size_t from) const {
  struct Data {
    pcre2_match_data* data = pcre2_match_data_create(64, nullptr);
    ~Data() { pcre2_match_data_free(data); }
  };
  thread_local Data scratch;
  const int result = pcre2_match(
      code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
      PCRE2_NO_UTF_CHECK, scratch.data, code_->context);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) {
    throw Error(ErrorCode::kLimit,
                {.where = "pre-tokenizer",
                 .what = "matching takes too many steps",
                 .got = "PCRE2 error " + std::to_string(result)});
  }
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(scratch.data);
  return std::pair<size_t, size_t>(range[0], range[1]);
}

}  // namespace malmoi::text
