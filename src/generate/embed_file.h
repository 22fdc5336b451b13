// A file of the source tree in the program's read-only data.
#ifndef MALMOI_GENERATE_EMBED_FILE_H_
#define MALMOI_GENERATE_EMBED_FILE_H_

#include <cstddef>
#include <string_view>

// MALMOI_EMBED(smollm2, "smollm2/verify.json"), at file scope: a file below
// tests/golden; MALMOI_EMBEDDED(smollm2) is then its text.
#define MALMOI_EMBED(name, path)                                           \
  asm(".section .rodata\n.global malmoi_" #name                            \
      "_begin\n.global malmoi_" #name "_end\nmalmoi_" #name                \
      "_begin:\n.incbin \"" MALMOI_GOLDEN_DIR "/" path "\"\nmalmoi_" #name \
      "_end:\n.byte 0\n.previous");                                        \
  extern "C" {                                                             \
  __attribute__((                                                          \
      visibility("hidden"))) extern const char malmoi_##name##_begin[];    \
  __attribute__((                                                          \
      visibility("hidden"))) extern const char malmoi_##name##_end[];      \
  }
#define MALMOI_EMBEDDED(name) \
  std::string_view(           \
      malmoi_##name##_begin,  \
      static_cast<size_t>(malmoi_##name##_end - malmoi_##name##_begin))

#endif  // MALMOI_GENERATE_EMBED_FILE_H_
