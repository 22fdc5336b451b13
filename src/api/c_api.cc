// The C API: exceptions become return values and a message per thread.
#include <cstdlib>
#include <cstring>
#include <string>

#include "malmoi/malmoi.h"
#include "malmoi/malmoi.hpp"

struct malmoi_model {
  malmoi::Model model;
};

namespace {

thread_local std::string last_error;
thread_local std::string last_code;

// Runs `body`; on failure notes it and returns `failure`.
template <typename T, typename F>
T Guarded(T failure, F&& body) {
  try {
    return body();
  } catch (const malmoi::Error& error) {
    last_error = error.message();
    last_code = std::string(malmoi::ErrorCodeName(error.code()));
  } catch (const std::exception& error) {
    last_error = error.what();
    last_code = "internal";
  }
  return failure;
}

void RequireText(const void* pointer, const char* name) {
  if (pointer != nullptr) return;
  throw malmoi::Error(malmoi::ErrorCode::kInvalidArgument,
                      {.where = name, .what = "a null pointer"});
}

}  // namespace

const char* malmoi_version(void) { return malmoi::Version(); }
const char* malmoi_last_error(void) { return last_error.c_str(); }
const char* malmoi_last_error_code(void) { return last_code.c_str(); }

malmoi_model* malmoi_load(const char* name, int threads) {
  return Guarded<malmoi_model*>(nullptr, [&] {
    RequireText(name, "name");
    return new malmoi_model{malmoi::Model::Load(name, {.threads = threads})};
  });
}

void malmoi_free(malmoi_model* model) { delete model; }

int64_t malmoi_tokenize(const malmoi_model* model, const char* text,
                        int32_t* ids, size_t capacity) {
  return Guarded<int64_t>(-1, [&] {
    RequireText(model, "model");
    RequireText(text, "text");
    const auto tokens = model->model.Tokenize(text);
    for (size_t i = 0; i < tokens.size() && i < capacity; ++i) {
      ids[i] = tokens[i];
    }
    return static_cast<int64_t>(tokens.size());
  });
}

char* malmoi_generate(const malmoi_model* model, const char* prompt,
                      int64_t max_tokens, double temperature, uint64_t seed,
                      malmoi_text_callback on_text, void* user) {
  return Guarded<char*>(nullptr, [&] {
    RequireText(model, "model");
    RequireText(prompt, "prompt");
    malmoi::GenerateSettings settings;
    settings.max_tokens = max_tokens;
    settings.temperature = temperature;
    settings.seed = seed;
    if (on_text != nullptr) {
      settings.on_text = [&](std::string_view piece) {
        return on_text(std::string(piece).c_str(), user) == 0;
      };
    }
    const std::string text = model->model.Generate(prompt, settings).text;
    char* copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
  });
}

void malmoi_string_free(char* text) { std::free(text); }
