#include "learn/word2vec/batch.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace malmoi::learn {

namespace {

constexpr size_t kSlack = 16;  // what kernels write behind gradients
constexpr float kOne = 1;

void Prefetch(const float* row, int64_t stride) {
  for (int64_t k = 0; k < stride; k += 16) __builtin_prefetch(row + k);
}

// Sorts entries by the owner of their row, stable; begins: [kOwners + 1].
template <typename Entry, typename RowOf>
void SortByOwner(std::vector<Entry>& entries, std::vector<Entry>& sorted,
                 RowOf&& row_of, int32_t* begins) {
  int32_t counts[kOwners] = {};
  for (const Entry& entry : entries) ++counts[row_of(entry) % kOwners];
  begins[0] = 0;
  for (int o = 0; o < kOwners; ++o) begins[o + 1] = begins[o] + counts[o];
  int32_t at[kOwners];
  std::copy_n(begins, kOwners, at);
  sorted.resize(entries.size());
  for (const Entry& entry : entries) {
    sorted[static_cast<size_t>(at[row_of(entry) % kOwners]++)] = entry;
  }
}

}  // namespace

void MakeFactors(Model& model, std::span<const double> shares,
                 std::span<const double> negative_shares) {
  const double most = model.negatives > 0 ? kMostHits : kMostHitsOfTree;
  const auto factors = [most](const std::vector<double>& hits) {
    std::vector<float> out;
    bool damped = false;
    for (double share : hits) {
      const double own = share * kSegmentCenters * kBatchSegments;
      out.push_back(own > most ? static_cast<float>(most / own) : 1);
      damped |= own > most;
    }
    if (!damped) out.clear();
    return out;
  };
  std::vector<double> input(static_cast<size_t>(model.input.rows())),
      output(static_cast<size_t>(model.output.rows()));
  for (size_t w = 0; w < shares.size(); ++w) {
    const auto word = static_cast<int32_t>(w);
    for (int64_t r = 0; r < model.RowCount(word); ++r) {
      input[static_cast<size_t>(model.RowOf(word, r))] += shares[w];
    }
    if (model.negatives > 0) {
      output[w] += shares[w] + model.negatives * negative_shares[w];
      continue;
    }
    for (const auto& step : model.tree.path(word)) {
      output[static_cast<size_t>(step.node)] += shares[w];
    }
  }
  model.input_factors = factors(input);
  model.output_factors = factors(output);
}

void Segment::Prepare(const Model& model) {
  const int64_t columns = model.input.columns();
  const int64_t positions = kSegmentCenters + 2 * model.window;
  x_rows_ = AlignedRows(positions, columns);
  x_change_ = AlignedRows(positions, columns);
  if (model.cbow) {
    h_rows_ = AlignedRows(kSegmentCenters, columns);
    h_change_ = AlignedRows(kSegmentCenters, columns);
  }
  x_counts_.resize(static_cast<size_t>(positions));
  kernels_ = &kernels::WordKernels();
}

// The inputs of all positions; of CBOW their sums.
void Segment::Gather(const Model& model, const Piece& piece) {
  const int64_t stride = model.input.stride();
  const size_t bytes = static_cast<size_t>(stride) * sizeof(float);
  for (int32_t p = low_; p < high_; ++p) {
    const int32_t word = piece.words[static_cast<size_t>(p)];
    if (p + 2 < high_ && model.row_begins.empty()) {
      Prefetch(model.input.row(piece.words[static_cast<size_t>(p) + 2]),
               stride);
    }
    float* x = x_rows_.row(p - low_);
    const int64_t count = model.RowCount(word);
    x_counts_[static_cast<size_t>(p - low_)] = static_cast<int32_t>(count);
    if (count == 1) {
      std::memcpy(x, model.input.row(model.RowOf(word, 0)), bytes);
      continue;
    }
    y_.clear();
    for (int64_t r = 0; r < count; ++r) {
      y_.push_back(model.input.row(model.RowOf(word, r)));
    }
    std::memset(x, 0, bytes);
    const float factor = model.cbow ? 1.0f : 1.0f / static_cast<float>(count);
    kernels_->add_weighted(y_.data(), &factor, 0, count, stride, x);
  }
  std::memset(x_change_.row(0), 0, bytes * static_cast<size_t>(high_ - low_));
}

