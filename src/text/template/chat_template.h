// Chat templates: a sandboxed interpreter of the Jinja subset that Hugging
// Face templates use. It has no files, no modules and no mutable arguments,
// and it bounds steps, depth and output. Semantics: Jinja2's immutable
// sandbox with trim_blocks and lstrip_blocks, as transformers sets it up.
#ifndef MALMOI_TEXT_TEMPLATE_CHAT_TEMPLATE_H_
#define MALMOI_TEXT_TEMPLATE_CHAT_TEMPLATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"

namespace malmoi::text {

struct TemplateLimits {
  int64_t max_steps = 10'000'000;  // expressions and statements evaluated
  int max_depth = 100;             // nested expressions, blocks and calls
  size_t max_output_bytes = size_t{64} << 20;
  size_t max_source_bytes = size_t{1} << 20;
};

namespace jinja {
struct Block;
}

class Template {
 public:
  // `where` names the source in errors. Throws kCorrupt with the line of a
  // syntax error, kLimit.
  Template(std::string source, std::string where, TemplateLimits limits = {});
  ~Template();

  // `variables` is an object. `now` is what strftime_now formats (seconds
  // since 1970; empty: the clock). Throws kInvalidArgument for what fails at
  // run time, raise_exception's message included, and kLimit.
  std::string Render(const Json& variables,
                     std::optional<int64_t> now = {}) const;

 private:
  std::string where_;
  TemplateLimits limits_;
  std::unique_ptr<jinja::Block> root_;
};

struct ChatRenderOptions {
  Json tools;      // null, or an array of function descriptions
  Json documents;  // null, or an array
  bool add_generation_prompt = true;
  Json extra;  // more variables: bos_token, enable_thinking, ...
  std::optional<int64_t> now;
};

// Renders messages, [{role, content, ...}, ...].
std::string RenderChat(const Template& chat, const Json& messages,
                       const ChatRenderOptions& options);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TEMPLATE_CHAT_TEMPLATE_H_
