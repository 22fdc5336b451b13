// The public C++ API over the inner libraries.
#include <mutex>

#include "generate/session.h"
#include "hub/pull.h"
#include "malmoi/malmoi.hpp"

namespace malmoi {

struct Model::State {
  std::shared_ptr<generate::LanguageModel> model;
  std::unique_ptr<generate::Session> session;
  std::string name;
  mutable std::mutex mutex;  // of the session
};

Model::Model(std::unique_ptr<State> state) : state_(std::move(state)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model Model::Load(const std::string& name, const LoadSettings& settings) {
  hub::HubOptions options = hub::HubOptions::FromEnvironment();
  if (!settings.download) options.offline = true;
  hub::Progress silent;
  const hub::LocalModel local =
      hub::Resolve(hub::ParseModelRef(name), options, silent);
  auto state = std::make_unique<State>();
  state->model =
      generate::LanguageModel::Load(local.path, {.threads = settings.threads});
  state->session = std::make_unique<generate::Session>(state->model);
  state->name = local.name;
  return Model(std::move(state));
}

std::string Model::name() const { return state_->name; }
int64_t Model::parameters() const {
  return state_->model->decoder().parameters();
}
int64_t Model::context() const { return state_->session->context(); }
int64_t Model::vocab_size() const {
  return state_->model->decoder().spec().vocab_size;
}

std::vector<int32_t> Model::Tokenize(std::string_view text) const {
  return state_->model->tokenizer().Encode(text).ids;
}
std::string Model::Detokenize(const std::vector<int32_t>& ids) const {
  return state_->model->tokenizer().Decode(ids);
}

Generated Model::Generate(const std::string& prompt,
                          const GenerateSettings& settings) const {
  if (!settings.raw && state_->model->has_chat_template()) {
    return Chat({{"user", prompt}}, settings);
  }
  return Chat({{"", prompt}}, settings);
}

Generated Model::Chat(const std::vector<ChatMessage>& messages,
                      const GenerateSettings& settings) const {
  std::string rendered;
  if (messages.size() == 1 && messages[0].role.empty()) {
    rendered = messages[0].content;  // Generate() without a template
  } else {
    Json list = Json::array();
    for (const ChatMessage& message : messages) {
      list.push_back({{"role", message.role}, {"content", message.content}});
    }
    rendered = state_->model->RenderChat(list);
  }
  generate::GenerateOptions options;
  options.max_tokens = settings.max_tokens;
  options.stop = settings.stop;
  options.sampling.temperature = settings.temperature;
  options.sampling.top_k = settings.top_k;
  options.sampling.top_p = settings.top_p;
  options.sampling.min_p = settings.min_p;
  options.sampling.repetition_penalty = settings.repetition_penalty;
  options.sampling.seed = settings.seed;
  bool stopped = false;
  if (settings.on_text) {
    options.on_step = [&](const generate::Step& step) {
      if (!step.text.empty() && !stopped)
        stopped = !settings.on_text(step.text);
    };
    options.cancelled = [&] { return stopped; };
  }
  const std::lock_guard lock(state_->mutex);
  const generate::Completion completion =
      state_->session->Generate(state_->model->EncodePrompt(rendered), options);
  Generated out;
  out.text = completion.text;
  out.finish_reason = generate::FinishReasonName(completion.finish_reason);
  out.tokens = completion.tokens;
  out.prompt_tokens = completion.usage.prompt_tokens;
  out.first_token_ms = completion.timings.first_token_ms;
  out.decode_tokens_per_s = completion.timings.decode_tokens_per_s;
  return out;
}

std::vector<float> Model::Logits(const std::vector<int32_t>& ids) const {
  std::vector<float> all;
  const std::lock_guard lock(state_->mutex);
  state_->session->Score(ids, [&](int64_t, std::span<const float> logits) {
    all.insert(all.end(), logits.begin(), logits.end());
  });
  return all;
}

const char* Version() { return MALMOI_VERSION; }

}  // namespace malmoi