// Windows and targets.
void Segment::Draw(const Model& model, const Piece& piece, int32_t begin,
                   int32_t end) {
  Random random(MixSeed(piece.seed, static_cast<uint64_t>(begin)));
  reaches_.clear();
  targets_.clear();
  target_labels_.clear();
  centers_.clear();
  for (int32_t p = begin; p < end; ++p) {
    const int32_t word = piece.words[static_cast<size_t>(p)];
    reaches_.push_back(
        1 + static_cast<int32_t>((uint64_t{random.Next()} *
                                  static_cast<uint32_t>(model.window)) >>
                                 32));
    Center center;
    center.first_target = static_cast<int32_t>(targets_.size());
    if (model.negatives > 0) {
      targets_.push_back(word);
      target_labels_.push_back(1);
      for (int k = 0; k < model.negatives; ++k) {
        int32_t negative = model.sampler.Draw(random);
        while (negative == word) negative = model.sampler.Draw(random);
        targets_.push_back(negative);
        target_labels_.push_back(0);
      }
    } else {
      for (const auto& step : model.tree.path(word)) {
        targets_.push_back(step.node);
        target_labels_.push_back(step.right ? 0.0f : 1.0f);
      }
    }
    center.targets =
        static_cast<int32_t>(targets_.size()) - center.first_target;
    centers_.push_back(center);
  }
}

void Segment::Step(const Model& model, const Piece& piece, int32_t p,
                   float rate, bool measure) {
  Center& center = centers_[static_cast<size_t>(p - begin_)];
  const int32_t reach = reaches_[static_cast<size_t>(p - begin_)];
  const size_t at = static_cast<size_t>(p);
  const int32_t first = std::max(p - reach, piece.begins[at]);
  const int32_t last = std::min(p + reach + 1, piece.ends[at]);
  center.first_x = static_cast<int32_t>(x_.size());
  center.inputs = 0;
  center.gradients = static_cast<int32_t>(gradient_end_);
  if (last - first < 2) return;
  const int64_t stride = model.input.stride();
  const int64_t local = p - begin_;
  if (model.cbow) {
    float* h = h_rows_.row(local);
    std::memset(h, 0, static_cast<size_t>(stride) * sizeof(float));
    int32_t count = 0;
    y_.clear();
    for (int32_t c = first; c < last; ++c) {
      if (c == p) continue;
      y_.push_back(x_rows_.row(c - low_));
      count += x_counts_[static_cast<size_t>(c - low_)];
    }
    const float factor = 1.0f / static_cast<float>(count);
    kernels_->add_weighted(y_.data(), &factor, 0,
                           static_cast<int64_t>(y_.size()), stride, h);
    std::memset(h_change_.row(local), 0,
                static_cast<size_t>(stride) * sizeof(float));
    x_.push_back(h);
    x_changes_.push_back(h_change_.row(local));
    center.inputs = 1;
  } else {
    for (int32_t c = first; c < last; ++c) {
      if (c == p) continue;
      x_.push_back(x_rows_.row(c - low_));
      x_changes_.push_back(x_change_.row(c - low_));
    }
    center.inputs = last - first - 1;
  }
  const int32_t cells = center.inputs * center.targets;
  gradient_end_ += static_cast<size_t>(cells);
  y_.resize(static_cast<size_t>(center.targets));
  labels_.resize(static_cast<size_t>(cells) + kSlack);
  const float* own_labels = target_labels_.data() + center.first_target;
  for (int32_t j = 0; j < center.targets; ++j) {
    y_[static_cast<size_t>(j)] = model.output.row(
        targets_[static_cast<size_t>(center.first_target + j)]);
  }
  for (int32_t i = 0; i < center.inputs; ++i) {
    std::copy_n(own_labels, center.targets,
                labels_.data() + i * center.targets);
  }
  kernels::WordStep step{.x = x_.data() + center.first_x,
                         .x_change = x_changes_.data() + center.first_x,
                         .y = y_.data(),
                         .labels = labels_.data(),
                         .inputs = center.inputs,
                         .targets = center.targets,
                         .columns = stride,
                         .rate = rate,
                         .gradients = gradients_.data() + center.gradients};
  kernels_->word_step(step);
  if (measure) {
    for (int32_t i = 0; i < cells; ++i) {
      const double right =
          1.0 - std::fabs(double{step.gradients[i]}) / double{rate};
      loss_ -= std::log(std::max(right, 1e-7));
    }
    losses_ += cells;
  }
  if (!model.cbow) return;
  const float* change = h_change_.row(local);
  for (int32_t c = first; c < last; ++c) {
    if (c == p) continue;
    kernels_->add_weighted(&change, &kOne, 1, 1, stride,
                           x_change_.row(c - low_));
  }
}

