#include "generate/language_model.h"

#include <algorithm>
#include <future>

#include "base/error.h"
#include "base/file.h"

namespace malmoi::generate {

namespace {

namespace fs = std::filesystem;

void AddEnds(const models::Checkpoint& checkpoint, std::vector<int32_t>& ends) {
  if (!checkpoint.folder || !checkpoint.folder->generation_config.is_object()) {
    return;
  }
  const Json& config = checkpoint.folder->generation_config;
  if (!config.contains("eos_token_id")) return;
  const Json& stored = config["eos_token_id"];
  const Json list = stored.is_array() ? stored : Json::array({stored});
  for (const Json& id : list) {
    if (!id.is_number_integer()) continue;
    const int32_t token = id.get<int32_t>();
    if (std::find(ends.begin(), ends.end(), token) == ends.end()) {
      ends.push_back(token);
    }
  }
}

}  // namespace

std::shared_ptr<LanguageModel> LanguageModel::Load(const fs::path& path,
                                                   const LoadOptions& options) {
  models::Checkpoint checkpoint = models::Checkpoint::Open(path);
  checkpoint.Adapt(options.adapters);
  models::FindDecoder(checkpoint.Architecture(), path.string());
  std::shared_ptr<LanguageModel> model(new LanguageModel());
  model->info_ = InfoOf(checkpoint);
  model->info_.adapters = checkpoint.adapters;
  model->precision_ = options.precision;
  model->pool_ = std::make_unique<ThreadPool>(options.threads);
  // The tokenizer is built while the weights are mapped or packed.
  auto tokenizer =
      std::async(std::launch::async, [&] { return TokenizerOf(checkpoint); });
  model->packed_ = std::make_unique<models::PackedCache>(options.packed);
  model->decoder_ = models::Decoder::Load(checkpoint, options.precision,
                                          *model->pool_, model->packed_.get());
  model->tokenizer_ = tokenizer.get();
  const std::string source = TemplateOf(checkpoint);
  if (!source.empty()) {
    model->template_ = std::make_unique<text::Template>(
        source, path.string() + " (chat template)");
  }
  model->end_tokens_ = model->tokenizer_->end_of_generation_ids();
  AddEnds(checkpoint, model->end_tokens_);
  return model;
}

std::shared_ptr<const text::Tokenizer> LanguageModel::LoadTokenizer(
    const fs::path& path) {
  return TokenizerOf(models::Checkpoint::Open(path));
}

std::string LanguageModel::RenderChat(
    const Json& messages, const text::ChatRenderOptions& options) const {
  if (template_ == nullptr) {
    throw Error(ErrorCode::kUnsupported,
                {.where = info_.path.string(),
                 .what = "the model has no chat template",
                 .hint = "--raw"});
  }
  text::ChatRenderOptions full = options;
  if (!full.extra.is_object()) full.extra = Json::object();
  const auto name = [&](const char* key, std::optional<int32_t> id) {
    if (id && !full.extra.contains(key)) {
      full.extra[key] = tokenizer_->TokenText(*id);
    }
  };
  name("bos_token", tokenizer_->bos_id());
  name("eos_token", tokenizer_->eos_id());
  return text::RenderChat(*template_, messages, full);
}

std::vector<int32_t> LanguageModel::EncodePrompt(
    const std::string& prompt) const {
  text::EncodeOptions options;
  if (tokenizer_->adds_bos()) {
    // A template that writes the token itself must not get a second one.
    const std::string bos = tokenizer_->TokenText(*tokenizer_->bos_id());
    if (prompt.starts_with(bos)) options.add_special_tokens = false;
  }
  return tokenizer_->Encode(prompt, options).ids;
}

}  // namespace malmoi::generate
