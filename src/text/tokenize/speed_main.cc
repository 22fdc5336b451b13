// How fast a text becomes ids, for bench/tokenizer_peers.py: reads FILE, cuts
// it at line ends into documents of about 8 KiB, encodes each once and prints a
// line of JSON; again_seconds is a second time. Usage: tokenizer_speed
// MODEL.gguf|FILE.json|FILE.model|FOLDER FILE [--offsets] cold_ms is the first
// call for 1 KB of the text; its time is not in seconds.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/tokenize/load_any.h"
#include "text/tokenize/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;
using malmoi::text::Tokenizer;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Whole lines of 8 KiB or a little more.
std::vector<std::string_view> Documents(std::string_view text) {
  constexpr size_t kBytes = 8192;
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t newline = text.size() <= kBytes ? std::string_view::npos
                                                 : text.find('\n', kBytes - 1);
    const size_t bytes = std::min(newline, text.size() - 1) + 1;
    documents.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return documents;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) return 2;
    const std::string text = malmoi::ReadFile(argv[2]);
    malmoi::text::EncodeOptions options = {.add_special_tokens = false,
                                           .offsets = false};
    options.offsets = argc > 3 && std::string_view(argv[3]) == "--offsets";
    auto start = Clock::now();
    const auto tokenizer = malmoi::text::LoadAny(argv[1]);
    malmoi::Json result;
    result["load_ms"] = SecondsSince(start) * 1e3;
    const std::string_view first = Documents(text)[0].substr(0, 1024);
    start = Clock::now();
    tokenizer->Encode(first.substr(0, first.rfind('\n') + 1), options);
    result["cold_ms"] = SecondsSince(start) * 1e3;
    size_t tokens = 0;
    const auto documents = Documents(text);
    start = Clock::now();
    for (std::string_view document : documents) {
      tokens += tokenizer->Encode(document, options).ids.size();
    }
    result["seconds"] = SecondsSince(start);
    // All words are known now.
    start = Clock::now();
    for (std::string_view document : documents) {
      tokenizer->Encode(document, options);
    }
    result["again_seconds"] = SecondsSince(start);
    result["bytes"] = text.size();
    result["tokens"] = tokens;
    std::cout << malmoi::DumpJson(result) << "\n";
  } catch (const malmoi::Error& error) {
    std::cerr << error.message() << "\n";
    return 1;
  }
  return 0;
}
