// Heads of encoders: what turns a row into labels, words or borders.
#ifndef MALMOI_MODELS_FAMILIES_ENCODER_HEAD_H_
#define MALMOI_MODELS_FAMILIES_ENCODER_HEAD_H_

#include <span>
#include <vector>

#include "models/encoder.h"
#include "models/families/weight_reader.h"
#include "models/spec.h"

namespace malmoi::models {

class EncoderHead {
 public:
  // The form of the task that the checkpoint has. Throws kUnsupported.
  static const HeadForm& Choose(const Checkpoint& checkpoint,
                                const Architecture& architecture, Task task);

  // `reader` knows the form's tensors. Sets spec.outputs.
  void Read(WeightReader& reader, const Checkpoint& checkpoint,
            const HeadForm& form, const Tensor& embedding, EncoderSpec& spec);
  // [count][output rows].
  std::vector<float> Apply(Exec& exec, std::span<const float> rows,
                           int64_t count, double norm_epsilon) const;

 private:
  Linear dense_, output_;
  Norm norm_;
  Activation activation_ = Activation::kGelu;
};

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_FAMILIES_ENCODER_HEAD_H_
