// Attention of an encoder-decoder: of the rows of a stack among themselves, and
// of the decoder's over a memory.
#include <algorithm>
#include <string>

#include "base/format.h"
#include "kernels/kernels.h"
#include "models/families/block_parts.h"
#include "models/families/encoder_decoder_family.h"
#include "ops/rows.h"

namespace malmoi::models {

using ops::Activations;

namespace {

// Keeps one head's key or value of a position.
void Store(const Sequence& sequence, bool key, int64_t layer, int64_t position,
           int64_t head, int64_t head_dim, const float* values) {
  const KvShape& shape = sequence.shape();
  const int64_t page = position / kPagePositions;
  std::byte* heads =
      key ? sequence.keys(layer, page) : sequence.values(layer, page);
  kernels::Kernels().store_kv(
      shape.type, key, values, 0, 1, head_dim,
      heads + static_cast<size_t>(head) *
                  kernels::KvPageBytes(shape.type, shape.head_dim),
      position % kPagePositions);
}

// Heads of queries, scaled and padded, as ops::Attention reads them.
struct Queries {
  Queries(Exec& exec, const StackSpec& spec, const Linear& weights,
          int64_t rows)
      : spec(spec),
        weights(weights),
        padded(kernels::PaddedHeadDim(KvType::kF32, spec.head_dim)),
        values(exec.arena.New<float>(
            static_cast<size_t>(rows * spec.heads * padded))) {}

  void operator()(const ops::Tile& tile) const {
    const int64_t dim = spec.head_dim;
    const float scale = static_cast<float>(spec.scale);
    ForHeads(tile, weights, dim, [&](int64_t row, int64_t head, float* x) {
      float* to = values + (row * spec.heads + head) * padded;
      for (int64_t d = 0; d < dim; ++d) to[d] = x[d] * scale;
      std::fill(to + dim, to + padded, 0.0f);
    });
  }

  const StackSpec& spec;
  const Linear& weights;
  int64_t padded;
  float* values;  // [rows][heads][padded]
};

// The pages of a layer, behind one another, which slices point into.
class PageList {
 public:
  // A slice that reads the pages of the first `positions` of a sequence.
  void Add(ops::AttentionSlice slice, const Sequence& sequence, int64_t layer,
           int64_t positions) {
    slice.pages = (positions + kPagePositions - 1) / kPagePositions;
    for (int64_t p = 0; p < slice.pages; ++p) {
      pages_.push_back(sequence.keys(layer, p));
    }
    for (int64_t p = 0; p < slice.pages; ++p) {
      pages_.push_back(sequence.values(layer, p));
    }
    slices_.push_back(slice);
  }
  // All slices; Add() no more.
  std::span<ops::AttentionSlice> Slices() {
    const std::byte* const* next = pages_.data();
    for (ops::AttentionSlice& slice : slices_) {
      slice.keys = next;
      slice.values = next + slice.pages;
      next += 2 * slice.pages;
    }
    return slices_;
  }
  ops::AttentionSlice* last() {
    return slices_.empty() ? nullptr : &slices_.back();
  }

 private:
  std::vector<const std::byte*> pages_;
  std::vector<ops::AttentionSlice> slices_;
};

ops::AttentionShape ShapeFor(const StackSpec& spec) {
  ops::AttentionShape shape;
  shape.type = KvType::kF32;
  shape.heads = spec.heads;
  shape.kv_heads = spec.heads;
  shape.head_dim = spec.head_dim;
  return shape;
}

}  // namespace

void EncoderDecoderFamily::Attend(Exec& exec, Batch& batch,
                                  const AttentionWeights& weights,
                                  int64_t index) const {
  Arena::Scope scope(exec.arena);
  const int64_t dim = batch.spec.head_dim;
  const int64_t layer = batch.causal ? index : 0;  // where it keeps them
  const Activations input =
      Input(exec, batch, weights.norm,
            {&weights.query, &weights.key, &weights.value});
  const auto store = [&](bool key, int64_t row, int64_t head, float* x) {
    Store(*batch.runs[batch.run_of[static_cast<size_t>(row)]].own, key, layer,
          batch.position(row), head, dim, x);
  };
  Queries put_query(exec, batch.spec, weights.query, batch.rows);
  auto put_key = [&](const ops::Tile& tile) {
    ForHeads(tile, weights.key, dim, [&](int64_t row, int64_t head, float* x) {
      store(true, row, head, x);
    });
  };
  auto put_value = [&](const ops::Tile& tile) {
    ForHeads(tile, weights.value, dim,
             [&](int64_t row, int64_t head, float* x) {
               store(false, row, head, x);
             });
  };
  const ops::Product products[] = {{&weights.query, nullptr, dim, put_query},
                                   {&weights.key, nullptr, dim, put_key},
                                   {&weights.value, nullptr, dim, put_value}};
  ops::Matmul(exec, input, products);

  PageList pages;
  for (const Run& run : batch.runs) {
    if (run.rows() == 0) continue;
    pages.Add({.first_row = run.first_row,
               .rows = run.rows(),
               .first_position = run.first_position},
              *run.own, layer, run.first_position + run.rows());
  }
  ops::AttentionShape shape = ShapeFor(batch.spec);
  shape.causal = batch.causal;
  shape.distance_bias = batch.distance_bias;
  shape.reach = batch.reach;
  const std::string shown =
      AttentionName(exec, index, "attention", Format("{}.", batch.name));
  shape.shown = shown;
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, batch.spec.heads * dim,
                          FormsFor(exec, {&weights.output}));
  ops::Attention(exec, shape, put_query.values, pages.Slices(), attended);
  AddProduct(exec, batch, attended, weights.output, weights.norm);
}

