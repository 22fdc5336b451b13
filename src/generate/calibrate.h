// Collects importance (models/importance.h) by letting a model read a text.
#ifndef MALMOI_GENERATE_CALIBRATE_H_
#define MALMOI_GENERATE_CALIBRATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "generate/language_model.h"
#include "models/importance.h"

namespace malmoi::generate {

struct CalibrateOptions {
  // More of the text is not read: whole windows, evenly spread over it.
  int64_t max_tokens = 65536;
  std::string name;  // of the text, as the importance tells it
  // Tokens read and all that will be; false stops.
  std::function<bool(int64_t done, int64_t total)> progress;
};

struct Calibration {
  models::Importance importance;
  int64_t tokens = 0;       // that were read, beginnings included
  int64_t text_tokens = 0;  // of the whole text
};

// In windows of 512 tokens (or the model's context), each a text of its own
// that begins as the model's texts do. A text of less than 2 tokens:
// kInvalidArgument; when stopped: kCancelled.
Calibration Calibrate(std::shared_ptr<const LanguageModel> model,
                      std::string_view text, const CalibrateOptions& options);

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_CALIBRATE_H_
