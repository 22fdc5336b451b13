/* malmoi for C: language models on the CPU.
 *
 * Functions that can fail return NULL or a negative number; the message of
 * the calling thread's last failure is malmoi_last_error(). Strings returned
 * are the caller's, to be freed with malmoi_string_free(). */
#ifndef MALMOI_MALMOI_H_
#define MALMOI_MALMOI_H_

#include <stddef.h>
#include <stdint.h>

#include "malmoi/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct malmoi_model malmoi_model;

/* Receives text as it comes; returns nonzero to stop. */
typedef int (*malmoi_text_callback)(const char* piece, void* user);

MALMOI_EXPORT const char* malmoi_version(void);
MALMOI_EXPORT const char* malmoi_last_error(void);
/* "not_found", "corrupt", ...: the kind of the last failure. */
MALMOI_EXPORT const char* malmoi_last_error_code(void);

/* `threads` 0: one per usable processor. */
MALMOI_EXPORT malmoi_model* malmoi_load(const char* name, int threads);
MALMOI_EXPORT void malmoi_free(malmoi_model* model);

/* Writes up to `capacity` ids; returns how many the text has. */
MALMOI_EXPORT int64_t malmoi_tokenize(const malmoi_model* model,
                                      const char* text, int32_t* ids,
                                      size_t capacity);

/* Answers a prompt. `max_tokens` -1: until the end; `temperature` 0: greedy;
 * `on_text` may be NULL. */
MALMOI_EXPORT char* malmoi_generate(const malmoi_model* model,
                                    const char* prompt, int64_t max_tokens,
                                    double temperature, uint64_t seed,
                                    malmoi_text_callback on_text, void* user);
MALMOI_EXPORT void malmoi_string_free(char* text);

#ifdef __cplusplus
}
#endif

#endif /* MALMOI_MALMOI_H_ */
