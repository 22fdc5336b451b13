// Any bytes give a result or a malmoi::Error, never anything else.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "text/template/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const malmoi::text::TemplateLimits limits = {.max_steps = 20'000,
                                                 .max_output_bytes = 1 << 20};
    const malmoi::text::Template chat(
        std::string(reinterpret_cast<const char*>(data), size), "fuzz", limits);
    const malmoi::Json messages = {
        {{"role", "system"}, {"content", "Be brief."}},
        {{"role", "user"}, {"content", "안녕 <b>\n"}},
        {{"role", "assistant"}, {"content", "Hello"}, {"n", 3}}};
    malmoi::text::RenderChat(chat, messages, {.now = 0});
  } catch (const malmoi::Error&) {
  }
  return 0;
}
