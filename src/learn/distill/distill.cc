#include "learn/distill/distill.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <set>

#include "base/corrupt.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "formats/safetensors_writer.h"
#include "kernels/unpack.h"
#include "learn/manifold/pca.h"
#include "represent/contextual/modules.h"
#include "represent/contextual/token_rows.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::learn {

namespace {

namespace fs = std::filesystem;

// As model2vec's pattern \[unused\d+\], which must match at the beginning.
bool IsUnused(std::string_view token) {
  constexpr std::string_view kBegin = "[unused";
  if (!token.starts_with(kBegin)) return false;
  token.remove_prefix(kBegin.size());
  size_t digits = 0;
  while (digits < token.size() && token[digits] >= '0' &&
         token[digits] <= '9') {
    ++digits;
  }
  return digits > 0 && digits < token.size() && token[digits] == ']';
}

// Spelling and number of every entry of the model's vocabulary.
std::vector<std::pair<std::string, int32_t>> Entries(const Json& model,
                                                     const std::string& where) {
  std::vector<std::pair<std::string, int32_t>> entries;
  const auto vocab = model.find("vocab");
  if (vocab == model.end()) Corrupt(where, "a tokenizer without a vocabulary");
  if (vocab->is_object()) {
    for (const auto& [token, id] : vocab->items()) {
      if (!id.is_number_integer()) Corrupt(where, "a token without a number");
      entries.emplace_back(token, id.get<int32_t>());
    }
  } else if (vocab->is_array()) {
    for (const Json& pair : *vocab) {
      if (!pair.is_array() || pair.empty() || !pair[0].is_string()) {
        Corrupt(where, "a token without a spelling");
      }
      entries.emplace_back(pair[0].get<std::string>(),
                           static_cast<int32_t>(entries.size()));
    }
  } else {
    throw Error(ErrorCode::kUnsupported,
                {.where = where, .what = "an unknown kind of vocabulary"});
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  return entries;
}

void SetVocabulary(Json& model, const std::map<int32_t, int32_t>& number) {
  if (model["vocab"].is_object()) {
    Json vocab = Json::object();
    for (const auto& [token, id] : model["vocab"].items()) {
      const auto it = number.find(id.get<int32_t>());
      if (it != number.end()) vocab[token] = it->second;
    }
    model["vocab"] = std::move(vocab);
    return;
  }
  Json vocab = Json::array();
  for (size_t i = 0; i < model["vocab"].size(); ++i) {
    if (number.contains(static_cast<int32_t>(i))) {
      vocab.push_back(model["vocab"][i]);
    }
  }
  model["vocab"] = std::move(vocab);
  const auto unknown = model.find("unk_id");
  if (unknown != model.end() && unknown->is_number_integer()) {
    const auto it = number.find(unknown->get<int32_t>());
    *unknown = it == number.end() ? Json(nullptr) : Json(it->second);
  }
}

// Numbers of "added_tokens", which becomes a list where it is none.
std::set<int32_t> AddedTokens(Json& tokenizer, const std::string& where) {
  Json& added = tokenizer["added_tokens"];
  if (!added.is_array()) added = Json::array();
  std::set<int32_t> ids;
  for (const Json& token : added) {
    if (!token.is_object() || !token.contains("id") ||
        !token["id"].is_number_integer()) {
      Corrupt(where, "an added token without a number");
    }
    ids.insert(token["id"].get<int32_t>());
  }
  return ids;
}

std::string UnknownToken(
    const Json& model,
    const std::vector<std::pair<std::string, int32_t>>& entries) {
  const auto name = model.find("unk_token");
  if (name != model.end() && name->is_string()) return name->get<std::string>();
  const auto number = model.find("unk_id");
  if (number == model.end() || !number->is_number_integer()) return "";
  for (const auto& [token, id] : entries) {
    if (id == number->get<int32_t>()) return token;
  }
  return "";
}

// What the tokenizer puts before and behind the tokens of a text.
struct Frame {
  std::vector<int32_t> before, behind;
};

Frame FrameOf(const text::Tokenizer& tokenizer) {
  const auto full = tokenizer.Encode("a").ids;
  const auto plain = tokenizer.Encode("a", {.add_special_tokens = false}).ids;
  const auto at =
      std::search(full.begin(), full.end(), plain.begin(), plain.end());
  if (at == full.end()) return {};
  return {{full.begin(), at},
          {at + static_cast<std::ptrdiff_t>(plain.size()), full.end()}};
}

class TokenReader {
 public:
  TokenReader(const fs::path& transformer, const DistillOptions& options,
              ThreadPool& pool)
      : options_(options), pool_(pool), packed_(options.packed) {
    const auto checkpoint = models::Checkpoint::Open(transformer);
    rows_ = represent::TokenRows::Load(checkpoint, models::Precision::kFast,
                                       pool_, &packed_);
    for (int i = 0; i < pool_.threads(); ++i) arenas_.emplace_back();
  }

  int64_t width() const { return rows_->width(); }

  // The mean of all rows of frame and token, [ids][width()].
  std::vector<float> Read(const std::vector<int32_t>& ids, const Frame& frame) {
    const auto width = static_cast<size_t>(rows_->width());
    std::vector<float> means(ids.size() * width);
    constexpr size_t kBatch = 128;
    const size_t batches = (ids.size() + kBatch - 1) / kBatch;
    // Some at a time, so that one can be told and stopped.
    constexpr size_t kAtOnce = 16;
    for (size_t first = 0; first < batches; first += kAtOnce) {
      if (options_.progress &&
          !options_.progress(static_cast<int64_t>(first * kBatch),
                             static_cast<int64_t>(ids.size()))) {
        throw Error(ErrorCode::kCancelled,
                    {.where = "distilling", .what = "cancelled"});
      }
      const size_t count = std::min(kAtOnce, batches - first);
      pool_.Run(static_cast<int>(count), [&](int task, int thread) {
        const size_t begin = (first + static_cast<size_t>(task)) * kBatch;
        const size_t end = std::min(ids.size(), begin + kBatch);
        Batch(std::span(ids).subspan(begin, end - begin), frame,
              arenas_[static_cast<size_t>(thread)],
              std::span(means).subspan(begin * width, (end - begin) * width));
      });
    }
    return means;
  }

 private:
  void Batch(std::span<const int32_t> ids, const Frame& frame, Arena& arena,
             std::span<float> means) {
    std::vector<std::vector<int32_t>> texts;
    std::vector<std::span<const int32_t>> views;
    texts.reserve(ids.size());
    for (const int32_t id : ids) {
      std::vector<int32_t> text = frame.before;
      text.push_back(id);
      text.insert(text.end(), frame.behind.begin(), frame.behind.end());
      texts.push_back(std::move(text));
      views.emplace_back(texts.back());
    }
    Exec exec{pool_, arena, {}, nullptr};
    const auto rows = rows_->Rows(exec, views);
    const size_t each = frame.before.size() + 1 + frame.behind.size();
    const auto width = static_cast<size_t>(rows_->width());
    for (size_t i = 0; i < ids.size(); ++i) {
      for (size_t k = 0; k < width; ++k) {
        double sum = 0;
        for (size_t t = 0; t < each; ++t) {
          sum += double{rows[(i * each + t) * width + k]};
        }
        const auto mean = static_cast<float>(sum / static_cast<double>(each));
        means[i * width + k] = std::isfinite(mean) ? mean : 0.0f;
      }
    }
  }

  const DistillOptions& options_;
  ThreadPool& pool_;
  models::PackedCache packed_;
  std::unique_ptr<represent::TokenRows> rows_;
  std::deque<Arena> arenas_;
};

// Of each component: the sign by which its largest value is positive, as
// model2vec has it.
void FixSigns(std::vector<float>& values, size_t width) {
  std::vector<float> largest(width);
  for (size_t i = 0; i < values.size(); ++i) {
    if (std::fabs(values[i]) > std::fabs(largest[i % width])) {
      largest[i % width] = values[i];
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (largest[i % width] < 0) values[i] = -values[i];
  }
}

void Weigh(std::vector<float>& values, size_t width, double a) {
  if (a == 0) return;
  const size_t count = values.size() / width;
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += 1 / static_cast<double>(i + 2);
  for (size_t i = 0; i < count; ++i) {
    const double p = 1 / static_cast<double>(i + 2) / sum;
    const auto weight = static_cast<float>(a / (a + p));
    for (size_t k = 0; k < width; ++k) values[i * width + k] *= weight;
  }
}

void WriteFolder(const fs::path& folder, const Json& tokenizer,
                 const std::vector<float>& values, int64_t width,
                 int64_t components, const DistillOptions& options) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) ThrowErrno(folder.string(), "cannot create folder", error.value());
  const auto count = static_cast<int64_t>(values.size()) / width;
  formats::SafetensorsWriter writer(
      folder / "model.safetensors",
      {{"embeddings",
        {count, width},
        options.half ? DType::kF16 : DType::kF32}},
      nullptr);
  if (options.half) {
    std::vector<uint16_t> halves(values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      halves[i] = kernels::FloatToHalf(values[i]);
    }
    writer.Write(std::as_bytes(std::span(halves)));
  } else {
    writer.Write(std::as_bytes(std::span(values)));
  }
  writer.Finish();
  WriteFileAtomically(folder / "tokenizer.json", DumpJson(tokenizer) + "\n");
  Json config = {{"model_type", "model2vec"},
                 {"architectures", {"StaticModel"}},
                 {"hidden_dim", width},
                 {"seq_length", 1000000},
                 {"max_length", nullptr},
                 {"normalize", true},
                 {"pooling", "mean"},
                 {"apply_pca", nullptr},
                 {"sif_coefficient", nullptr},
                 {"embedding_dtype", options.half ? "float16" : "float32"}};
  if (components > 0) config["apply_pca"] = components;
  if (options.sif_weight > 0) config["sif_coefficient"] = options.sif_weight;
  WriteFileAtomically(folder / "config.json", DumpJson(config, 1) + "\n");
  const Json modules = {
      {{"idx", 0},
       {"name", "0"},
       {"path", "."},
       {"type", "sentence_transformers.models.StaticEmbedding"}},
      {{"idx", 1},
       {"name", "1"},
       {"path", "1_Normalize"},
       {"type", "sentence_transformers.models.Normalize"}}};
  WriteFileAtomically(folder / "modules.json", DumpJson(modules, 1) + "\n");
}

void CheckOptions(const DistillOptions& options, int64_t width) {
  const auto require = [](bool right, const char* where, std::string expected,
                          std::string got) {
    if (right) return;
    throw Error(ErrorCode::kInvalidArgument, {.where = where,
                                              .what = "value out of range",
                                              .expected = std::move(expected),
                                              .got = std::move(got)});
  };
  const int64_t dimensions = options.dimensions.value_or(0);
  require(dimensions >= 0 && dimensions <= width, "--dimensions",
          Format("0 to {}", width), std::to_string(dimensions));
  require(options.sif_weight >= 0 && options.sif_weight < 1, "--sif-weight",
          "0, or above 0 and below 1", Format("{}", options.sif_weight));
}

}  // namespace

