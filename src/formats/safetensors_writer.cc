// Offsets count from the end of the header, which is padded by spaces to a
// multiple of 8 bytes, as the format's own library does.
#include "formats/safetensors_writer.h"

#include "base/check.h"

namespace malmoi::formats {

namespace {

uint64_t DataBytes(const SafetensorsInfo& tensor) {
  MALMOI_CHECK(!IsQuantized(tensor.dtype));
  uint64_t elements = 1;
  for (const int64_t size : tensor.shape) {
    elements *= static_cast<uint64_t>(size);
  }
  return *ByteSize(tensor.dtype, elements);
}

std::string Header(const std::vector<SafetensorsInfo>& tensors,
                   const Json& metadata) {
  Json header = Json::object();
  if (metadata.is_object()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const SafetensorsInfo& tensor : tensors) {
    const uint64_t end = offset + DataBytes(tensor);
    header[tensor.name] = {{"dtype", Info(tensor.dtype).name},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = DumpJson(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(
    const std::filesystem::path& path,
    const std::vector<SafetensorsInfo>& tensors, const Json& metadata)
    : file_(path) {
  const std::string header = Header(tensors, metadata);
  file_.WriteValue(static_cast<uint64_t>(header.size()));
  file_.Write(header);
  written_ = file_bytes_ = 8 + header.size();
  for (const SafetensorsInfo& tensor : tensors) {
    file_bytes_ += DataBytes(tensor);
  }
}

void SafetensorsWriter::Write(std::span<const std::byte> data) {
  file_.Write(data);
  written_ += data.size();
}

void SafetensorsWriter::Finish() {
  MALMOI_CHECK(written_ == file_bytes_);
  file_.Finish();
}

}  // namespace malmoi::formats
