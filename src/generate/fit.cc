#include "generate/fit.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"
#include "kernels/kernels.h"

namespace malmoi::generate {

namespace {

using models::DecoderPlan;
using models::PackedShape;
using models::Role;

// What the program reaches of each roof, as ops::MeasureRoofs measures them.
// Fitted to `malmoi bench` (docs/PERFORMANCE.md, "Predictions"); to fit them
// again, tools/check_fit.py MODEL... prints what each must be divided by.
struct Calibration {
  double arithmetic = 0.82;  // of what the kernel alone reaches, below
  double memory = 0.78;      // of streaming reads
  double attention = 0.49;   // of f32 arithmetic
  double element_ops = 20;   // f32 operations that one element costs
  double region_s = 7.7e-6;  // each
};
constexpr Calibration kCalibration;

// The share of the int8 roof that the tile loop reaches on AVX2 with 128 rows
// (bench/kernels_bench): the table of docs/PERFORMANCE.md. Other targets run
// the same loops against their own roofs, and a whole prompt reached the same
// share on AVX-512 with VNNI, so that the table serves them too.
double KernelShare(const kernels::PanelFormat& format) {
  using kernels::Codes;
  switch (format.codes) {
    case Codes::kU4:
      if (format.super) return format.group == 16 ? 0.56 : 0.65;  // Q2_K, Q4_K
      return format.stored_min ? 0.61 : 0.63;                     // Q4_1, Q4_0
    case Codes::kU5:
      return format.super ? 0.62 : 0.58;
    case Codes::kU6:
      return 0.50;
    case Codes::kS8:
      return 0.35;
    case Codes::kF32:
    case Codes::kF16:
    case Codes::kBF16:
      return 0.50;  // of the f32 roof
  }
  return 0.50;
}

// Fewer rows share the decoding of a panel's codes: 47 of 63 % with 4 rows,
// 56 with 8.
double FewRows(int64_t rows) {
  return static_cast<double>(rows) / static_cast<double>(rows + 1);
}

void AddMatrix(const PackedShape& matrix, const ops::Roofs& roofs, int64_t rows,
               PredictedTime& time) {
  const kernels::PanelFormat format = kernels::FormatFor(matrix.dtype);
  // Where bf16 is multiplied as such: a dot product of two takes as long as one
  // multiply-add of f32, by instruction tables; tiles were measured at 8 times
  // that (by instruction tables 16).
  const kernels::KernelTable& table = kernels::Kernels();
  const double faster = format.codes != kernels::Codes::kBF16 ? 1
                        : table.tiles != nullptr              ? 8
                        : table.bf16_dot                      ? 2
                                                              : 1;
  const double roof =
      format.integer() ? roofs.int8_ops_per_s : faster * roofs.f32_ops_per_s;
  const double operations = 2.0 * static_cast<double>(rows * matrix.used) *
                            static_cast<double>(matrix.weights());
  // Rows are spread over the experts.
  const int64_t read = std::min(matrix.copies, rows * matrix.used);
  const int64_t each = std::max<int64_t>(1, rows * matrix.used / read);
  const double arithmetic =
      operations /
      (roof * KernelShare(format) * FewRows(each) * kCalibration.arithmetic);
  const double memory = static_cast<double>(matrix.bytes()) *
                        static_cast<double>(read) /
                        (roofs.read_bytes_per_s * kCalibration.memory);
  if (arithmetic > memory) {
    time.arithmetic += arithmetic;
  } else {
    time.memory += memory;
  }
}

// Positions that the rows of one sequence attend to, in all.
double Attended(const ForwardShape& shape, int64_t window) {
  double sum = 0;
  for (int64_t row = 0; row < shape.rows; ++row) {
    const int64_t seen = shape.past + row + 1;
    sum += static_cast<double>(window > 0 ? std::min(seen, window) : seen);
  }
  return sum;
}

// Calls use(layers, window) for the layers that see everything and for those
// that slide.
template <typename F>
void ForLayers(const models::Spec& spec, F&& use) {
  int64_t sliding = 0;
  for (const bool slides : spec.attention.sliding) sliding += slides ? 1 : 0;
  const int64_t all = spec.AttentionLayers() - sliding;
  if (all > 0) use(all, int64_t{0});
  if (sliding > 0) use(sliding, spec.attention.window);
}

// Of one layer. Each position is read once for all rows that see it.
double KvBytesOfLayer(const DecoderPlan& plan, int64_t past, int64_t rows,
                      int64_t window) {
  if (plan.kv.layers == 0) return 0;
  int64_t read = past + rows;
  if (window > 0) read = std::min(read, window + rows);
  return static_cast<double>(plan.kv.page_bytes()) /
         static_cast<double>(plan.kv.layers * models::kPagePositions) *
         static_cast<double>(read);
}

double AttentionSeconds(const DecoderPlan& plan, const ops::Roofs& roofs,
                        const ForwardShape& shape) {
  const models::AttentionSpec& attention = plan.spec.attention;
  double seconds = 0;
  ForLayers(plan.spec, [&](int64_t layers, int64_t window) {
    const double operations =
        4.0 * static_cast<double>(attention.heads * attention.head_dim) *
        Attended(shape, window);
    const double bytes = KvBytesOfLayer(plan, shape.past, shape.rows, window);
    seconds +=
        static_cast<double>(layers * shape.sequences) *
        std::max(operations / (roofs.f32_ops_per_s * kCalibration.attention),
                 bytes / (roofs.read_bytes_per_s * kCalibration.memory));
  });
  return seconds;
}

// Values that are normalized, rotated, gated, quantized or added for a row.
double ElementsOfLayer(const models::Spec& spec) {
  const models::AttentionSpec& attention = spec.attention;
  const int64_t heads = attention.heads + attention.kv_heads;
  return static_cast<double>((spec.post_norms ? 6 : 4) * spec.width +
                             2 * heads * attention.head_dim +
                             3 * spec.feed_forward.hidden);
}

// The same of a state space. The exponential of a channel's state costs as much
// as any element, the state of a head but two multiplications and additions.
double ElementsOfState(const models::StateSpaceSpec& state) {
  const double states = static_cast<double>(state.inner * state.states);
  return static_cast<double>(2 * state.projected() + 2 * state.inner) +
         (state.heads > 0 ? states * 4 / kCalibration.element_ops : states);
}

constexpr int64_t kPiece = 512;

}  // namespace

PredictedTime& PredictedTime::operator+=(const PredictedTime& other) {
  arithmetic += other.arithmetic;
  memory += other.memory;
  attention += other.attention;
  elements += other.elements;
  regions += other.regions;
  return *this;
}

PredictedTime PredictedTime::operator*(double factor) const {
  return {arithmetic * factor, memory * factor, attention * factor,
          elements * factor, regions * factor};
}

PredictedTime PredictForward(const DecoderPlan& plan, const ops::Roofs& roofs,
                             const ForwardShape& shape) {
  const models::Spec& spec = plan.spec;
  const int64_t rows = shape.rows * shape.sequences;
  const int64_t logits = shape.logits * shape.sequences;
  PredictedTime time;
  for (const PackedShape& matrix : plan.matrices) {
    const int64_t used = matrix.role == Role::kHead ? logits : rows;
    if (used > 0) AddMatrix(matrix, roofs, used, time);
  }
  time.attention = AttentionSeconds(plan, roofs, shape);
  // A state is read and written.
  time.memory += 2.0 * static_cast<double>(shape.sequences) *
                 static_cast<double>(plan.kv.state_bytes()) /
                 (roofs.read_bytes_per_s * kCalibration.memory);
  const double elements =
      static_cast<double>(spec.layers) * ElementsOfLayer(spec) +
      static_cast<double>(plan.kv.state_layers) *
          ElementsOfState(spec.state_space);
  time.elements = static_cast<double>(rows) * elements *
                  kCalibration.element_ops / roofs.f32_ops_per_s;
  // Norm, projections, attention, output; norm, gate and up, down.
  // Of a state space projection, convolution, two more where channels have
  // steps, scan and output.
  const int64_t beside = spec.state_space.beside ? 4 * spec.layers : 0;
  const int64_t regions =
      spec.HasFeedForward()
          ? spec.layers * (spec.post_norms ? 7 : 5) + 1
          : spec.layers * (spec.state_space.heads > 0 ? 4 : 6) + 1;
  time.regions = static_cast<double>(regions + beside) * kCalibration.region_s;
  return time;
}

PredictedTime PredictPrompt(const DecoderPlan& plan, const ops::Roofs& roofs,
                            int64_t tokens) {
  PredictedTime time;
  for (int64_t at = 0; at < tokens; at += kPiece) {
    const int64_t rows = std::min(kPiece, tokens - at);
    time += PredictForward(
        plan, roofs,
        {.rows = rows, .past = at, .logits = at + rows == tokens ? 1 : 0});
  }
  return time;
}

PredictedTime PredictDecode(const DecoderPlan& plan, const ops::Roofs& roofs,
                            int64_t tokens, int64_t past, int64_t sequences) {
  return PredictForward(plan, roofs,
                        {.sequences = sequences, .past = past + tokens / 2}) *
         static_cast<double>(tokens);
}

double KvReadBytes(const DecoderPlan& plan, int64_t past) {
  double bytes = static_cast<double>(plan.kv.state_bytes());
  ForLayers(plan.spec, [&](int64_t layers, int64_t window) {
    bytes +=
        static_cast<double>(layers) * KvBytesOfLayer(plan, past, 0, window);
  });
  return bytes;
}

void AddAdapter(const models::Adapter& adapter, DecoderPlan& plan) {
  for (const auto& [name, pair] : adapter.pairs()) {
    for (const Tensor* matrix : {&pair.down, &pair.up}) {
      plan.matrices.push_back({.role = Role::kQuery,
                               .dtype = DType::kF32,
                               .rows = matrix->rows(),
                               .columns = matrix->columns()});
    }
  }
}

PredictedSpeed PredictSpeed(const DecoderPlan& plan, const ops::Roofs& roofs) {
  constexpr int64_t kPrompt = 512, kDecode = 128;
  return {static_cast<double>(kPrompt) /
              PredictPrompt(plan, roofs, kPrompt).seconds(),
          static_cast<double>(kDecode) /
              PredictDecode(plan, roofs, kDecode, kPrompt, 1).seconds()};
}

namespace {

// Values of a row in the midst of a state space: what is projected, convolved,
// its parts, the steps, what is scanned and gated.
int64_t StateRow(const models::StateSpaceSpec& state) {
  const int64_t steps =
      state.heads > 0 ? 2 * state.heads
                      : 2 * (state.step_rank + state.states + state.inner);
  return state.projected() + state.convolved() + steps + 2 * state.inner;
}

}  // namespace

PredictedMemory PredictMemory(const DecoderPlan& plan, int64_t context) {
  const models::Spec& spec = plan.spec;
  const models::AttentionSpec& attention = spec.attention;
  PredictedMemory memory;
  memory.weights = plan.packed_bytes();
  memory.kv = plan.kv.bytes(context);
  // The stream and its norms, queries, and what attention or the gate gives,
  // in f32 where float weights read it and in bytes with scales where not;
  // then the logits and the row of the last norm.
  bool floats = false;
  for (const PackedShape& matrix : plan.matrices) {
    floats = floats || !kernels::FormatFor(matrix.dtype).integer();
  }
  const int64_t piece = std::min(kPiece, context);
  const int64_t query = attention.heads * plan.kv.head_dim;
  const int64_t widest = std::max(2 * query, spec.feed_forward.hidden);
  const int64_t each = floats ? 4 : 2;
  memory.scratch = static_cast<size_t>(
      piece * (4 * spec.width + each * (spec.width + widest) + 4 * query +
               4 * StateRow(spec.state_space)) +
      4 * (spec.vocab_size + spec.width));
  return memory;
}

int64_t PlannedContext(const models::Spec& spec, int64_t asked) {
  if (asked == 0) return std::min<int64_t>(4096, spec.UsualContext());
  if (asked > spec.context) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--context",
                 .what = "more than the model was trained for",
                 .expected = Format("at most {}", spec.context),
                 .got = std::to_string(asked)});
  }
  return asked;
}

