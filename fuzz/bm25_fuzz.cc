// Any bytes give a BM25 index that can be searched, or a malmoi::Error.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "represent/sparse/bm25.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<uint64_t> memory((size + 7) / 8);
  if (size > 0) std::memcpy(memory.data(), data, size);
  try {
    const auto index = malmoi::represent::Bm25Index::Parse(
        std::as_bytes(std::span(memory)).first(size), nullptr, "fuzz");
    malmoi::represent::Bm25Scratch scratch;
    for (const char* query : {"one two three", "one", "two two"}) {
      for (size_t top : {1, 10, 1000}) index.Search(query, top, scratch);
    }
    for (int64_t i = 0; i < index.summary().terms; ++i) {
      index.Search(index.term(static_cast<size_t>(i)), 3, scratch);
    }
  } catch (const malmoi::Error&) {
  }
  return 0;
}
