// Any bytes give a vectorizer that can be used, or a malmoi::Error; and as
// texts of any format they are read or refused.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "represent/sparse/vectorizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace malmoi;
  using namespace malmoi::represent;
  static ThreadPool pool(1);
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto vectorizer = Vectorizer::Parse(bytes, "fuzz");
    vectorizer.Transform(*DocumentReader::FromTexts({"one two three", "one"}),
                         pool, [](const SparseRows&) {});
  } catch (const Error&) {
  }
  try {
    AnalyzerOptions options;
    options.unit = static_cast<Unit>(size % 4);
    options.words = static_cast<text::WordRule>(size % 3);
    options.fold.accents = static_cast<text::Accents>(size / 3 % 3);
    options.max_n = 3;
    Vectorizer::Fit(*DocumentReader::FromTexts({std::string(
                        reinterpret_cast<const char*>(data), size)}),
                    {.analyzer = options}, pool);
  } catch (const Error&) {
  }
  return 0;
}
