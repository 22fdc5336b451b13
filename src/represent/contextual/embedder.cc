#include "represent/contextual/embedder.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "models/packed_cache.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

enum class Pooling { kMean, kFirst, kMax, kMeanSqrt, kLast };

// A projection behind pooling: sentence-transformers' Dense.
struct Dense {
  int64_t in = 0, out = 0;
  std::vector<float> weight, bias;  // [out][in], [out]
  bool tanh = false;
};

struct Modules {
  Pooling pooling = Pooling::kMean;
  std::vector<Dense> dense;
  bool normalize = false;
};

[[noreturn]] void Refuse(const fs::path& path, std::string what,
                         std::string got) {
  throw Error(
      ErrorCode::kUnsupported,
      {.where = path.string(), .what = std::move(what), .got = std::move(got)});
}

Pooling ReadPooling(const fs::path& path) {
  const Json config = ReadJson(path);
  // The newer spelling names the mode.
  const std::string mode = config.value("pooling_mode", "");
  constexpr std::pair<const char*, Pooling> kModes[] = {
      {"pooling_mode_cls_token", Pooling::kFirst},
      {"pooling_mode_mean_tokens", Pooling::kMean},
      {"pooling_mode_max_tokens", Pooling::kMax},
      {"pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrt},
      {"pooling_mode_lasttoken", Pooling::kLast}};
  std::optional<Pooling> found;
  for (const auto& [key, pooling] : kModes) {
    const std::string name = std::string(key).substr(13);
    const bool named = !mode.empty() && name.starts_with(mode);
    if (!named && !config.value(key, false)) continue;
    if (found) Refuse(path, "several kinds of pooling at once", key);
    found = pooling;
  }
  if (config.value("pooling_mode_weightedmean_tokens", false) || !found) {
    Refuse(path, "unknown kind of pooling",
           mode.empty() ? "weightedmean or none" : mode);
  }
  return *found;
}

Dense ReadDense(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  const Json config = ReadJson(path);
  Dense dense;
  dense.in = config.value("in_features", int64_t{0});
  dense.out = config.value("out_features", int64_t{0});
  const std::string activation = config.value("activation_function", "");
  dense.tanh = activation.ends_with("Tanh");
  if (!dense.tanh && !activation.ends_with("Identity")) {
    Refuse(path, "unknown activation of a projection", activation);
  }
  const auto file =
      formats::SafetensorsFile::Open(folder / "model.safetensors");
  const auto read = [&](const char* name, const Shape& shape) {
    const auto it = file.tensors.find(name);
    if (it == file.tensors.end() || it->second.shape != shape ||
        it->second.dtype != DType::kF32) {
      throw Error(ErrorCode::kCorrupt,
                  {.where = (folder / "model.safetensors").string(),
                   .what = Format("{} is missing or misshapen", name),
                   .expected = "F32 " + ShapeString(shape)});
    }
    const auto* values = reinterpret_cast<const float*>(it->second.data.data());
    return std::vector<float>(values, values + it->second.elements());
  };
  dense.weight = read("linear.weight", {dense.out, dense.in});
  if (config.value("bias", true)) dense.bias = read("linear.bias", {dense.out});
  return dense;
}

Modules ReadModules(const fs::path& folder) {
  Modules modules;
  const Json list = ReadJsonIfThere(folder / "modules.json");
  if (!list.is_array()) return modules;
  for (const Json& module : list) {
    const std::string type = module.value("type", "");
    const fs::path part = folder / module.value("path", "");
    const std::string kind = type.substr(type.rfind('.') + 1);
    if (kind == "Transformer") {
      if (!module.value("path", "").empty()) {
        Refuse(folder / "modules.json", "a transformer in a folder of its own",
               part.string());
      }
    } else if (kind == "Pooling") {
      modules.pooling = ReadPooling(part / "config.json");
    } else if (kind == "Dense") {
      modules.dense.push_back(ReadDense(part));
    } else if (kind == "Normalize") {
      modules.normalize = true;
    } else {
      Refuse(folder / "modules.json", "unknown module", type);
    }
  }
  return modules;
}

class EncoderEmbedder : public Embedder {
 public:
  EncoderEmbedder(const fs::path& path, const EmbedderOptions& options)
      : pool_(options.threads), packed_(options.packed) {
    models::Checkpoint checkpoint = models::Checkpoint::Open(path);
    checkpoint.Adapt(options.adapters);
    encoder_ =
        models::Encoder::Load(checkpoint, options.precision, pool_, &packed_);
    if (checkpoint.gguf) {
      tokenizer_ = text::Tokenizer::FromGguf(checkpoint.gguf);
    } else {
      tokenizer_ = text::Tokenizer::FromFolder(path);
      modules_ = ReadModules(path);
    }
    max_tokens_ = encoder_->spec().context();
    const Json limits = ReadJsonIfThere(path / "sentence_bert_config.json");
    if (limits.is_object()) {
      const Json limit = limits.value("max_seq_length", Json(nullptr));
      if (limit.is_number_integer() && limit.get<int64_t>() > 0) {
        max_tokens_ = std::min(max_tokens_, limit.get<int64_t>());
      }
      if (limits.value("do_lower_case", false)) {
        Refuse(path / "sentence_bert_config.json", "do_lower_case", "true");
      }
    }
    dimensions_ = encoder_->spec().width;
    for (const Dense& dense : modules_.dense) {
      if (dense.in != dimensions_) {
        Refuse(path, "a projection of another width", std::to_string(dense.in));
      }
      dimensions_ = dense.out;
    }
  }

  int64_t dimensions() const override { return dimensions_; }
  int64_t max_tokens() const override { return max_tokens_; }
  const models::EncoderSpec& spec() const override { return encoder_->spec(); }

  Embeddings Embed(std::span<const std::string> texts,
                   const EmbedOptions& options) override {
    Embeddings result;
    result.dimensions = dimensions_;
    std::vector<std::vector<int32_t>> ids;
    for (size_t i = 0; i < texts.size(); ++i) {
      ids.push_back(Encode(texts[i], options.first + i, options, result));
    }
    result.values.resize(texts.size() * static_cast<size_t>(dimensions_));
    // Texts of like lengths together: they share their products.
    std::vector<size_t> order(texts.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return ids[a].size() > ids[b].size();
    });
    for (size_t at = 0; at < order.size();) {
      constexpr size_t kRows = 2048;  // bounds memory
      size_t end = at, rows = 0;
      while (end < order.size() &&
             (end == at || rows + ids[order[end]].size() <= kRows)) {
        rows += ids[order[end++]].size();
      }
      EmbedBatch(ids, std::span(order).subspan(at, end - at), result);
      at = end;
    }
    return result;
  }

 private:
  std::vector<int32_t> Encode(const std::string& text, size_t number,
                              const EmbedOptions& options,
                              Embeddings& result) const {
    text::EncodeOptions encode;
    encode.parse_special = false;
    std::vector<int32_t> ids = tokenizer_->Encode(text, encode).ids;
    const bool too_long = static_cast<int64_t>(ids.size()) > max_tokens_;
    if (too_long && !options.truncate) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = Format("text {}", number + 1),
                   .what = "longer than the model reads",
                   .expected = Format("at most {} tokens", max_tokens_),
                   .got = std::to_string(ids.size()),
                   .hint = "--truncate, or shorter texts"});
    }
    if (too_long) {
      // The last token, which ends the text ([SEP], </s>), stays.
      const int32_t last = ids.back();
      ids.resize(static_cast<size_t>(max_tokens_));
      ids.back() = last;
    }
    result.tokens.push_back(static_cast<int64_t>(ids.size()));
    result.truncated.push_back(too_long);
    return ids;
  }

  void EmbedBatch(const std::vector<std::vector<int32_t>>& ids,
                  std::span<const size_t> texts, Embeddings& result) {
    std::vector<models::EncoderInput> inputs;
    for (size_t text : texts) inputs.push_back({ids[text], {}});
    Exec exec{pool_, arena_, {}, nullptr};
    const std::span<const float> rows = encoder_->Forward(exec, inputs);
    const size_t width = static_cast<size_t>(encoder_->spec().width);
    size_t row = 0;
    for (size_t text : texts) {
      const size_t count = ids[text].size();
      std::vector<float> vector =
          Pool(rows.subspan(row * width, count * width), count);
      for (const Dense& dense : modules_.dense) vector = Project(dense, vector);
      if (modules_.normalize) Normalize(vector);
      std::copy(
          vector.begin(), vector.end(),
          result.values.begin() + static_cast<std::ptrdiff_t>(
                                      text * static_cast<size_t>(dimensions_)));
      row += count;
    }
  }

  std::vector<float> Pool(std::span<const float> rows, size_t count) const {
    const size_t width = static_cast<size_t>(encoder_->spec().width);
    std::vector<float> out(width, 0.0f);
    if (count == 0) return out;
    for (size_t k = 0; k < width; ++k) {
      double sum = 0;
      float largest = rows[k];
      for (size_t r = 0; r < count; ++r) {
        sum += static_cast<double>(rows[r * width + k]);
        largest = std::max(largest, rows[r * width + k]);
      }
      const auto n = static_cast<double>(count);
      switch (modules_.pooling) {
        case Pooling::kMean:
          out[k] = static_cast<float>(sum / n);
          break;
        case Pooling::kMeanSqrt:
          out[k] = static_cast<float>(sum / std::sqrt(n));
          break;
        case Pooling::kMax:
          out[k] = largest;
          break;
        case Pooling::kFirst:
          out[k] = rows[k];
          break;
        case Pooling::kLast:
          out[k] = rows[(count - 1) * width + k];
          break;
      }
    }
    return out;
  }

  static std::vector<float> Project(const Dense& dense,
                                    const std::vector<float>& in) {
    std::vector<float> out;
    const size_t columns = static_cast<size_t>(dense.in);
    for (size_t r = 0; r < static_cast<size_t>(dense.out); ++r) {
      double sum =
          dense.bias.empty() ? 0.0 : static_cast<double>(dense.bias[r]);
      for (size_t k = 0; k < columns; ++k) {
        sum += static_cast<double>(dense.weight[r * columns + k]) *
               static_cast<double>(in[k]);
      }
      out.push_back(static_cast<float>(dense.tanh ? std::tanh(sum) : sum));
    }
    return out;
  }

  static void Normalize(std::vector<float>& vector) {
    double squares = 0;
    for (float value : vector) {
      squares += static_cast<double>(value) * static_cast<double>(value);
    }
    const float inverse =
        static_cast<float>(1.0 / std::max(std::sqrt(squares), 1e-12));
    for (float& value : vector) value *= inverse;
  }

  ThreadPool pool_;
  models::PackedCache packed_;
  Arena arena_;
  std::unique_ptr<models::Encoder> encoder_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Modules modules_;
  int64_t max_tokens_ = 0;
  int64_t dimensions_ = 0;
};

}  // namespace

std::shared_ptr<Embedder> Embedder::Load(const fs::path& path,
                                         const EmbedderOptions& options) {
  return std::make_shared<EncoderEmbedder>(path, options);
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa == 0 || bb == 0 ? 0.0 : dot / std::sqrt(aa * bb);
}

}  // namespace malmoi::represent
