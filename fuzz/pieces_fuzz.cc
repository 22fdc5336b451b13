// Any bytes give a result or a malmoi::Error, never anything else: a vocab.json
// (or a tokenizer.json), an empty line and a SentencePiece model, as the
// translators' folders have them and as GGUF is written of them.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/error.h"
#include "formats/gguf_writer.h"
#include "text/tokenize/to_gguf.h"
#include "text/tokenize/tokenizer.h"
#include "text/tokenize/unigram_to_gguf.h"

namespace {

namespace fs = std::filesystem;

const fs::path& Folder() {
  static const fs::path folder =
      fs::temp_directory_path() /
      ("malmoi_pieces_fuzz_" + std::to_string(getpid()));
  return folder;
}

void Write(const char* name, std::string_view bytes) {
  std::ofstream(Folder() / name, std::ios::binary) << bytes;
}

template <typename Use>
void Check(const Use& use) {
  try {
    use();
  } catch (const malmoi::Error&) {
  }
}

void Encode() {
  constexpr std::string_view kInput =
      "Hello  12\n\n안녕 <s>ab▁abba </s>! __ko__ >>deu<< \ufb01\u200b";
  const auto tokenizer = malmoi::text::Tokenizer::FromFolder(Folder());
  for (const bool special : {false, true}) {
    const auto encoding = tokenizer->Encode(kInput, {.parse_special = special});
    tokenizer->Decode(encoding.ids);
    for (const auto& [begin, end] : encoding.offsets) {
      if (begin > end || end > kInput.size()) __builtin_trap();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t split = std::min(all.find("\n\n"), all.size());
  const std::string_view json = all.substr(0, split);
  const std::string_view pieces = all.substr(std::min(split + 2, all.size()));
  const auto begin = [] {
    fs::remove_all(Folder());
    fs::create_directories(Folder());
  };
  begin();
  Write("vocab.json", json);
  Write("sentencepiece.bpe.model", pieces);
  Check(Encode);
  fs::remove(Folder() / "vocab.json");
  Write("tokenizer_config.json",
        R"({"tokenizer_class":"XLMRobertaTokenizer","mask_token":"<mask>"})");
  Check(Encode);
  Check([] {
    malmoi::formats::GgufMetadata metadata;
    malmoi::text::AddTokenizer(Folder(), 400, metadata);
  });
  begin();
  Write("vocab.json", json);
  Write("source.spm", pieces);
  Write("target.spm", pieces);
  Check(Encode);
  Check([&] {
    const malmoi::Json tokenizer = malmoi::ParseJson(std::string(json), "fuzz");
    malmoi::text::EndsOf(tokenizer, tokenizer);
    malmoi::text::UnigramOf(tokenizer, "fuzz");
  });
  fs::remove_all(Folder());
  return 0;
}
