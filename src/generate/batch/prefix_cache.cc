#include "generate/batch/prefix_cache.h"

#include <utility>

namespace malmoi::generate {

namespace {

// Whether one serves every prompt that the other would serve.
bool Covers(const TokenSequence& longer, const TokenSequence& shorter) {
  return CommonPrefix(longer.tokens, shorter.tokens) == shorter.length() &&
         longer.sequence->CanTruncate(shorter.length());
}

}  // namespace

void PrefixCache::Add(TokenSequence past) {
  if (past.length() == 0) return;
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (!Covers(*it, past)) continue;
    return entries_.splice(entries_.end(), entries_, it);
  }
  entries_.remove_if(
      [&](const TokenSequence& entry) { return Covers(past, entry); });
  entries_.push_back(std::move(past));
}

const TokenSequence* PrefixCache::Find(std::span<const int32_t> prompt) const {
  const TokenSequence* best = nullptr;
  int64_t most = 0;
  for (const TokenSequence& entry : entries_) {
    const int64_t common = entry.Reusable(prompt);
    if (common <= most) continue;
    best = &entry;
    most = common;
  }
  return best;
}

void PrefixCache::Touch(const TokenSequence* past) {
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (&*it != past) continue;
    return entries_.splice(entries_.end(), entries_, it);
  }
}

}  // namespace malmoi::generate
