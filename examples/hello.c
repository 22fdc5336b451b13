/* The same in C. Run: hello_c [MODEL] */
#include <stdio.h>

#include "malmoi/malmoi.h"

static int show(const char* piece, void* user) {
  (void)user;
  return fputs(piece, stdout) < 0;
}

int main(int argc, char** argv) {
  malmoi_model* model = malmoi_load(argc > 1 ? argv[1] : "smollm2", 0);
  if (model == NULL) {
    fprintf(stderr, "%s\n", malmoi_last_error());
    return 1;
  }
  int32_t ids[16];
  printf("%lld tokens\n",
         (long long)malmoi_tokenize(model, "Hello, tokens!", ids, 16));
  char* text = malmoi_generate(model, "Create a funny joke about chickens.", 60,
                               0.0, 0, show, NULL);
  printf("\n");
  int failed = text == NULL;
  if (failed) fprintf(stderr, "%s\n", malmoi_last_error());
  malmoi_string_free(text);
  malmoi_free(model);
  return failed;
}
