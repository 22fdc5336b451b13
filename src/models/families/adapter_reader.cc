#include "models/families/adapter_reader.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "base/error.h"
#include "base/format.h"
#include "kernels/unpack.h"

namespace malmoi::models {

namespace {

std::vector<float> FloatsOf(const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  const size_t row_bytes = tensor.row_bytes();
  for (int64_t r = 0; r < tensor.rows(); ++r) {
    kernels::DequantizeRow(
        tensor.dtype, tensor.data.data() + static_cast<size_t>(r) * row_bytes,
        tensor.columns(), values.data() + r * tensor.columns());
  }
  return values;
}

Tensor F32(std::vector<float> values, Shape shape) {
  auto memory = std::make_shared<std::vector<float>>(std::move(values));
  return {.dtype = DType::kF32,
          .shape = std::move(shape),
          .data = std::as_bytes(std::span(*memory)),
          .owner = memory};
}

}  // namespace

void AdapterReader::Read(Role role, int64_t layer, int64_t rows,
                         int64_t columns, std::span<const int64_t> picked,
                         std::span<const int64_t> folder_rows,
                         ops::PackedMatrix& matrix) {
  for (const auto& adapter : checkpoint_.adapters) {
    const auto try_name = [&](std::string name) {
      constexpr std::string_view kWeight = ".weight";
      if (!name.ends_with(kWeight)) return false;
      name.resize(name.size() - kWeight.size());
      const auto it = adapter->pairs().find(name);
      if (it == adapter->pairs().end()) return false;
      claimed_[adapter.get()].insert(name);
      const Adapter::Pair& pair = it->second;
      const Shape down = {pair.down.shape[0], columns};
      const Shape up = {rows, pair.down.shape[0]};
      if (pair.down.shape != down || pair.up.shape != up) {
        problems_[adapter.get()].insert(
            Format("{} is for a matrix of {}, expected {}", name,
                   ShapeString({pair.up.shape[0], pair.down.shape[1]}),
                   ShapeString({rows, columns})));
        return true;
      }
      const bool folder = checkpoint_.gguf && !adapter->gguf();
      Sum& sum = sums_[&matrix];
      if (folder && !folder_rows.empty()) {
        Add(pair, folder_rows, sum);
      } else if (!picked.empty()) {
        Add(pair, picked, sum);
      } else {
        std::vector<int64_t> all(static_cast<size_t>(rows));
        for (size_t r = 0; r < all.size(); ++r) {
          all[r] = static_cast<int64_t>(r);
        }
        Add(pair, all, sum);
      }
      return true;
    };
    for (const TensorName& name : architecture_.tensors) {
      if (name.role != role) continue;
      if (adapter->gguf()) {
        if (try_name(FillName(name.gguf, layer))) break;
        continue;
      }
      const std::string bare = FillName(name.hf, layer);
      if (try_name(bare) ||
          try_name(std::string(architecture_.prefix) + bare)) {
        break;
      }
    }
  }
}

void AdapterReader::Add(const Adapter::Pair& pair,
                        std::span<const int64_t> rows, Sum& sum) {
  const int64_t rank = pair.down.shape[0];
  const std::vector<float> down = FloatsOf(pair.down);
  const std::vector<float> up = FloatsOf(pair.up);
  sum.rank += rank;
  sum.down.insert(sum.down.end(), down.begin(), down.end());
  for (int64_t k = 0; k < rank; ++k) {
    for (int64_t row : rows) {
      sum.up.push_back(static_cast<float>(pair.scale) *
                       up[static_cast<size_t>(row * rank + k)]);
    }
  }
}

void AdapterReader::CheckAll(const Adapter& adapter,
                             const std::set<std::string>& claimed) {
  std::set<std::string>& problems = problems_[&adapter];
  for (const auto& [name, pair] : adapter.pairs()) {
    if (!claimed.contains(name)) {
      problems.insert(name + " is no matrix of this model");
    }
  }
  if (problems.empty()) return;
  constexpr size_t kShown = 10;
  std::string all;
  size_t count = 0;
  for (const std::string& problem : problems) {
    if (count++ == kShown) break;
    all += (all.empty() ? "" : "; ") + problem;
  }
  if (problems.size() > kShown) {
    all += Format("; and {} more", problems.size() - kShown);
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = adapter.path().string(),
               .what = "the adapter is of another model",
               .expected = Format("one for {}", checkpoint_.path.string()),
               .got = all,
               .hint = adapter.base().empty()
                           ? "the model it was made for"
                           : "the model it was made for, " + adapter.base()});
}

void AdapterReader::Finish(ThreadPool& pool) {
  for (const auto& adapter : checkpoint_.adapters) {
    CheckAll(*adapter, claimed_[adapter.get()]);
  }
  if (sums_.empty()) return;
  std::deque<Tensor> tensors;
  std::vector<ops::PackJob> jobs;
  std::vector<std::pair<ops::PackedMatrix*, std::shared_ptr<ops::LowRank>>>
      made;
  for (auto& [matrix, sum] : sums_) {
    auto low_rank = std::make_shared<ops::LowRank>();
    const int64_t rank = sum.rank;
    const int64_t rows = std::ssize(sum.up) / rank;
    std::vector<float> up(sum.up.size());
    for (int64_t k = 0; k < rank; ++k) {
      for (int64_t r = 0; r < rows; ++r) {
        up[static_cast<size_t>(r * rank + k)] =
            sum.up[static_cast<size_t>(k * rows + r)];
      }
    }
    const int64_t columns = std::ssize(sum.down) / rank;
    tensors.push_back(F32(std::move(sum.down), {rank, columns}));
    jobs.push_back({&tensors.back(), &low_rank->down});
    tensors.push_back(F32(std::move(up), {rows, rank}));
    jobs.push_back({&tensors.back(), &low_rank->up});
    made.emplace_back(matrix, std::move(low_rank));
  }
  ops::Pack(pool, jobs);
  for (auto& [matrix, low_rank] : made) matrix->low_rank = low_rank;
}

}  // namespace malmoi::models
