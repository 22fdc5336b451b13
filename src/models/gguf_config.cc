#include "models/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"
#include "models/config.h"

namespace malmoi::models {

namespace {

std::string First(std::string_view spellings) {
  return std::string(spellings.substr(0, spellings.find('|')));
}

const char* ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return "gelu";
    case Activation::kGeluTanh:
      return "gelu_pytorch_tanh";
    case Activation::kRelu:
      return "relu";
    case Activation::kReluSquared:
      return "relu2";
    default:
      return "silu";
  }
}

// f32 in the shortest decimal that is the same number.
double Shortest(double value) {
  for (int digits = 1; digits <= 9; ++digits) {
    char text[40];
    snprintf(text, sizeof text, "%.*g", digits, value);
    const double shorter = strtod(text, nullptr);
    if (static_cast<float>(shorter) == static_cast<float>(value)) {
      return shorter;
    }
  }
  return value;
}

// Llama 3's scaling (Grattafiori et al. 2024) by the divisors it gave: the
// slowest component is divided by the factor, and the context it was trained
// for decides where that begins. Empty where nothing fits.
Json Llama3Scaling(const RopeSpec& rope) {
  const double factor = rope.frequency_divisors.back();
  for (int64_t old = 32; old <= int64_t{1} << 20; old *= 2) {
    bool same = true;
    for (size_t i = 0; i < rope.frequency_divisors.size() && same; ++i) {
      const double exponent =
          2.0 * static_cast<double>(i) / static_cast<double>(rope.dim);
      const double turns = static_cast<double>(old) /
                           (2.0 * M_PI * std::pow(rope.theta, exponent));
      const double smooth = std::clamp((turns - 1.0) / 3.0, 0.0, 1.0);
      const double divisor = 1.0 / ((1.0 - smooth) / factor + smooth);
      same = std::fabs(divisor - rope.frequency_divisors[i]) < 1e-5 * divisor;
    }
    if (!same) continue;
    return {{"rope_type", "llama3"},
            {"factor", Shortest(factor)},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", old}};
  }
  return nullptr;
}

class Reader {
 public:
  Reader(const Checkpoint& source, const GgufForm& form, const Spec& spec)
      : source_(source),
        file_(*source.gguf),
        form_(form),
        spec_(spec),
        prefix_(source.Architecture() + ".") {}

  Json Read() {
    config_["architectures"] = Json::array({form_.hf_class});
    config_["model_type"] = form_.model_type;
    for (const GgufKey& key : form_.keys) Put(key);
    config_["vocab_size"] = spec_.vocab_size;
    config_["tie_word_embeddings"] = spec_.tied_head;
    for (const auto& [name, key] :
         {std::pair("bos_token_id", "tokenizer.ggml.bos_token_id"),
          std::pair("eos_token_id", "tokenizer.ggml.eos_token_id"),
          std::pair("pad_token_id", "tokenizer.ggml.padding_token_id")}) {
      config_[name] = nullptr;
      if (const auto id = file_.GetInt(key)) config_[name] = *id;
    }
    return std::move(config_);
  }

 private:
  std::string Key(const GgufKey& key) const {
    return prefix_ + std::string(key.gguf);
  }

  void Put(const GgufKey& key) {
    const std::string name = First(key.hf);
    if (key.fact == Fact::kScaling) return PutScaling();
    if (key.fact == Fact::kLongRope) return PutLongRope();
    if (key.fact == Fact::kRopeDim) return PutPart();
    if (key.fact == Fact::kRopeByLayer) return NestRotation();
    if (name.empty() || PutCopied(key, name) || PutSize(key, name) ||
        PutShown(key, name)) {
      return;
    }
    PutLayers(key, name);
  }

  bool PutCopied(const GgufKey& key, const std::string& name) {
    switch (key.fact) {
      case Fact::kCount:
        if (const auto value = file_.GetInt(Key(key))) config_[name] = *value;
        return true;
      case Fact::kNumber:
        if (const auto value = file_.GetFloat(Key(key))) {
          config_[name] = Shortest(*value);
        }
        return true;
      case Fact::kFlag:
        if (const auto value = file_.GetBool(Key(key))) config_[name] = *value;
        return true;
      case Fact::kYes:
      case Fact::kNo:
        config_[name] = key.fact == Fact::kYes;
        return true;
      case Fact::kText:
        return true;
      case Fact::kWord:
        if (const auto value = file_.GetString(Key(key)))
          config_[name] = *value;
        return true;
      case Fact::kTokenTypes:
        PutTokenTypes(name);
        return true;
      case Fact::kDecoderLayers:
      case Fact::kBuckets:
      case Fact::kStartToken:
        if (const auto value = file_.GetInt(Key(key))) config_[name] = *value;
        return true;
      default:
        return false;
    }
  }

  // A model that adds them needs their table.
  void PutTokenTypes(const std::string& name) {
    const auto types = file_.tensors().find("token_types.weight");
    if (types == file_.tensors().end()) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = source_.path.string(),
                   .what = "a model without token types"});
    }
    config_[name] = types->second.rows();
  }

  bool PutSize(const GgufKey& key, const std::string& name) {
    const AttentionSpec& attention = spec_.attention;
    const StateSpaceSpec& state = spec_.state_space;
    switch (key.fact) {
      case Fact::kLayers:
        config_[name] = spec_.layers;
        return true;
      case Fact::kContext:
        config_[name] = spec_.context;
        return true;
      case Fact::kWidth:
        config_[name] = spec_.width;
        return true;
      case Fact::kHidden:
        config_[name] = spec_.feed_forward.hidden;
        return true;
      case Fact::kHeads:
        config_[name] = attention.heads;
        return true;
      case Fact::kKvHeads:
      case Fact::kKvHeadsByLayer:
        config_[name] = attention.kv_heads;
        return true;
      case Fact::kHeadDim:
        if (file_.GetInt(prefix_ + "attention.key_length") ||
            attention.head_dim * attention.heads != spec_.width) {
          config_[name] = attention.head_dim;
        }
        return true;
      case Fact::kOwnHeadDim:
        config_[name] = attention.head_dim;
        return true;
      case Fact::kEpsilon:
        config_[name] = Shortest(spec_.norm_epsilon);
        return true;
      case Fact::kTheta:
      case Fact::kUnusualTheta:
        config_[name] =
            Shortest(attention.rope.dim > 0 ? attention.rope.theta : 10000.0);
        return true;
      case Fact::kSlidingTheta:
        if (attention.window == 0) return true;
        config_[name] = Shortest(attention.sliding_rope.theta);
        return true;
      case Fact::kInner:
        config_[name] = state.inner > 0 ? state.inner / spec_.width : 2;
        return true;
      case Fact::kStepRank:
        config_[name] = state.step_rank;
        return true;
      case Fact::kStateHeads:
        config_[name] = state.heads;
        return true;
      case Fact::kStateHeadDim:
        if (state.heads > 0) config_[name] = state.inner / state.heads;
        return true;
      default:
        return false;
    }
  }

  // What a GGUF has no key for.
  bool PutShown(const GgufKey& key, const std::string& name) {
    const AttentionSpec& attention = spec_.attention;
    switch (key.fact) {
      case Fact::kActivation:
        config_[name] = ActivationName(spec_.feed_forward.activation);
        return true;
      case Fact::kGatedActivation:
        config_[name] =
            spec_.feed_forward.gated
                ? spec_.feed_forward.activation == Activation::kGeluTanh
                      ? "gated-gelu"
                      : std::string("gated-") +
                            ActivationName(spec_.feed_forward.activation)
                : ActivationName(spec_.feed_forward.activation);
        return true;
      case Fact::kAttentionBias:
        config_[name] = attention.bias;
        return true;
      case Fact::kFeedForwardBias:
        config_[name] = spec_.feed_forward.bias;
        return true;
      case Fact::kNormalize:
        config_[name] = spec_.experts.normalize;
        return true;
      case Fact::kScoreDivisor:
        PutDivisor(name, 1.0 / (attention.scale * attention.scale));
        return true;
      case Fact::kHeadNorms:
        config_[name] = attention.head_norms != HeadNorms::kNone;
        return true;
      case Fact::kManyKeys:
        config_[name] = attention.kv_heads > 1;
        return true;
      case Fact::kOneKey:
        config_[name] = attention.kv_heads == 1;
        return true;
      case Fact::kNormCount:
        config_[name] = spec_.shared_norm ? 1 : 2;
        return true;
      case Fact::kParallel:
        config_[name] = spec_.parallel;
        return true;
      case Fact::kPositionKind:
        config_[name] = attention.rope.dim > 0 ? "rope" : "nope";
        return true;
      case Fact::kFilterBias:
        config_[name] = spec_.state_space.filter_bias;
        return true;
      case Fact::kGatedNorm:
        config_[name] = spec_.state_space.gated_norm;
        return true;
      case Fact::kUnrounded:
        if (config_.contains("rope_scaling")) {
          config_["rope_scaling"][name] = false;
        }
        return true;
      default:
        return false;
    }
  }

  // A whole number, which transformers asks for.
  void PutDivisor(const std::string& name, double value) {
    config_[name] = Shortest(value);
    if (std::fabs(value - std::round(value)) < 1e-6 * value) {
      config_[name] = std::llround(value);
    }
  }

  void PutLayers(const GgufKey& key, const std::string& name) {
    const AttentionSpec& attention = spec_.attention;
    if (key.fact == Fact::kWindow || key.fact == Fact::kWindowOrZero) {
      config_[name] = nullptr;
      if (attention.window > 0) config_[name] = attention.window;
    } else if (key.fact == Fact::kSlidingLayers) {
      Json kinds = Json::array();
      for (int64_t i = 0; i < spec_.layers; ++i) {
        kinds.push_back(attention.Slides(i) ? "sliding_attention"
                                            : "full_attention");
      }
      config_[name] = kinds;
    } else if (key.fact == Fact::kKinds) {
      Json kinds = Json::array();
      for (int64_t i = 0; i < spec_.layers; ++i) {
        kinds.push_back(spec_.Attends(i) ? key.gguf
                                         : key.hf.substr(key.hf.find('|') + 1));
      }
      config_[name] = kinds;
    }
  }

  // The part of a head that rotates.
  void PutPart() {
    const AttentionSpec& attention = spec_.attention;
    if (attention.rope.dim == 0 || attention.rope.dim == attention.head_dim) {
      return;
    }
    config_["partial_rotary_factor"] = static_cast<double>(attention.rope.dim) /
                                       static_cast<double>(attention.head_dim);
  }

  void PutScaling() {
    const RopeSpec& rope = spec_.attention.rope;
    const std::string kind =
        file_.GetString(prefix_ + "rope.scaling.type").value_or("none");
    Json scaling;
    if (kind == "linear") {
      scaling = {{"rope_type", kind}, {"factor", Shortest(rope.linear_factor)}};
    } else if (kind == "yarn") {
      scaling = {{"rope_type", kind}};
      const auto number = [&](const char* key, const char* name) {
        if (const auto value = file_.GetFloat(prefix_ + key)) {
          scaling[name] = Shortest(*value);
        }
      };
      number("rope.scaling.factor", "factor");
      number("rope.scaling.yarn_beta_fast", "beta_fast");
      number("rope.scaling.yarn_beta_slow", "beta_slow");
      scaling["original_max_position_embeddings"] =
          file_.GetInt(prefix_ + "rope.scaling.original_context_length")
              .value_or(spec_.context);
    } else if (!rope.frequency_divisors.empty()) {
      scaling = Llama3Scaling(rope);
      if (scaling.is_null()) {
        throw Error(ErrorCode::kUnsupported,
                    {.where = source_.path.string(),
                     .what = "a rotation that is not converted",
                     .expected = "Llama 3's scaling",
                     .got = "other divisors of its frequencies"});
      }
    }
    if (!scaling.is_null()) config_["rope_scaling"] = scaling;
  }

  void PutLongRope() {
    const RopeSpec& rope = spec_.attention.rope;
    const auto original =
        file_.GetInt(prefix_ + "rope.scaling.original_context_length");
    if (original) config_["original_max_position_embeddings"] = *original;
    if (rope.long_divisors.empty()) return;
    const auto list = [](const std::vector<float>& values) {
      Json all = Json::array();
      for (const float value : values) all.push_back(Shortest(value));
      return all;
    };
    config_["rope_scaling"] = {
        {"rope_type", "longrope"},
        {"long_factor", list(rope.long_divisors)},
        {"short_factor", list(rope.frequency_divisors)},
        {"attention_factor", Shortest(rope.magnitude)},
    };
    if (original) {
      config_["rope_scaling"]["original_max_position_embeddings"] = *original;
    }
  }

  // Both kinds of layers' rotations apart.
  void NestRotation() {
    const double theta = config_.value("rope_theta", 10000.0);
    Json full = config_.value("rope_scaling", Json({{"rope_type", "default"}}));
    full["rope_theta"] = theta;
    config_["rope_parameters"] = {
        {"full_attention", full},
        {"sliding_attention",
         {{"rope_type", "default"},
          {"rope_theta", Shortest(spec_.attention.sliding_rope.theta)}}}};
    config_.erase("rope_theta");
    config_.erase("rope_scaling");
  }

  const Checkpoint& source_;
  const formats::GgufFile& file_;
  const GgufForm& form_;
  const Spec& spec_;
  const std::string prefix_;
  Json config_ = Json::object();
};

}  // namespace

Json ConfigOf(const Checkpoint& source, const GgufForm& form,
              const Spec& spec) {
  return Reader(source, form, spec).Read();
}

}  // namespace malmoi::models
