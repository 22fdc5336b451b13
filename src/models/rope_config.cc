#include "models/rope_config.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace malmoi::models {

namespace {

// Reads config.json's keys where they stand today, then where they stood.
class RopeKeys {
 public:
  RopeKeys(const Config& config, std::string_view section) : config_(config) {
    today_ = "rope_parameters.";
    if (!section.empty()) today_ += std::string(section) + ".";
  }
  // `keys`: one, or several spellings.
  template <typename... Keys>
  std::string Find(Keys... keys) const {
    std::string all;
    for (const std::string& prefix :
         {today_, std::string("rope_scaling."), std::string()}) {
      ((all += (all.empty() ? "" : "|") + prefix + keys), ...);
    }
    return all;
  }

 private:
  const Config& config_;
  std::string today_;
};

// Llama 3's divisors of the rotary frequencies (Grattafiori et al. 2024,
// section 3.2; the formula is that of its published configuration).
std::vector<float> Llama3Divisors(const Config& config, const RopeKeys& keys,
                                  const RopeSpec& rope) {
  const double factor = config.Number(keys.Find("factor"));
  const double low = config.Number(keys.Find("low_freq_factor"));
  const double high = config.Number(keys.Find("high_freq_factor"));
  const double old_context =
      config.Number(keys.Find("original_max_position_embeddings"));
  std::vector<float> divisors;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const double exponent =
        2.0 * static_cast<double>(i) / static_cast<double>(rope.dim);
    const double wavelength = 2.0 * M_PI * std::pow(rope.theta, exponent);
    const double smooth = (old_context / wavelength - low) / (high - low);
    double divisor = factor;
    if (wavelength < old_context / high) {
      divisor = 1.0;
    } else if (wavelength <= old_context / low) {
      divisor = 1.0 / ((1.0 - smooth) / factor + smooth);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

std::vector<float> StoredDivisors(const Config& config, const char* name,
                                  const RopeSpec& rope) {
  const Tensor* stored = config.FindTensor(name);
  if (stored == nullptr) return {};
  if (stored->dtype != DType::kF32 || stored->elements() != rope.dim / 2) {
    config.Refuse(std::string(name) + " of this shape",
                  ShapeString(stored->shape));
  }
  const auto* values = reinterpret_cast<const float*>(stored->data.data());
  return std::vector<float>(values, values + stored->elements());
}

std::vector<float> ListedDivisors(const Config& config, const std::string& key,
                                  const RopeSpec& rope) {
  const std::vector<double> values = config.Numbers(key);
  if (static_cast<int64_t>(values.size()) != rope.dim / 2) {
    config.Refuse(key + " of this length", std::to_string(values.size()));
  }
  return std::vector<float>(values.begin(), values.end());
}

// YaRN (Peng et al. 2023, section 3.2): fast rotations stay, slow ones are
// stretched by `factor`, those between are mixed; scores are sharpened by a
// magnitude.
void ReadYarn(const Config& config, const RopeKeys& keys, int64_t context,
              bool rounds, RopeSpec& rope) {
  const double factor =
      config.Number("rope.scaling.factor", keys.Find("factor"));
  const auto original = static_cast<double>(
      config.Count("rope.scaling.original_context_length",
                   keys.Find("original_max_position_embeddings"), context));
  const double fast = config.Number("rope.scaling.yarn_beta_fast",
                                    keys.Find("beta_fast"), 32.0);
  const double slow =
      config.Number("rope.scaling.yarn_beta_slow", keys.Find("beta_slow"), 1.0);
  const auto dim = static_cast<double>(rope.dim);
  // The component that turns so many times within the original context.
  const auto component = [&](double turns) {
    return dim * std::log(original / (turns * 2.0 * M_PI)) /
           (2.0 * std::log(rope.theta));
  };
  double low = component(fast), high = component(slow);
  const std::string truncate = keys.Find("truncate");
  if (config.Has(truncate) ? config.Flag(truncate) : rounds) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  for (int64_t i = 0; i < rope.dim / 2; ++i) {
    const double ramp =
        std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    rope.frequency_divisors.push_back(
        static_cast<float>(1.0 / (ramp / factor + (1.0 - ramp))));
  }
  const auto sharpen = [&](double scale) {
    return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
  };
  double magnitude = sharpen(1.0);
  const std::string all = keys.Find("mscale_all_dim");
  if (config.Has(keys.Find("mscale")) && config.Has(all)) {
    magnitude = sharpen(config.Number(keys.Find("mscale"))) /
                sharpen(config.Number(all));
  }
  rope.magnitude = config.Number("", keys.Find("attention_factor"), magnitude);
}

// LongRoPE (Ding et al. 2024) as Phi-3 has it: two lists of divisors, and a
// magnitude that makes up for the spread of long contexts.
void ReadLongRope(const Config& config, const RopeKeys& keys, int64_t context,
                  RopeSpec& rope) {
  rope.original_context =
      config.Count("rope.scaling.original_context_length",
                   keys.Find("original_max_position_embeddings"), context);
  if (config.FindTensor("rope_factors_long.weight") != nullptr) {
    rope.frequency_divisors =
        StoredDivisors(config, "rope_factors_short.weight", rope);
    rope.long_divisors =
        StoredDivisors(config, "rope_factors_long.weight", rope);
    rope.magnitude = config.Number("rope.scaling.attn_factor", "", 1.0);
    return;
  }
  rope.frequency_divisors =
      ListedDivisors(config, keys.Find("short_factor"), rope);
  rope.long_divisors = ListedDivisors(config, keys.Find("long_factor"), rope);
  const double longer =
      static_cast<double>(context) / static_cast<double>(rope.original_context);
  const double factor = config.Number("", keys.Find("factor"), longer);
  const double magnitude =
      factor <= 1.0
          ? 1.0
          : std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(
                                                   rope.original_context)));
  rope.magnitude = config.Number("", keys.Find("attention_factor"), magnitude);
}

}  // namespace

