// What a quantized file says of what was lost: metadata malmoi.quantize.*,
// written with the file and read by `show`.
#ifndef MALMOI_MODELS_QUANTIZE_RECORD_H_
#define MALMOI_MODELS_QUANTIZE_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"

namespace malmoi::models {

// How the metadata of a record begins.
inline constexpr char kQuantizeRecordPrefix[] = "malmoi.quantize.";

struct QuantizeRecord {
  std::string source_type;  // "F16"; "F16, Q8_0" where it had two before
  std::string type;         // "Q4_K_M"
  // √(Σ(new - old)²/Σold²) of the weights that changed their type, all and by
  // the new type's name.
  double rms_error = 0;
  std::map<std::string, double> rms_errors;
  bool importance = false;  // was used
  int64_t importance_tokens = 0;
};

// nullopt where the file has none.
std::optional<QuantizeRecord> ReadQuantizeRecord(const formats::GgufFile& file);

// All of it; errors may follow once the weights are written.
void AddQuantizeRecord(const QuantizeRecord& record,
                       formats::GgufMetadata& metadata);
void SetQuantizeErrors(const QuantizeRecord& record,
                       formats::GgufFileWriter& writer);

}  // namespace malmoi::models

#endif  // MALMOI_MODELS_QUANTIZE_RECORD_H_