namespace {

FitOption Option(const DecoderPlan& plan, const ops::Roofs& roofs,
                 int64_t context, uint64_t available, std::string type) {
  FitOption option;
  option.type = std::move(type);
  option.file_bytes = plan.tensor_bytes;
  option.memory = PredictMemory(plan, context);
  option.fits = option.memory.total() <= available;
  option.speed = PredictSpeed(plan, roofs);
  return option;
}

void Choose(FitReport& report) {
  const auto within = [&](double share) -> std::optional<size_t> {
    for (size_t i = 0; i < report.options.size(); ++i) {
      if (static_cast<double>(report.options[i].memory.total()) <=
          share * static_cast<double>(report.available_bytes)) {
        return i;
      }
    }
    return std::nullopt;
  };
  if (const auto roomy = within(kRoomyShare)) {
    report.choice = *roomy;
    report.reason = *roomy == 0 ? FitReason::kSource : FitReason::kLargest;
  } else if (const auto tight = within(1.0)) {
    // The smallest leaves the most.
    report.choice = report.options.size() - 1;
    report.reason = FitReason::kTight;
  } else {
    report.choice = report.options.size() - 1;
    report.reason = FitReason::kNothingFits;
  }
}

}  // namespace

FitReport FitModel(const models::Checkpoint& checkpoint,
                   const ops::Machine& machine, const ops::Roofs& roofs,
                   int64_t context) {
  FitReport report;
  report.plan = models::PlanDecoder(checkpoint);
  report.context = PlannedContext(report.plan.spec, context);
  report.available_bytes = machine.available_bytes;
  report.options.push_back(Option(report.plan, roofs, report.context,
                                  machine.available_bytes,
                                  checkpoint.Quantization()));
  report.options[0].source = true;
  for (const char* name : {"Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_1", "Q4_K_M",
                           "Q4_K_S", "Q4_0"}) {
    const DecoderPlan plan =
        models::PlanDecoder(checkpoint, &models::FindQuantizeType(name));
    if (plan.tensor_bytes >= report.plan.tensor_bytes) continue;
    report.options.push_back(
        Option(plan, roofs, report.context, machine.available_bytes, name));
  }
  std::stable_sort(report.options.begin() + 1, report.options.end(),
                   [](const FitOption& a, const FitOption& b) {
                     return a.file_bytes > b.file_bytes;
                   });
  Choose(report);
  return report;
}

}  // namespace malmoi::generate