void Segment::Bucket(const Model& model, const Piece& piece) {
  std::vector<Entry>& entries = entries_;
  entries.clear();
  for (size_t c = 0; c < centers_.size(); ++c) {
    if (centers_[c].inputs == 0) continue;
    for (int32_t j = 0; j < centers_[c].targets; ++j) {
      entries.push_back({static_cast<int32_t>(c), j});
    }
  }
  SortByOwner(
      entries, outputs_,
      [&](const Entry& e) {
        const Center& center = centers_[static_cast<size_t>(e.center)];
        return targets_[static_cast<size_t>(center.first_target + e.target)];
      },
      output_begins_);
  entries.clear();
  for (int32_t p = low_; p < high_; ++p) {
    const int32_t word = piece.words[static_cast<size_t>(p)];
    for (int64_t r = 0; r < model.RowCount(word); ++r) {
      entries.push_back({p - low_, model.RowOf(word, r)});
    }
  }
  SortByOwner(
      entries, inputs_, [](const Entry& e) { return e.target; }, input_begins_);
}

void Segment::Compute(const Model& model, const Piece& piece, int32_t begin,
                      int32_t end, float rate, bool measure) {
  begin_ = begin;
  low_ =
      std::max(begin - model.window, piece.begins[static_cast<size_t>(begin)]);
  high_ =
      std::min(end + model.window, piece.ends[static_cast<size_t>(end) - 1]);
  loss_ = 0;
  losses_ = 0;
  x_.clear();
  x_changes_.clear();
  Gather(model, piece);
  Draw(model, piece, begin, end);
  gradient_end_ = 0;
  size_t most = kSlack;
  for (size_t c = 0; c < centers_.size(); ++c) {
    most += static_cast<size_t>(centers_[c].targets) *
            static_cast<size_t>(model.cbow ? 1 : 2 * reaches_[c]);
  }
  if (gradients_.size() < most) gradients_.resize(most);
  const int64_t stride = model.output.stride();
  const auto fetch = [&](size_t c) {
    if (c >= centers_.size()) return;
    for (int32_t j = 0; j < centers_[c].targets; ++j) {
      Prefetch(model.output.row(
                   targets_[static_cast<size_t>(centers_[c].first_target + j)]),
               stride);
    }
  };
  fetch(0);
  for (int32_t p = begin; p < end; ++p) {
    fetch(static_cast<size_t>(p - begin) + 1);
    Step(model, piece, p, rate, measure);
  }
  Bucket(model, piece);
}

void Segment::Apply(Model& model, int owner) const {
  const int64_t stride = model.input.stride();
  const auto target_of = [&](int32_t i) {
    const Entry& entry = outputs_[static_cast<size_t>(i)];
    const Center& center = centers_[static_cast<size_t>(entry.center)];
    return targets_[static_cast<size_t>(center.first_target + entry.target)];
  };
  const int32_t last = output_begins_[owner + 1];
  for (int32_t i = output_begins_[owner]; i < last; ++i) {
    if (i + 2 < last) Prefetch(model.output.row(target_of(i + 2)), stride);
    const Entry& entry = outputs_[static_cast<size_t>(i)];
    const Center& center = centers_[static_cast<size_t>(entry.center)];
    const float* weights = gradients_.data() + center.gradients + entry.target;
    const int32_t row = target_of(i);
    if (model.output_factors.empty()) {
      kernels_->add_weighted(x_.data() + center.first_x, weights,
                             center.targets, center.inputs, stride,
                             model.output.row(row));
      continue;
    }
    float damped[2 * kMostWindow];
    for (int32_t k = 0; k < center.inputs; ++k) {
      damped[k] = weights[k * center.targets] *
                  model.output_factors[static_cast<size_t>(row)];
    }
    kernels_->add_weighted(x_.data() + center.first_x, damped, 1, center.inputs,
                           stride, model.output.row(row));
  }
  const int32_t end = input_begins_[owner + 1];
  for (int32_t i = input_begins_[owner]; i < end; ++i) {
    if (i + 2 < end) {
      Prefetch(model.input.row(inputs_[static_cast<size_t>(i) + 2].target),
               stride);
    }
    const Entry& entry = inputs_[static_cast<size_t>(i)];
    const float* change = x_change_.row(entry.center);
    const float* factor =
        model.input_factors.empty()
            ? &kOne
            : &model.input_factors[static_cast<size_t>(entry.target)];
    kernels_->add_weighted(&change, factor, 1, 1, stride,
                           model.input.row(entry.target));
  }
}

}  // namespace malmoi::learn
