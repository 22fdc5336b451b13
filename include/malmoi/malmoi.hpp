// malmoi for C++: language models on the CPU.
//
//   auto model = malmoi::Model::Load("smollm2");
//   auto ids = model.Tokenize("Hello, tokens!");
//   std::cout << model.Generate("Create a funny joke about chickens.").text;
//
// Functions throw malmoi::Error. A Model may be used from several threads;
// calls take turns.
#ifndef MALMOI_MALMOI_HPP_
#define MALMOI_MALMOI_HPP_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "malmoi/error.h"
#include "malmoi/export.h"

namespace malmoi {

struct LoadSettings {
  int threads = 0;       // 0: one per usable processor
  bool download = true;  // fetch a model that is not on this machine
};

// One turn of a conversation: role is "system", "user" or "assistant".
struct ChatMessage {
  std::string role;
  std::string content;
};

struct GenerateSettings {
  int64_t max_tokens = -1;   // -1: until the answer or the context ends
  double temperature = 0.7;  // 0: the most probable token each time
  int top_k = 40;            // 0: off
  double top_p = 0.95;       // 1: off
  double min_p = 0;          // 0: off
  double repetition_penalty = 1;
  uint64_t seed = 0;  // same seed, same text
  std::vector<std::string> stop;
  bool raw = false;  // continue the text, without the chat template
  // Receives the text as it comes; false stops.
  std::function<bool(std::string_view piece)> on_text;
};

struct Generated {
  std::string text;
  std::string finish_reason;  // "stop", "length" or "cancelled"
  std::vector<int32_t> tokens;
  int64_t prompt_tokens = 0;
  double first_token_ms = 0;
  double decode_tokens_per_s = 0;
};

class MALMOI_EXPORT Model {
 public:
  // An alias ("smollm2"), org/repo[:QUANT] of the Hugging Face Hub, a .gguf
  // file or a folder.
  static Model Load(const std::string& name, const LoadSettings& settings = {});
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  std::string name() const;
  int64_t parameters() const;
  int64_t context() const;  // tokens
  int64_t vocab_size() const;

  // Token ids of plain text, and the bytes of token ids.
  std::vector<int32_t> Tokenize(std::string_view text) const;
  std::string Detokenize(const std::vector<int32_t>& ids) const;

  // Answers a prompt, or continues it with settings.raw.
  Generated Generate(const std::string& prompt,
                     const GenerateSettings& settings = {}) const;
  Generated Chat(const std::vector<ChatMessage>& messages,
                 const GenerateSettings& settings = {}) const;

  // Logits of each position of `ids`: [ids.size()][vocab_size], row-major.
  std::vector<float> Logits(const std::vector<int32_t>& ids) const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// "0.1.0".
MALMOI_EXPORT const char* Version();

}  // namespace malmoi

#endif  // MALMOI_MALMOI_HPP_
