// Reads JSON strings, one a line, and prints {ids, offsets, bytes} for each:
// the other side of tools/compare_tokenizer.py. `bytes` is the decoded text
// in hexadecimal, `skipped` the same without special tokens. A line {"hex"}
// gives any bytes; what Encode() refuses is printed as {error}. Usage:
// compare_tokenizer MODEL.gguf|FILE.json|FILE.model|FOLDER [--no-special]
// [--bare]: special tokens in the text are text, none is added.
#include <chrono>
#include <iostream>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "text/tokenize/load_any.h"
#include "text/tokenize/tokenizer.h"

namespace {

using malmoi::Json;

std::string ToHex(const std::string& bytes) {
  std::string hex;
  for (unsigned char c : bytes) hex += malmoi::Format("{:02x}", c);
  return hex;
}

std::string InputOf(const std::string& line) {
  const Json json = malmoi::ParseJson(line, "input");
  if (json.is_string()) return json.get<std::string>();
  const auto hex = json.at("hex").get<std::string>();
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
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
    const auto tokenizer = malmoi::text::LoadAny(path);
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
      const std::string input = InputOf(line);
      Json result;
      const auto begin = std::chrono::steady_clock::now();
      text::Encoding encoding;
      try {
        encoding = tokenizer->Encode(input, options);
      } catch (const malmoi::Error& error) {
        result["error"] = error.message();
        std::cout << malmoi::DumpJson(result) << "\n";
        continue;
      }
      encode_ms += since(begin);
      bytes += input.size();
      tokens += encoding.ids.size();
      result["ids"] = encoding.ids;
      result["offsets"] = encoding.offsets;
      result["bytes"] = ToHex(tokenizer->Decode(encoding.ids));
      result["skipped"] = ToHex(tokenizer->Decode(encoding.ids, true));
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
