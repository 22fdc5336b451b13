// Reads JSON strings, one a line, and prints {ids, offsets, bytes} for each:
// the other side of tools/compare_tokenizer.py. `bytes` is the decoded text
// in hexadecimal. Usage: compare_tokenizer MODEL.gguf|tokenizer.json
// [--no-special] [--bare]: special tokens in the text are text, none is added.
#include <chrono>
#include <iostream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "text/tokenize/tokenizer.h"

int main(int argc, char** argv) {
  using malmoi::Json;
  namespace text = malmoi::text;
  std::ios::sync_with_stdio(false);
  try {
    if (argc < 2) return 2;
    const std::string path = argv[1];
    text::EncodeOptions options;
    for (int i = 2; i < argc; ++i) {
      const std::string option = argv[i];
      if (option == "--no-special") options.parse_special = false;
      if (option == "--bare") options.add_special_tokens = false;
    }
    const auto start = std::chrono::steady_clock::now();
    const auto tokenizer =
        path.ends_with(".gguf")
            ? text::Tokenizer::FromGguf(malmoi::formats::GgufFile::Open(path))
            : text::Tokenizer::FromJson(
                  malmoi::ParseJson(malmoi::ReadFile(path), path), nullptr,
                  path);
    const auto since = [](auto from) {
      return std::chrono::duration<double, std::milli>(
                 std::chrono::steady_clock::now() - from)
          .count();
    };
    std::cerr << tokenizer->Describe() << "\nloaded in " << since(start)
              << " ms\n";
    std::string line;
    double encode_ms = 0;
    size_t bytes = 0;
    size_t tokens = 0;
    while (std::getline(std::cin, line)) {
      const auto input = malmoi::ParseJson(line, "input").get<std::string>();
      Json result;
      const auto begin = std::chrono::steady_clock::now();
      const text::Encoding encoding = tokenizer->Encode(input, options);
      encode_ms += since(begin);
      bytes += input.size();
      tokens += encoding.ids.size();
      result["ids"] = encoding.ids;
      result["offsets"] = encoding.offsets;
      std::string hex;
      for (unsigned char c : tokenizer->Decode(encoding.ids)) {
        hex += malmoi::Format("{:02x}", c);
      }
      result["bytes"] = hex;
      text::StreamDecoder stream(tokenizer, false);
      std::string streamed;
      for (int32_t id : encoding.ids) streamed += stream.Push(id);
      result["stream"] = streamed + stream.Finish();
      result["left_out"] = encoding.left_out_bytes;
      std::cout << malmoi::DumpJson(result) << "\n";
    }
    std::cerr << bytes << " bytes, " << tokens << " tokens in " << encode_ms
              << " ms\n";
  } catch (const malmoi::Error& error) {
    std::cerr << error.message() << "\n";
    return 1;
  }
  return 0;
}
