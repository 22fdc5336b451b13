#include "text/tokenize/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "text/tokenize/stage_json.h"
#include "text/unicode/utf8.h"

namespace malmoi::text {

namespace {

// By so much an unknown character is worse than the worst token.
constexpr double kUnknownPenalty = 10.0;

}  // namespace

Unigram::Unigram(std::vector<std::string> spellings, std::vector<double> scores,
                 UnigramOptions options, std::string_view where)
    : VocabularyModel(std::move(spellings)),
      scores_(std::move(scores)),
      byte_fallback_(options.byte_fallback),
      single_precision_(options.single_precision) {
  MALMOI_CHECK(scores_.size() == spellings_.size());
  double least = std::numeric_limits<double>::infinity();
  for (size_t id = 0; id < scores_.size(); ++id) {
    if (std::isnan(scores_[id]) && single_precision_) continue;
    if (!std::isfinite(scores_[id])) {
      ThrowCorrupt(where, "a token's score is not finite", spellings_[id]);
    }
    least = std::min(least, scores_[id]);
  }
  if (std::isfinite(least)) unknown_score_ = Rounded(least - kUnknownPenalty);
  if (options.unknown_id) {
    if (*options.unknown_id < 0 || *options.unknown_id >= size()) {
      ThrowCorrupt(where, "the unknown token is not in the vocabulary",
                   Format("{}", *options.unknown_id));
    }
    unknown_id_ = *options.unknown_id;
  }
  for (int b = 0; b < 256; ++b) {
    byte_ids_[b] = words_.Find(Format("<0x{:02X}>", b));
  }
}

void Unigram::FindBest(std::string_view piece, std::vector<Best>& best) const {
  best.assign(piece.size() + 1, Best());
  const auto offer = [&](size_t begin, size_t end, double score, int32_t id) {
    if (best[end].begin != kNone && score <= best[end].score) return;
    best[end] = {score, static_cast<uint32_t>(begin), id};
  };
  for (size_t at = 0; at < piece.size();) {
    const auto point = DecodeAt(piece, at);
    const size_t bytes = point ? static_cast<size_t>(point->bytes) : 1;
    const double before = best[at].score;
    bool single = false;
    words_.ForEachPrefix(piece.substr(at), [&](size_t length, int32_t id) {
      const double score = scores_[static_cast<size_t>(id)];
      if (std::isnan(score)) return;
      offer(at, at + length, Rounded(score + before), id);
      single = single || length == bytes;
    });
    if (!single) {
      offer(at, at + bytes, Rounded(unknown_score_ + before), unknown_id_);
    }
    at += bytes;
  }
}

// For text that no token spells.
void Unigram::AddUnknown(std::string_view piece, const ModelToken& token,
                         std::vector<ModelToken>& out,
                         std::vector<ModelToken>& lost) const {
  const std::string_view text =
      piece.substr(token.begin, token.end - token.begin);
  const int32_t whole = single_precision_ ? -1 : words_.Find(text);
  if (whole >= 0) {
    out.push_back({whole, token.begin, token.end});
    return;
  }
  const auto id_of = [&](char c) {
    return byte_ids_[static_cast<unsigned char>(c)];
  };
  if (byte_fallback_ && std::all_of(text.begin(), text.end(),
                                    [&](char c) { return id_of(c) >= 0; })) {
    for (char c : text) out.push_back({id_of(c), token.begin, token.end});
  } else if (unknown_id_ >= 0) {
    out.push_back({unknown_id_, token.begin, token.end});
  } else {
    lost.push_back({-1, token.begin, token.end});
  }
}

void Unigram::Encode(std::string_view piece, std::vector<ModelToken>& out,
                     std::vector<ModelToken>& lost) const {
  thread_local std::vector<Best> best;
  thread_local std::vector<ModelToken> path;  // last token first
  FindBest(piece, best);
  path.clear();
  for (size_t end = piece.size(); end > 0;) {
    const Best& last = best[end];
    // Unknown characters that are neighbours are one token.
    if (last.id == unknown_id_ && !path.empty() &&
        path.back().id == unknown_id_) {
      path.back().begin = last.begin;
    } else {
      path.push_back({last.id, last.begin, static_cast<uint32_t>(end)});
    }
    end = last.begin;
  }
  for (auto token = path.rbegin(); token != path.rend(); ++token) {
    if (token->id == unknown_id_) {
      AddUnknown(piece, *token, out, lost);
    } else {
      out.push_back(*token);
    }
  }
  if (best.capacity() > (1u << 16)) best = {};  // of a rare long piece
  if (path.capacity() > (1u << 16)) path = {};
}

std::string Unigram::Describe() const {
  return Format("Unigram, {} tokens", size());
}

}  // namespace malmoi::text
