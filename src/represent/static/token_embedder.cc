#include "represent/static/token_embedder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/corrupt.h"
#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "formats/safetensors.h"
#include "kernels/unpack.h"
#include "represent/static/bag_embedder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

enum class Layout { kModel2Vec, kModules, kBare };

struct Place {
  Layout layout;
  fs::path folder;
};

std::optional<Place> FindPlace(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return std::nullopt;
  const Json config = ReadJsonIfThere(path / "config.json");
  const auto type = config.find("model_type");
  if (config.is_object() && type != config.end() && *type == "model2vec") {
    return Place{Layout::kModel2Vec, path};
  }
  if (const auto folder = TableFolder(path)) {
    return Place{Layout::kModules, *folder};
  }
  if (config.is_null() && !fs::exists(path / "modules.json", error) &&
      fs::exists(path / "model.safetensors", error) &&
      fs::exists(path / "tokenizer.json", error)) {
    return Place{Layout::kBare, path};
  }
  return std::nullopt;
}

// F64 and I8 become floats at once; the others are read where they lie.
Tensor Readable(const fs::path& path, const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return tensor;
    case DType::kF64:
    case DType::kI8:
      break;
    default:
      throw Error(ErrorCode::kUnsupported,
                  {.where = path.string(),
                   .what = "vectors of a type that is not read",
                   .expected = "F32, F16, BF16, F64 or I8",
                   .got = std::string(Info(tensor.dtype).name)});
  }
  auto values = std::make_shared<std::vector<float>>();
  values->resize(static_cast<size_t>(tensor.elements()));
  const std::byte* from = tensor.data.data();
  for (size_t i = 0; i < values->size(); ++i) {
    if (tensor.dtype == DType::kI8) {
      (*values)[i] = static_cast<float>(static_cast<int8_t>(from[i]));
    } else {
      double value;
      std::memcpy(&value, from + i * 8, 8);
      (*values)[i] = static_cast<float>(value);
    }
  }
  Tensor readable = tensor;
  readable.dtype = DType::kF32;
  readable.data = std::as_bytes(std::span(*values));
  readable.owner = std::move(values);
  return readable;
}

std::vector<float> Row(const Tensor& tensor, int64_t row) {
  std::vector<float> values(static_cast<size_t>(tensor.columns()));
  kernels::DequantizeRow(
      tensor.dtype,
      tensor.data.data() + static_cast<size_t>(row) * tensor.row_bytes(),
      tensor.columns(), values.data());
  return values;
}

// "weights": one for each token.
std::vector<float> ReadWeights(const fs::path& path, const Tensor& tensor) {
  if (tensor.shape.size() != 1 || tensor.elements() < 1) {
    Corrupt(path.string(), "weights that are not a vector", "",
            ShapeString(tensor.shape));
  }
  std::vector<float> weights = Row(Readable(path, tensor), 0);
  for (const float weight : weights) {
    if (!std::isfinite(weight))
      Corrupt(path.string(), "a weight that is not finite");
  }
  return weights;
}

// "mapping": the row of each token.
std::vector<int32_t> ReadMapping(const fs::path& path, const Tensor& tensor,
                                 int64_t rows) {
  const size_t width = tensor.dtype == DType::kI64   ? 8
                       : tensor.dtype == DType::kI32 ? 4
                                                     : 0;
  if (tensor.shape.size() != 1 || width == 0) {
    Corrupt(
        path, "a mapping that is not a vector of I32 or I64", "",
        Format("{} {}", Info(tensor.dtype).name, ShapeString(tensor.shape)));
  }
  std::vector<int32_t> mapping(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < mapping.size(); ++i) {
    int64_t to = 0;
    if (width == 8) {
      std::memcpy(&to, tensor.data.data() + i * 8, 8);
    } else {
      int32_t narrow;
      std::memcpy(&narrow, tensor.data.data() + i * 4, 4);
      to = narrow;
    }
    if (to < 0 || to >= rows) {
      Corrupt(path.string(), "a token is mapped to a row that is not there",
              Format("below {}", rows), std::to_string(to));
    }
    mapping[i] = static_cast<int32_t>(to);
  }
  return mapping;
}

void CheckRows(const fs::path& path, const Tensor& rows) {
  for (int64_t i = 0; i < rows.rows(); ++i) {
    for (const float value : Row(rows, i)) {
      if (std::isfinite(value)) continue;
      Corrupt(path.string(), "a value that is not a finite number", "",
              Format("{} of token {}", value, i));
    }
  }
}

class TokenEmbedder : public BagEmbedder {
 public:
  TokenEmbedder(const fs::path& path, const EmbedderOptions& options)
      : BagEmbedder(options.threads), table_(TokenTable::Open(path)) {
    if (!options.adapters.empty()) Refuse(path, "--adapter");
    if (options.precision == models::Precision::kInt8) Refuse(path, "--int8");
    if (options.precision == models::Precision::kBf16) Refuse(path, "--bf16");
    tokenizer_ = text::Tokenizer::FromFolder(table_.folder);
    const auto tokens = static_cast<size_t>(tokenizer_->vocab_size());
    const size_t has = table_.mapping.empty()
                           ? static_cast<size_t>(table_.rows.rows())
                           : table_.mapping.size();
    if (has < tokens ||
        (!table_.weights.empty() && table_.weights.size() < tokens)) {
      Corrupt(path.string(), "fewer vectors than the tokenizer has tokens",
              std::to_string(tokens),
              std::to_string(has < tokens ? has : table_.weights.size()));
    }
    if (table_.drops_unknown) unknown_ = tokenizer_->unk_id().value_or(-1);
    if (FindPlace(path)->layout == Layout::kModules) {
      Modules modules = ReadTableModules(path, table_.rows.columns(), pool_);
      steps_ = std::move(modules.steps);
      prompts_ = std::move(modules.prompts);
      default_prompt_ = modules.default_prompt;
    } else if (table_.normalizes) {
      steps_.emplace_back();
    }
  }