Json TokenizerOfTokens(Json tokenizer, const std::string& where,
                       std::optional<int32_t> pad, std::vector<int32_t>& kept) {
  if (!tokenizer.is_object() || !tokenizer.contains("model") ||
      !tokenizer["model"].is_object()) {
    Corrupt(where, "not a tokenizer");
  }
  // First: what it inserts moves the values.
  const std::set<int32_t> added = AddedTokens(tokenizer, where);
  Json& model = tokenizer["model"];
  const auto entries = Entries(model, where);
  const std::string unknown = UnknownToken(model, entries);
  std::map<int32_t, int32_t> number;  // old to new
  kept.clear();
  for (const auto& [token, id] : entries) {
    const bool stays = token == unknown || id == pad;
    if (IsUnused(token) || (added.contains(id) && !stays)) continue;
    number[id] = static_cast<int32_t>(kept.size());
    kept.push_back(id);
  }
  if (kept.empty()) Corrupt(where, "a tokenizer without a vocabulary");
  SetVocabulary(model, number);
  Json closed = Json::array();
  for (const Json& token : tokenizer["added_tokens"]) {
    const auto it = number.find(token["id"].get<int32_t>());
    if (it == number.end()) continue;
    closed.push_back(token);
    closed.back()["id"] = it->second;
  }
  tokenizer["added_tokens"] = std::move(closed);
  for (const char* stage : {"post_processor", "padding", "truncation"}) {
    tokenizer[stage] = nullptr;  // `model` is not used any more
  }
  return tokenizer;
}

