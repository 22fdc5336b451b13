// How fast texts become vectors, for bench/embed_peers.py: reads FILE, a text
// a line, embeds 64 of them and then all, timed, and prints a line of JSON.
// Usage: embedder_speed MODEL FILE [--int8 | --bf16] [--threads N] [--rounds N]
// [--save FILE.npy]
#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/npy.h"
#include "represent/contextual/embedder.h"

namespace {

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

int main(int argc, char** argv) {
  using malmoi::represent::Embedder;
  using Clock = std::chrono::steady_clock;
  try {
    if (argc < 3) return 2;
    malmoi::represent::EmbedderOptions options;
    std::string save;
    int rounds = 1;
    for (int i = 3; i < argc; ++i) {
      const std::string_view option = argv[i];
      if (option == "--int8") {
        options.precision = malmoi::models::Precision::kInt8;
      } else if (option == "--bf16") {
        options.precision = malmoi::models::Precision::kBf16;
      } else if (i + 1 == argc) {
        return 2;
      } else if (option == "--threads") {
        options.threads = std::stoi(argv[++i]);
      } else if (option == "--rounds") {
        rounds = std::stoi(argv[++i]);
      } else if (option == "--save") {
        save = argv[++i];
      } else {
        return 2;
      }
    }
    const auto texts = Lines(malmoi::ReadFile(argv[2]));
    const auto embedder = Embedder::Load(argv[1], options);
    embedder->Embed(std::span(texts).first(std::min<size_t>(64, texts.size())));
    malmoi::represent::Embeddings result;
    const auto start = Clock::now();
    const std::clock_t cpu = std::clock();  // of all threads
    for (int round = 0; round < rounds; ++round) {
      result = embedder->Embed(texts);
    }
    const double seconds =
        std::chrono::duration<double>(Clock::now() - start).count() / rounds;
    const double cpu_seconds =
        static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC / rounds;
    int64_t tokens = 0;
    for (const int64_t count : result.tokens) tokens += count;
    if (!save.empty()) {
      malmoi::formats::NpyWriter writer(save, malmoi::DType::kF32,
                                        malmoi::Shape{result.dimensions});
      writer.Write(std::as_bytes(std::span(result.values)));
      writer.Finish();
    }
    std::cout << malmoi::DumpJson({{"seconds", seconds},
                                   {"cpu_seconds", cpu_seconds},
                                   {"texts", texts.size()},
                                   {"tokens", tokens}})
              << "\n";
  } catch (const malmoi::Error& error) {
    std::cerr << error.message() << "\n";
    return 1;
  }
  return 0;
}
