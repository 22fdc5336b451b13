#include "models/gguf_facts.h"

#include <algorithm>
#include <cmath>

#include "base/format.h"
#include "models/config.h"

namespace malmoi::models {

namespace {

constexpr double kUsualTheta = 10000.0;

class Writer {
 public:
  Writer(const Checkpoint& source, const GgufForm& form, const Spec& spec,
         formats::GgufMetadata& metadata, std::vector<ConvertStep>& steps)
      : source_(source),
        config_(source),
        form_(form),
        spec_(spec),
        metadata_(metadata),
        steps_(steps),
        prefix_(std::string(form.architecture) + ".") {}

  void Write() {
    for (const GgufKey& key : form_.keys) {
      const bool several =
          key.fact == Fact::kScaling || key.fact == Fact::kLongRope;
      if (several || (!key.gguf.empty() && key.fact != Fact::kKinds)) Put(key);
    }
  }

 private:
  void Count(std::string_view key, int64_t value) {
    metadata_.U32(prefix_ + std::string(key), static_cast<uint32_t>(value));
  }
  void Number(std::string_view key, double value) {
    metadata_.F32(prefix_ + std::string(key), static_cast<float>(value));
  }
  void Flag(std::string_view key, bool value) {
    metadata_.Bool(prefix_ + std::string(key), value);
  }
  void Text(std::string_view key, std::string_view value) {
    metadata_.String(prefix_ + std::string(key), value);
  }

  void Put(const GgufKey& key) {
    if (PutCopied(key) || PutSize(key) || PutRotation(key)) return;
    const StateSpaceSpec& state = spec_.state_space;
    switch (key.fact) {
      case Fact::kWindow:
        if (spec_.attention.window > 0) PutWindow(key);
        break;
      case Fact::kWindowOrZero:
        PutWindow(key);
        break;
      case Fact::kSlidingLayers:
        if (spec_.attention.window == 0) break;
        metadata_.Bools(prefix_ + std::string(key.gguf),
                        spec_.attention.sliding);
        break;
      case Fact::kParallel:
        Flag(key.gguf, spec_.parallel);
        break;
      case Fact::kPartNorms:
        Flag(key.gguf, state.part_norms);
        break;
      case Fact::kInner:
        Count(key.gguf, state.inner > 0
                            ? state.inner
                            : config_.Count("", key.hf, 2) * spec_.width);
        break;
      case Fact::kStepRank:
        Count(key.gguf, state.step_rank);
        break;
      case Fact::kStateHeads:
        Count(key.gguf, state.heads);
        break;
      case Fact::kText:
        Text(key.gguf, key.hf);
        break;
      default:
        PutEncoder(key);
    }
  }

  void PutEncoder(const GgufKey& key) {
    // Kinds of pooling of GGUF.
    constexpr int64_t kMean = 1, kFirst = 2;
    switch (key.fact) {
      case Fact::kNotCausal:
        Flag(key.gguf, false);
        break;
      case Fact::kWord:
        if (config_.Has(key.hf)) Text(key.gguf, config_.Text("", key.hf, ""));
        break;
      case Fact::kPoolingOfHead:
        Count(key.gguf,
              config_.Text("", key.hf, "cls") == "mean" ? kMean : kFirst);
        break;
      case Fact::kTokenTypes:
        metadata_.U32(
            "tokenizer.ggml." + std::string(key.gguf),
            static_cast<uint32_t>(config_.Count("", "type_vocab_size", 1)));
        break;
      case Fact::kLabels:
        PutLabels(key);
        break;
      case Fact::kDecoderLayers:
        Count(key.gguf, config_.Count("", key.hf, spec_.layers));
        break;
      case Fact::kBuckets:
        Count(key.gguf, config_.Count("", key.hf, 32));
        break;
      case Fact::kStartToken:
        Count(key.gguf, config_.CountOrZero("", key.hf));
        break;
      default:
        break;
    }
  }

