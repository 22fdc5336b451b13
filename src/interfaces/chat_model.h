// What everything above talks to: a model that answers a conversation, be it
// local or behind an API. Pure types, no implementation.
#ifndef MALMOI_INTERFACES_CHAT_MODEL_H_
#define MALMOI_INTERFACES_CHAT_MODEL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace malmoi {

struct Message {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
};

// A function a model may ask to be called.
struct Tool {
  std::string name;
  std::string description;
  Json parameters;  // a JSON Schema object
};

struct ChatOptions {
  int64_t max_tokens = -1;
  double temperature = 0.7;
  uint64_t seed = 0;
  std::vector<std::string> stop;
  std::function<void(std::string_view)> on_text;
};

struct ChatReply {
  Message message;
  std::string finish_reason;  // "stop", "length", "cancelled"
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
};

class ChatModel {
 public:
  virtual ~ChatModel() = default;
  virtual std::string name() const = 0;
  // Throws malmoi::Error.
  virtual ChatReply Chat(const std::vector<Message>& messages,
                         const ChatOptions& options) = 0;
};

}  // namespace malmoi

#endif  // MALMOI_INTERFACES_CHAT_MODEL_H_
