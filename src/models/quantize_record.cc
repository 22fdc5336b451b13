#include "models/quantize_record.h"

#include <algorithm>

namespace malmoi::models {

namespace {

std::string Key(std::string_view name) {
  return kQuantizeRecordPrefix + std::string(name);
}
std::string ErrorKey(std::string_view type) {
  return Key("rms_error." + std::string(type));
}

}  // namespace

std::optional<QuantizeRecord> ReadQuantizeRecord(
    const formats::GgufFile& file) {
  const auto error = file.GetFloat(Key("rms_error"));
  if (!error) return std::nullopt;
  QuantizeRecord record;
  record.rms_error = *error;
  record.source_type = file.GetString(Key("source_type")).value_or("");
  record.type = file.GetString(Key("type")).value_or("");
  record.importance = file.GetBool(Key("importance")).value_or(false);
  record.importance_tokens = file.GetInt(Key("importance_tokens")).value_or(0);
  const std::string prefix = ErrorKey("");
  for (const std::string& key : file.keys()) {
    const auto value = file.GetFloat(key);
    if (value && key.starts_with(prefix)) {
      record.rms_errors[key.substr(prefix.size())] = *value;
    }
  }
  return record;
}

void AddQuantizeRecord(const QuantizeRecord& record,
                       formats::GgufMetadata& metadata) {
  metadata.String(Key("source_type"), record.source_type);
  metadata.String(Key("type"), record.type);
  metadata.F32(Key("rms_error"), static_cast<float>(record.rms_error));
  for (const auto& [type, error] : record.rms_errors) {
    metadata.F32(ErrorKey(type), static_cast<float>(error));
  }
  metadata.Bool(Key("importance"), record.importance);
  if (record.importance) {
    metadata.U32(Key("importance_tokens"),
                 static_cast<uint32_t>(
                     std::min<int64_t>(record.importance_tokens, UINT32_MAX)));
  }
}

void SetQuantizeErrors(const QuantizeRecord& record,
                       formats::GgufFileWriter& writer) {
  writer.SetF32(Key("rms_error"), static_cast<float>(record.rms_error));
  for (const auto& [type, error] : record.rms_errors) {
    writer.SetF32(ErrorKey(type), static_cast<float>(error));
  }
}

}  // namespace malmoi::models