  // Of a classifier, in the order of its outputs. Two without names are what
  // transformers writes for any model.
  void PutLabels(const GgufKey& key) {
    const Json& config = source_.folder->config;
    const auto found = config.find("id2label");
    if (found == config.end() || !found->is_object()) return;
    std::vector<std::string> labels;
    for (size_t i = 0; i < found->size(); ++i) {
      const auto label = found->find(std::to_string(i));
      if (label == found->end() || !label->is_string()) return;
      labels.push_back(label->get<std::string>());
    }
    if (labels.size() == 2 && labels[0] == "LABEL_0") return;
    metadata_.Strings(prefix_ + std::string(key.gguf), labels);
  }

  // As config.json has it, where it does.
  bool PutCopied(const GgufKey& key) {
    switch (key.fact) {
      case Fact::kCount:
        if (config_.Has(key.hf)) {
          Count(key.gguf,
                static_cast<int64_t>(config_.NumberOrZero("", key.hf)));
        }
        return true;
      case Fact::kNumber:
        if (config_.Has(key.hf))
          Number(key.gguf, config_.NumberOrZero("", key.hf));
        return true;
      case Fact::kFlag:
        if (config_.Has(key.hf)) Flag(key.gguf, config_.Flag(key.hf));
        return true;
      default:
        return false;
    }
  }

  bool PutSize(const GgufKey& key) {
    const AttentionSpec& attention = spec_.attention;
    switch (key.fact) {
      case Fact::kLayers:
        Count(key.gguf, spec_.layers);
        return true;
      case Fact::kContext:
        Count(key.gguf, form_.context > 0 ? form_.context : spec_.context);
        return true;
      case Fact::kWidth:
        Count(key.gguf, spec_.width);
        return true;
      case Fact::kHidden:
        Count(key.gguf, spec_.feed_forward.hidden);
        return true;
      case Fact::kZero:
        Count(key.gguf, 0);
        return true;
      case Fact::kHeads:
        Count(key.gguf, attention.heads);
        return true;
      case Fact::kKvHeads:
        Count(key.gguf, attention.kv_heads);
        return true;
      case Fact::kKvHeadsByLayer: {
        std::vector<int32_t> heads;
        for (int64_t i = 0; i < spec_.layers; ++i) {
          heads.push_back(
              spec_.Attends(i) ? static_cast<int32_t>(attention.kv_heads) : 0);
        }
        metadata_.I32s(prefix_ + std::string(key.gguf), heads);
        return true;
      }
      case Fact::kHeadDim:
      case Fact::kOwnHeadDim:
        if (key.fact == Fact::kHeadDim && !config_.Has(key.hf)) return true;
        Count("attention.key_length", attention.head_dim);
        Count("attention.value_length", attention.head_dim);
        return true;
      case Fact::kEpsilon:
        Number(key.gguf,
               form_.epsilon > 0 ? form_.epsilon : spec_.norm_epsilon);
        return true;
      case Fact::kVocabulary:
        Count(key.gguf, spec_.vocab_size);
        return true;
      default:
        return false;
    }
  }

  void PutWindow(const GgufKey& key) {
    Count(key.gguf, config_.CountOrZero("", key.hf));
  }

  bool PutRotation(const GgufKey& key) {
    const RopeSpec& rope = spec_.attention.rope;
    switch (key.fact) {
      case Fact::kTheta:
        Number(key.gguf,
               config_.Number("",
                              "rope_parameters.full_attention.rope_theta|"
                              "rope_parameters.rope_theta|rope_theta|"
                              "global_rope_theta|rotary_emb_base",
                              rope.dim > 0 ? rope.theta : kUsualTheta));
        return true;
      case Fact::kUnusualTheta:
        if (rope.dim > 0 && rope.theta != kUsualTheta) {
          Number(key.gguf, rope.theta);
        }
        return true;
      case Fact::kSlidingTheta:
        if (spec_.attention.window > 0) {
          Number(key.gguf, spec_.attention.sliding_rope.theta);
        }
        return true;
      case Fact::kRopeDim:
        Count(key.gguf, rope.dim > 0 ? rope.dim : spec_.attention.head_dim);
        return true;
      case Fact::kRotates:
        Flag(key.gguf, rope.dim > 0);
        return true;
      case Fact::kNoScaling:
        Text(key.gguf, "none");
        return true;
      case Fact::kScaling:
        PutScaling();
        return true;
      case Fact::kLongRope:
        PutLongRope();
        return true;
      default:
        return false;
    }
  }