RopeSpec ReadRope(const Config& config, int64_t head_dim, int64_t context,
                  std::string_view section, bool round_yarn) {
  const RopeKeys keys(config, section);
  RopeSpec rope;
  const double part = config.Number(
      "", keys.Find("partial_rotary_factor", "rotary_pct", "rope_pct"), 1.0);
  rope.dim =
      config.Count("rope.dimension_count", "",
                   static_cast<int64_t>(static_cast<double>(head_dim) * part));
  rope.theta = config.Number(
      "rope.freq_base", keys.Find("rope_theta", "rotary_emb_base"), 10000.0);
  std::string scaling =
      config.Text("rope.scaling.type", keys.Find("rope_type"), "");
  if (scaling.empty()) scaling = config.Text("", keys.Find("type"), "none");
  if (scaling == "longrope" || scaling == "su" ||
      config.FindTensor("rope_factors_long.weight") != nullptr) {
    ReadLongRope(config, keys, context, rope);
  } else if (scaling == "linear") {
    rope.linear_factor =
        config.Number("rope.scaling.factor", keys.Find("factor"));
  } else if (scaling == "yarn") {
    ReadYarn(config, keys, context, round_yarn, rope);
  } else if (scaling == "dynamic") {
    rope.dynamic_factor =
        config.Number("rope.scaling.factor", keys.Find("factor"));
    rope.original_context = context;
  } else if (scaling == "llama3") {
    rope.frequency_divisors = Llama3Divisors(config, keys, rope);
  } else if (scaling != "none" && scaling != "default") {
    config.Refuse("rope scaling of this type", scaling);
  }
  if (config.FindTensor("rope_freqs.weight") != nullptr) {
    rope.frequency_divisors = StoredDivisors(config, "rope_freqs.weight", rope);
  }
  return rope;
}

}  // namespace malmoi::models
