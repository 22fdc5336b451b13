// Any bytes give word vectors, a fastText model or a malmoi::Error, and a model
// that was read answers.
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "represent/static/fasttext.h"
#include "represent/static/vector_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace malmoi;
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const auto vectors = represent::ParseVectors(bytes, "fuzz");
    if (vectors.size() * vectors.dimensions() !=
        static_cast<int64_t>(vectors.values().size())) {
      __builtin_trap();
    }
  } catch (const Error&) {
  }
  try {
    const auto model = represent::FastTextModel::Parse(bytes, nullptr, "fuzz");
    int64_t words, unknown;
    model->SentenceVector("some words 가나다", words, unknown);
    model->Predict("some words 가나다\n", 3);
  } catch (const Error&) {
  }
  return 0;
}