DistillResult Distill(const fs::path& model, const fs::path& folder,
                      const DistillOptions& options) {
  const fs::path transformer = represent::TransformerFolder(model);
  const fs::path json = transformer / "tokenizer.json";
  std::error_code error;
  if (!fs::exists(json, error)) {
    throw Error(ErrorCode::kUnsupported,
                {.where = model.string(),
                 .what = "only a folder with tokenizer.json is distilled",
                 .expected = "a Hugging Face folder"});
  }
  const auto own = text::Tokenizer::FromFolder(transformer);
  std::vector<int32_t> ids;
  const Json tokenizer =
      TokenizerOfTokens(ReadJson(json), json.string(), own->pad_id(), ids);
  const Frame frame = FrameOf(*own);
  ThreadPool pool(options.threads);
  TokenReader reader(transformer, options, pool);
  CheckOptions(options, reader.width());
  std::vector<float> values = reader.Read(ids, frame);
  const auto tokens = static_cast<int64_t>(ids.size());
  DistillResult result{tokens, reader.width(), 1};
  // As model2vec: of fewer tokens than components none are sought.
  const int64_t wanted =
      options.dimensions.value_or(std::min<int64_t>(256, reader.width()));
  const int64_t components = wanted < tokens ? wanted : 0;
  if (components > 0) {
    const Points points{values, tokens, reader.width()};
    const Pca pca = FitPca(pool, points, components);
    values = pca.Transform(pool, points);
    result.dimensions = components;
    result.share = 0;
    for (const double share : pca.share) result.share += share;
    FixSigns(values, static_cast<size_t>(result.dimensions));
  }
  Weigh(values, static_cast<size_t>(result.dimensions), options.sif_weight);
  WriteFolder(folder, tokenizer, values, result.dimensions, components,
              options);
  return result;
}

}  // namespace malmoi::learn
