#include "apps/heads/head_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::apps {

namespace {

std::vector<std::string> ReadLabels(const Json& config, int64_t count) {
  std::vector<std::string> labels;
  const auto names = config.find("id2label");
  for (int64_t i = 0; i < count; ++i) {
    std::string label = Format("LABEL_{}", i);
    if (names != config.end() && names->is_object()) {
      const auto it = names->find(std::to_string(i));
      if (it != names->end() && it->is_string()) {
        label = it->get<std::string>();
      }
    }
    labels.push_back(std::move(label));
  }
  return labels;
}

// What config.json says of labels, as a GGUF has it.
Json GgufConfig(const models::Checkpoint& checkpoint) {
  Json config = Json::object();
  const auto labels = checkpoint.gguf->GetStrings(checkpoint.Architecture() +
                                                  ".classifier.output_labels");
  if (!labels) return config;
  for (size_t i = 0; i < labels->size(); ++i) {
    config["id2label"][std::to_string(i)] = (*labels)[i];
  }
  return config;
}

}  // namespace

HeadModel::HeadModel(const std::filesystem::path& path, models::Task task,
                     const represent::EmbedderOptions& options)
    : path_(path),
      pool_(options.threads),
      packed_(options.packed),
      task_(task) {
  models::Checkpoint checkpoint = models::Checkpoint::Open(path);
  checkpoint.Adapt(options.adapters);
  encoder_ = models::Encoder::Load(checkpoint, options.precision, pool_,
                                   &packed_, task);
  tokenizer_ = checkpoint.gguf ? text::Tokenizer::FromGguf(checkpoint.gguf)
                               : text::Tokenizer::FromFolder(path);
  config_ =
      checkpoint.gguf ? GgufConfig(checkpoint) : checkpoint.folder->config;
  if (task == models::Task::kClassify || task == models::Task::kTag) {
    labels_ = ReadLabels(config_, encoder_->spec().outputs);
  }
  max_tokens_ = encoder_->spec().context();
}

text::Encoding HeadModel::Encode(const HeadText& text, const std::string& where,
                                 bool truncate, bool& truncated) const {
  text::EncodeOptions options;
  // The mask is a special token; elsewhere users must not forge one.
  options.parse_special = task_ == models::Task::kFill;
  text::Encoding encoding =
      text.second != nullptr
          ? tokenizer_->EncodePair(text.first, *text.second, options)
          : tokenizer_->Encode(text.first, options);
  const auto size = static_cast<int64_t>(encoding.ids.size());
  truncated = size > max_tokens_;
  if (!truncated) return encoding;
  if (!truncate) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = where,
                 .what = "longer than the model reads",
                 .expected = Format("at most {} tokens", max_tokens_),
                 .got = std::to_string(size),
                 .hint = "--truncate, or a shorter text"});
  }
  // Before the last token, which ends the text ([SEP], </s>).
  const int64_t extra = size - max_tokens_;
  if (text.second != nullptr &&
      std::count(encoding.text_of.begin(), encoding.text_of.end(), 1) < extra) {
    throw Error(ErrorCode::kContextOverflow,
                {.where = where,
                 .what = "the first text alone is longer than the model reads",
                 .expected = Format("at most {} tokens", max_tokens_),
                 .got = std::to_string(size)});
  }
  const auto drop = [&](auto& values) {
    if (values.empty()) return;
    values.erase(values.end() - 1 - static_cast<std::ptrdiff_t>(extra),
                 values.end() - 1);
  };
  drop(encoding.ids);
  drop(encoding.offsets);
  drop(encoding.type_ids);
  drop(encoding.text_of);
  return encoding;
}

std::vector<float> HeadModel::Run(std::span<const text::Encoding> texts,
                                  std::span<const std::vector<size_t>> rows) {
  std::vector<float> result;
  for (size_t at = 0; at < texts.size();) {
    constexpr size_t kRows = 2048;  // bounds memory
    size_t end = at, count = 0;
    while (end < texts.size() &&
           (end == at || count + texts[end].ids.size() <= kRows)) {
      count += texts[end++].ids.size();
    }
    const auto part =
        RunBatch(texts.subspan(at, end - at),
                 rows.empty() ? rows : rows.subspan(at, end - at));
    result.insert(result.end(), part.begin(), part.end());
    at = end;
  }
  return result;
}

std::vector<float> HeadModel::RunBatch(
    std::span<const text::Encoding> texts,
    std::span<const std::vector<size_t>> rows) {
  std::vector<models::EncoderInput> inputs;
  for (const text::Encoding& text : texts) {
    inputs.push_back({text.ids, text.type_ids});
  }
  Exec exec{pool_, arena_, {}, nullptr};
  const std::span<const float> all = encoder_->Forward(exec, inputs);
  const size_t width = static_cast<size_t>(spec().width);
  std::vector<float> read;
  size_t first = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t count = texts[i].ids.size();
    const auto own = all.subspan(first * width, count * width);
    first += count;
    if (task_ == models::Task::kClassify && spec().mean_rows) {
      for (size_t k = 0; k < width; ++k) {
        double sum = 0;
        for (size_t r = 0; r < count; ++r) {
          sum += static_cast<double>(own[r * width + k]);
        }
        read.push_back(static_cast<float>(sum / static_cast<double>(count)));
      }
    } else if (task_ == models::Task::kClassify) {
      read.insert(read.end(), own.begin(), own.begin() + width);
    } else if (rows.empty()) {
      read.insert(read.end(), own.begin(), own.end());
    } else {
      for (size_t row : rows[i]) {
        const auto values = own.subspan(row * width, width);
        read.insert(read.end(), values.begin(), values.end());
      }
    }
  }
  return encoder_->Head(exec, read, static_cast<int64_t>(read.size() / width));
}

std::vector<double> Softmax(std::span<const float> logits) {
  std::vector<double> result;
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float logit : logits) {
    result.push_back(std::exp(static_cast<double>(logit - largest)));
    sum += result.back();
  }
  for (double& value : result) value /= sum;
  return result;
}

}  // namespace malmoi::apps