  void PutScaling() {
    const Json rotation = RotationOf(source_.folder->config);
    const std::string kind = config_.Text(
        "",
        "rope_parameters.full_attention.rope_type|rope_parameters.rope_type|"
        "rope_scaling.rope_type|rope_scaling.type",
        "default");
    const RopeSpec& rope = spec_.attention.rope;
    const auto optional = [&](const char* key, const char* hf) {
      const auto found = rotation.find(hf);
      if (found != rotation.end() && found->is_number()) {
        Number(key, found->get<double>());
      }
    };
    if (kind == "linear") {
      Text("rope.scaling.type", kind);
      Number("rope.scaling.factor", rope.linear_factor);
    } else if (kind == "yarn") {
      Text("rope.scaling.type", kind);
      optional("rope.scaling.factor", "factor");
      const auto original = rotation.find("original_max_position_embeddings");
      Count("rope.scaling.original_context_length",
            original != rotation.end() && original->is_number()
                ? original->get<int64_t>()
                : spec_.context);
      optional("rope.scaling.yarn_ext_factor", "extrapolation_factor");
      optional("rope.scaling.yarn_attn_factor", "attention_factor");
      optional("rope.scaling.yarn_beta_fast", "beta_fast");
      optional("rope.scaling.yarn_beta_slow", "beta_slow");
    } else if (kind == "llama3") {
      AddFloats("rope_freqs.weight", rope.frequency_divisors);
    } else if (kind != "default") {
      RefuseConvert(source_, "a rotation that is not converted", kind);
    }
  }

  void PutLongRope() {
    const RopeSpec& rope = spec_.attention.rope;
    if (rope.long_divisors.empty()) {
      if (!rope.frequency_divisors.empty() || rope.linear_factor != 1) {
        RefuseConvert(source_, "a rotation that is not converted",
                      "another than LongRoPE");
      }
      Count(
          "rope.scaling.original_context_length",
          config_.Count("", "original_max_position_embeddings", spec_.context));
      return;
    }
    Count("rope.scaling.original_context_length", rope.original_context);
    Number("rope.scaling.attn_factor", rope.magnitude);
    AddFloats("rope_factors_long.weight", rope.long_divisors);
    AddFloats("rope_factors_short.weight", rope.frequency_divisors);
  }

  void AddFloats(const char* name, const std::vector<float>& values) {
    ConvertStep step;
    step.info = {name, {std::ssize(values)}, DType::kF32};
    step.floats = values;
    steps_.push_back(std::move(step));
  }

  const Checkpoint& source_;
  const Config config_;
  const GgufForm& form_;
  const Spec& spec_;
  formats::GgufMetadata& metadata_;
  std::vector<ConvertStep>& steps_;
  const std::string prefix_;
};

}  // namespace

Json RotationOf(const Json& config) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_object()) continue;
    const auto full = found->find("full_attention");
    return full != found->end() && full->is_object() ? *full : *found;
  }
  return Json::object();
}

void AddFacts(const Checkpoint& source, const GgufForm& form, const Spec& spec,
              formats::GgufMetadata& metadata,
              std::vector<ConvertStep>& steps) {
  Writer(source, form, spec, metadata, steps).Write();
}

}  // namespace malmoi::models
