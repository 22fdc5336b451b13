// Makers of the normalizers BertNormalizer, StripAccents and Precompiled.
#ifndef MALMOI_TEXT_TOKENIZE_BERT_NORMALIZERS_H_
#define MALMOI_TEXT_TOKENIZE_BERT_NORMALIZERS_H_

#include <memory>
#include <string_view>

#include "text/tokenize/pipeline.h"

namespace malmoi::text {

// Each throws kCorrupt for what it cannot read.
std::unique_ptr<Normalizer> MakeBertNormalizer(const Json& json,
                                               std::string_view where);
std::unique_ptr<Normalizer> MakeStripAccents(const Json& json,
                                             std::string_view where);
std::unique_ptr<Normalizer> MakePrecompiled(const Json& json,
                                            std::string_view where);

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_TOKENIZE_BERT_NORMALIZERS_H_
