// Which normalization: RMSNorm (Zhang & Sennrich 2019, "Root Mean Square Layer
// Normalization") or LayerNorm (Ba et al. 2016, "Layer Normalization").
#ifndef MALMOI_OPS_NORM_KIND_H_
#define MALMOI_OPS_NORM_KIND_H_

namespace malmoi::ops {

enum class NormKind { kRms, kLayer };

}  // namespace malmoi::ops

#endif  // MALMOI_OPS_NORM_KIND_H_
