#include "generate/seq2seq.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "formats/detect.h"
#include "models/registry.h"

namespace malmoi::generate {

namespace {

namespace fs = std::filesystem;
using models::DecodeInput;
using models::Sequence;

double NowMs() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Require(bool good, const char* option, const char* expected,
             const std::string& got) {
  if (good) return;
  throw Error(ErrorCode::kInvalidArgument, {.where = option,
                                            .what = "value out of range",
                                            .expected = expected,
                                            .got = got});
}

void CheckOptions(const Seq2SeqOptions& options) {
  Require(options.beams >= 1 && options.beams <= 64, "beams", "1 to 64",
          std::to_string(options.beams));
  Require(options.results >= 1 && options.results <= options.beams, "results",
          "1 to the number of beams", std::to_string(options.results));
  Require(std::isfinite(options.length_penalty), "length-penalty", "a number",
          Format("{}", options.length_penalty));
  Require(options.rules.no_repeat_ngram >= 0, "no-repeat-ngram", "0 or more",
          std::to_string(options.rules.no_repeat_ngram));
  Require(options.rules.repetition_penalty > 0, "repetition-penalty", "above 0",
          Format("{}", options.rules.repetition_penalty));
  Require(options.beams == 1 || options.sampling.temperature == 0,
          "temperature", "0 with a beam search",
          Format("{}", options.sampling.temperature));
}

}  // namespace

// One text on its way through the model.
class Seq2Seq::Run {
 public:
  Run(const Seq2Seq& owner, const Seq2SeqOptions& options)
      : owner_(owner), options_(options), exec_{*owner.pool_, arena_, {}} {
    if (!options.start) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = owner.path_.string(),
                   .what = "the settings name no token to start with",
                   .expected = "decoder_start_token_id"});
    }
    start_ = *options.start;
    const int64_t context = owner.model_->spec().context;
    // Where neither positions nor settings end it.
    constexpr int64_t kUsual = 512;
    max_tokens_ = options.max_tokens >= 0 ? options.max_tokens
                  : context > 0           ? context
                                          : kUsual;
  }

  Seq2SeqCompletion Answer(std::span<const int32_t> tokens) {
    completion_.input_tokens = static_cast<int64_t>(tokens.size());
    begin_ = NowMs();
    memory_ = std::move(owner_.model_->Encode(exec_, {&tokens, 1}).front());
    const double encoded = NowMs();
    completion_.encode_ms = encoded - begin_;
    if (max_tokens_ == 0) {
      completion_.results.push_back({.finish_reason = FinishReason::kLength});
    } else if (options_.beams > 1) {
      Search();
    } else {
      Write();
    }
    completion_.decode_ms = NowMs() - encoded;
    return std::move(completion_);
  }

 private:
  bool IsEnd(int32_t token) const {
    return std::find(owner_.ends_.begin(), owner_.ends_.end(), token) !=
           owner_.ends_.end();
  }
  void CountStep() {
    if (completion_.steps++ == 0) {
      completion_.first_token_ms = NowMs() - begin_;
    }
  }
  bool Cancelled() const { return options_.cancelled && options_.cancelled(); }

  // Token by token, one text.
  void Write() {
    Sampler sampler(options_.sampling);
    std::optional<text::StreamDecoder> decoder;
    if (owner_.tokenizer_ && options_.on_text)
      decoder.emplace(owner_.tokenizer_);
    const auto show = [&](const std::string& text) {
      if (!text.empty()) options_.on_text(text);
    };
    const auto sequence = owner_.model_->NewSequence(max_tokens_);
    std::vector<int32_t> tokens = {start_};
    std::vector<float> scores;
    double sum = 0;
    bool cancelled = false;
    do {
      cancelled = Cancelled();
      if (cancelled) break;
      const DecodeInput input = {
          sequence.get(), memory_.get(), {&tokens.back(), 1}};
      const auto logits = owner_.model_->Forward(exec_, {&input, 1});
      scores.assign(logits.begin(), logits.end());
      ApplyRules(options_.rules, tokens, 1 + max_tokens_, owner_.ends_, scores);
      tokens.push_back(sampler.Pick(scores, tokens));
      sum += static_cast<double>(logits[static_cast<size_t>(tokens.back())]) -
             LogSumExp(logits);
      CountStep();
      if (decoder) show(decoder->Push(tokens.back()));
    } while (!IsEnd(tokens.back()) && Written(tokens) < max_tokens_);
    if (decoder) show(decoder->Finish());
    Add(tokens, sum, cancelled);
  }

  // The best of many at once.
  void Search() {
    BeamSearch search({.beams = options_.beams,
                       .length_penalty = options_.length_penalty,
                       .early_stopping = options_.early_stopping,
                       .max_length = 1 + max_tokens_,
                       .ends = owner_.ends_},
                      options_.rules, start_);
    std::vector<std::unique_ptr<Sequence>> sequences;
    for (int64_t i = 0; i < options_.beams; ++i) {
      sequences.push_back(owner_.model_->NewSequence(max_tokens_));
    }
    bool cancelled = false;
    while (!search.done() && !cancelled) {
      std::vector<DecodeInput> inputs;
      for (size_t i = 0; i < sequences.size(); ++i) {
        inputs.push_back({sequences[i].get(),
                          memory_.get(),
                          {&search.running()[i].tokens.back(), 1}});
      }
      search.Take(owner_.model_->Forward(exec_, inputs));
      CountStep();
      sequences = Follow(std::move(sequences), search.running());
      cancelled = Cancelled();
    }
    for (const BeamSearch::Text& text : search.Finish()) {
      if (std::ssize(completion_.results) == options_.results) break;
      Add(text.tokens, text.score, cancelled);
    }
  }

  // The sequences of beams: those of their parents, copied only where more
  // than one goes on.
  static std::vector<std::unique_ptr<Sequence>> Follow(
      std::vector<std::unique_ptr<Sequence>> parents,
      const std::vector<BeamSearch::Beam>& beams) {
    std::vector<size_t> children(parents.size());
    for (const BeamSearch::Beam& beam : beams) ++children[beam.parent];
    std::vector<std::unique_ptr<Sequence>> next;
    for (const BeamSearch::Beam& beam : beams) {
      next.push_back(--children[beam.parent] == 0
                         ? std::move(parents[beam.parent])
                         : parents[beam.parent]->Fork());
    }
    return next;
  }

  static int64_t Written(const std::vector<int32_t>& tokens) {
    return std::ssize(tokens) - 1;
  }

  void Add(const std::vector<int32_t>& tokens, double score, bool cancelled) {
    Seq2SeqResult result;
    result.tokens.assign(tokens.begin() + 1, tokens.end());
    if (owner_.tokenizer_) {
      result.text = owner_.tokenizer_->Decode(result.tokens, true);
    }
    result.score = score;
    result.finish_reason = cancelled              ? FinishReason::kCancelled
                           : IsEnd(tokens.back()) ? FinishReason::kStop
                                                  : FinishReason::kLength;
    completion_.results.push_back(std::move(result));
  }

  const Seq2Seq& owner_;
  const Seq2SeqOptions& options_;
  Arena arena_;
  Exec exec_;
  int32_t start_ = 0;
  int64_t max_tokens_ = 0;
  double begin_ = 0;
  std::unique_ptr<Sequence> memory_;
  Seq2SeqCompletion completion_;
};