  int64_t token_dimensions() const override { return table_.rows.columns(); }
  int64_t max_tokens() const override {
    return table_.max_tokens > 0 ? table_.max_tokens : INT64_MAX;
  }

 protected:
  Bag Read(const std::string& text, size_t number, bool spelled,
           const EmbedOptions& options) const override {
    Bag bag;
    RequireText(text, number);
    std::vector<int32_t> ids =
        tokenizer_
            ->Encode(options.prompt + text, {.add_special_tokens = false,
                                             .parse_special = false,
                                             .offsets = false})
            .ids;
    Limit(number, options, ids, bag);
    const auto width = static_cast<size_t>(token_dimensions());
    bag.values.resize(ids.size() * width);
    float* to = bag.values.data();
    for (const int32_t id : ids) {
      if (id == unknown_) {
        ++bag.unknown;
        continue;
      }
      bag.ids.push_back(id);
      if (spelled) bag.texts.push_back(tokenizer_->TokenText(id));
      PutRow(id, to);
      to += width;
    }
    bag.values.resize(bag.ids.size() * width);
    return bag;
  }

 private:
  [[noreturn]] static void Refuse(const fs::path& path, const char* option) {
    throw Error(ErrorCode::kUnsupported,
                {.where = option,
                 .what = "nothing is multiplied in a table of static vectors",
                 .got = path.string()});
  }

  // The mean of windows, by their tokens, is that of all.
  void Limit(size_t number, const EmbedOptions& options,
             std::vector<int32_t>& ids, Bag& bag) const {
    const auto count = static_cast<int64_t>(ids.size());
    if (count <= max_tokens()) return;
    if (options.longer == LongTexts::kRefuse) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = Format("text {}", number + 1),
                   .what = "longer than the model reads",
                   .expected = Format("at most {} tokens", max_tokens()),
                   .got = std::to_string(count),
                   .hint = "--long truncate, --long chunk, or shorter texts"});
    }
    if (options.longer == LongTexts::kChunk) {
      bag.chunks = (count + max_tokens() - 1) / max_tokens();
      return;
    }
    ids.resize(static_cast<size_t>(max_tokens()));
    bag.truncated = true;
  }

  void PutRow(int32_t id, float* to) const {
    const auto token = static_cast<size_t>(id);
    const size_t row = table_.mapping.empty()
                           ? token
                           : static_cast<size_t>(table_.mapping[token]);
    const int64_t width = table_.rows.columns();
    kernels::DequantizeRow(
        table_.rows.dtype,
        table_.rows.data.data() + row * table_.rows.row_bytes(), width, to);
    if (table_.weights.empty()) return;
    for (int64_t k = 0; k < width; ++k) to[k] *= table_.weights[token];
  }

  TokenTable table_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  int32_t unknown_ = -1;
};

}  // namespace

bool IsTokenTable(const fs::path& path) { return FindPlace(path).has_value(); }

TokenTable TokenTable::FromTensors(const formats::TensorMap& tensors,
                                   const fs::path& file) {
  TokenTable table;
  auto rows = tensors.find("embeddings");
  if (rows == tensors.end()) rows = tensors.find("embedding.weight");
  if (rows == tensors.end() || rows->second.shape.size() != 2 ||
      rows->second.rows() < 1 || rows->second.columns() < 1 ||
      rows->second.columns() > 1 << 20) {
    Corrupt(
        file, "no table of vectors",
        "embeddings or embedding.weight, [tokens, dimensions]",
        rows == tensors.end() ? "neither" : ShapeString(rows->second.shape));
  }
  table.drops_unknown = rows->first == "embeddings";
  table.rows = Readable(file, rows->second);
  CheckRows(file, table.rows);
  if (const auto it = tensors.find("weights"); it != tensors.end()) {
    table.weights = ReadWeights(file, it->second);
  }
  if (const auto it = tensors.find("mapping"); it != tensors.end()) {
    table.mapping = ReadMapping(file, it->second, table.rows.rows());
  }
  return table;
}

TokenTable TokenTable::Open(const fs::path& path) {
  const auto place = FindPlace(path);
  if (!place) {
    throw Error(
        ErrorCode::kNotFound,
        {.where = path.string(), .what = "not a folder of static vectors"});
  }
  const fs::path file = place->folder / "model.safetensors";
  TokenTable table =
      FromTensors(formats::SafetensorsFile::Open(file).tensors, file);
  table.folder = place->folder;
  if (place->layout == Layout::kModel2Vec) {
    const Json config = ReadJson(path / "config.json");
    const auto normalize = config.find("normalize");
    table.normalizes = normalize != config.end() && normalize->is_boolean() &&
                       normalize->get<bool>();
    const auto most = config.find("max_length");
    if (most != config.end() && most->is_number_integer()) {
      table.max_tokens = std::max<int64_t>(0, most->get<int64_t>());
    }
  }
  return table;
}

std::shared_ptr<Embedder> LoadTokenEmbedder(const fs::path& path,
                                            const EmbedderOptions& options) {
  return std::make_shared<TokenEmbedder>(path, options);
}

}  // namespace malmoi::represent