void EncoderDecoderFamily::AttendMemory(Exec& exec, Batch& batch,
                                        const AttentionWeights& weights,
                                        int64_t index) const {
  Arena::Scope scope(exec.arena);
  const int64_t dim = batch.spec.head_dim;
  const Activations input = Input(exec, batch, weights.norm, {&weights.query});
  Queries put_query(exec, batch.spec, weights.query, batch.rows);
  const ops::Product product[] = {{&weights.query, nullptr, dim, put_query}};
  ops::Matmul(exec, input, product);

  PageList pages;
  const Sequence* memory = nullptr;
  for (const Run& run : batch.runs) {
    if (run.rows() == 0) continue;
    if (run.memory == memory) {  // beams of a text read it together
      pages.last()->rows += run.rows();
      continue;
    }
    memory = run.memory;
    pages.Add({.first_row = run.first_row,
               .rows = run.rows(),
               .visible = memory->length()},
              *memory, index, memory->length());
  }
  const Activations attended =
      ops::NewActivations(exec.arena, batch.rows, batch.spec.heads * dim,
                          FormsFor(exec, {&weights.output}));
  const std::string shown =
      AttentionName(exec, index, "cross_attention", Format("{}.", batch.name));
  ops::AttentionShape shape = ShapeFor(batch.spec);
  shape.shown = shown;
  ops::Attention(exec, shape, put_query.values, pages.Slices(), attended);
  AddProduct(exec, batch, attended, weights.output, weights.norm);
}

// The keys and values of the decoder's layers for what the encoder has left.
void EncoderDecoderFamily::KeepMemory(
    Exec& exec, const Batch& batch,
    std::span<const std::unique_ptr<Sequence>> memories) const {
  Arena::Scope scope(exec.arena);
  struct Keep {
    void operator()(const ops::Tile& tile) const {
      ForHeads(tile, *weights, dim, [&](int64_t row, int64_t head, float* x) {
        const Sequence& memory =
            *memories[batch->run_of[static_cast<size_t>(row)]];
        Store(memory, key, layer, batch->position(row), head, dim, x);
      });
    }
    const Batch* batch;
    std::span<const std::unique_ptr<Sequence>> memories;
    const Linear* weights;
    bool key;
    int64_t layer, dim;
  };
  const int64_t dim = spec_.decoder.head_dim;
  ops::ActivationForms forms;
  std::vector<Keep> keeps;
  for (int64_t i = 0; i < spec_.decoder.layers; ++i) {
    const AttentionWeights& cross =
        weights_.decoder.layers[static_cast<size_t>(i)].cross;
    for (const bool key : {true, false}) {
      const Linear& weights = key ? cross.key : cross.value;
      forms.Add(weights);
      keeps.push_back({&batch, memories, &weights, key, i, dim});
    }
  }
  const Activations input =
      ops::NewActivations(exec.arena, batch.rows, spec_.width, forms);
  ops::PutRows(exec, batch.stream, input);
  std::vector<ops::Product> products;
  for (Keep& keep : keeps) {
    products.push_back({keep.weights, nullptr, dim, keep});
  }
  ops::Matmul(exec, input, products);
  for (size_t i = 0; i < memories.size(); ++i) {
    memories[i]->SetLength(batch.runs[i].rows());
  }
}

}  // namespace malmoi::models