namespace {

bool HasTokenizer(const fs::path& folder) {
  static constexpr const char* kFiles[] = {
      "tokenizer.json",          "tokenizer.model", "spiece.model",
      "sentencepiece.bpe.model", "source.spm",      "target.spm"};
  return std::any_of(
      std::begin(kFiles), std::end(kFiles),
      [&](const char* name) { return fs::exists(folder / name); });
}

}  // namespace

bool Seq2Seq::Is(const fs::path& path) {
  std::string name;
  if (formats::DetectFile(path) == formats::FileKind::kGguf) {
    name = formats::GgufFile::Open(path)
               ->GetString("general.architecture")
               .value_or("");
  } else {
    const Json config = ReadJsonIfThere(path / "config.json");
    if (config.is_object() && config.contains("model_type") &&
        config["model_type"].is_string()) {
      name = config["model_type"].get<std::string>();
    }
  }
  const auto known = models::Architectures();
  return std::any_of(
      known.begin(), known.end(), [&](const models::Architecture& one) {
        return one.describe_encoder_decoder != nullptr && name == one.name;
      });
}

std::shared_ptr<Seq2Seq> Seq2Seq::Load(const fs::path& path,
                                       const LoadOptions& options) {
  models::Checkpoint checkpoint = models::Checkpoint::Open(path);
  checkpoint.Adapt(options.adapters);
  models::FindEncoderDecoder(checkpoint.Architecture(), path.string());
  std::shared_ptr<Seq2Seq> loaded(new Seq2Seq());
  loaded->path_ = path;
  loaded->pool_ = std::make_unique<ThreadPool>(options.threads);
  // The tokenizer is built while the weights are mapped or packed.
  auto tokenizer = std::async(std::launch::async, [&] {
    if (checkpoint.gguf) {
      return checkpoint.gguf->GetString("tokenizer.ggml.model")
                 ? text::Tokenizer::FromGguf(checkpoint.gguf)
                 : nullptr;
    }
    return HasTokenizer(path) ? text::Tokenizer::FromFolder(path) : nullptr;
  });
  loaded->packed_ = std::make_unique<models::PackedCache>(options.packed);
  loaded->model_ = models::EncoderDecoder::Load(
      checkpoint, options.precision, *loaded->pool_, loaded->packed_.get());
  loaded->tokenizer_ = tokenizer.get();
  loaded->ReadSettings(checkpoint);
  return loaded;
}

const text::Tokenizer& Seq2Seq::tokenizer() const {
  if (tokenizer_) return *tokenizer_;
  throw Error(ErrorCode::kUnsupported,
              {.where = path_.string(),
               .what = "the model has no tokenizer that malmoi reads",
               .expected = "tokenizer.json or SentencePiece's files",
               .hint = "docs/translation.md, which says where from"});
}

Seq2SeqCompletion Seq2Seq::Generate(const std::string& text,
                                    const Seq2SeqOptions& options) const {
  return Generate(tokenizer().Encode(text, {.parse_special = false}).ids,
                  options);
}

Seq2SeqCompletion Seq2Seq::Generate(std::span<const int32_t> tokens,
                                    const Seq2SeqOptions& options) const {
  CheckOptions(options);
  return Run(*this, options).Answer(tokens);
}

}  // namespace malmoi::generate
