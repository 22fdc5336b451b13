#include "represent/sparse/analyzer.h"

#include <algorithm>

#include "base/error.h"
#include "base/format.h"

namespace malmoi::represent {

namespace {

// As re.sub(r"\s\s+", " ", text): a lone space character stays what it is.
void JoinSpaces(std::string& text) {
  const uint8_t* basic = text::BasicPlaneFlags();
  size_t out = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    size_t end = at;
    int spaces = 0;
    while (at < text.size()) {
      const char32_t c = text::NextValid(text, at);
      if ((text::CharFlags(basic, c) & text::kSpaceChar) == 0) break;
      ++spaces;
      end = at;
    }
    if (spaces >= 1) at = end;
    if (spaces >= 2) {
      text[out++] = ' ';
      continue;
    }
    for (size_t i = begin; i < at; ++i) text[out++] = text[i];
  }
  text.resize(out);
}

// Zeros behind a text, so that 16 bytes can be read from where a token begins
// (HashPadded). The view is without them.
std::string_view Padded(std::string& text) {
  const size_t size = text.size();
  text.append(16, '\0');
  return std::string_view(text).substr(0, size);
}

// All n-grams of the characters of `text`, whose bounds are `starts`.
void AddGrams(std::string_view text, const std::vector<uint32_t>& starts, int n,
              std::vector<std::string_view>& tokens) {
  const size_t length = starts.size() - 1;
  const auto size = static_cast<size_t>(n);
  for (size_t i = 0; i + size <= length; ++i) {
    tokens.push_back(text.substr(starts[i], starts[i + size] - starts[i]));
  }
}

void CharStarts(std::string_view text, std::vector<uint32_t>& starts) {
  starts.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      starts.push_back(static_cast<uint32_t>(i));
    }
  }
  starts.push_back(static_cast<uint32_t>(text.size()));
}

}  // namespace

Analyzer::Analyzer(AnalyzerOptions options)
    : options_(std::move(options)), kernels_(&kernels::SparseKernels()) {
  if (options_.min_n < 1 || options_.max_n < options_.min_n ||
      options_.max_n > kMaxGram) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--ngrams",
                 .what = "value out of range",
                 .expected = Format("MIN-MAX, 1 to {}", kMaxGram),
                 .got = Format("{}-{}", options_.min_n, options_.max_n)});
  }
  if (options_.unit != Unit::kWord && !options_.stop_words.empty()) {
    throw Error(ErrorCode::kInvalidArgument, {.where = "--stop-words",
                                              .what = "stop words need words",
                                              .expected = "--analyzer word"});
  }
  for (const std::string& word : options_.stop_words) {
    stop_.Insert(HashTerm(word));
  }
}

std::optional<size_t> Analyzer::CutAscii(std::string_view text,
                                         TokenBuffer& buffer) const {
  if (options_.unit != Unit::kWord ||
      options_.words != text::WordRule::kSklearn || stop_.size() > 0 ||
      text.size() > 2 * kPieceBytes) {  // one word, or without blanks
    return std::nullopt;
  }
  const size_t bytes = text.size() + kernels::kTextSlack + 16;
  if (buffer.ascii.size() < bytes) {
    buffer.ascii.resize(bytes * 2);
    buffer.bounds.resize(buffer.ascii.size() / 3 + 2);
  }
  const size_t count =
      kernels_->cut_words(text.data(), text.size(), options_.fold.lowercase,
                          buffer.ascii.data(), buffer.bounds.data());
  if (count == kernels::kNotAscii) return std::nullopt;
  return count;
}

void Analyzer::Cut(std::string_view text, TokenBuffer& buffer) const {
  buffer.tokens.clear();
  if (options_.unit == Unit::kChar && text.size() > kMaxCharBytes) {
    throw Error(ErrorCode::kLimit,
                {.where = "--analyzer char",
                 .what = "a document is too long",
                 .expected = Format("at most {} bytes", kMaxCharBytes),
                 .got = std::to_string(text.size()),
                 .hint = "--analyzer char_wb"});
  }
  text::Fold(text, options_.fold, buffer.folded);
  if (options_.unit == Unit::kWord) {
    text::CutWords(options_.words, Padded(buffer.folded), buffer.apart,
                   buffer.tokens);
    if (stop_.size() > 0) {
      std::erase_if(buffer.tokens, [&](std::string_view word) {
        return stop_.Find(HashTerm(word)) != kNoTerm;
      });
    }
    return;
  }
  buffer.folded.pop_back();  // the newline
  if (options_.unit == Unit::kJamo) {
    std::swap(buffer.folded, buffer.apart);
    buffer.folded.clear();
    text::AppendJamo(buffer.apart, buffer.folded);
  }
  if (options_.unit == Unit::kChar) {
    JoinSpaces(buffer.folded);
    CutChars(buffer);
  } else {
    CutCharsInWords(buffer);
  }
}

void Analyzer::CutChars(TokenBuffer& buffer) const {
  std::vector<uint32_t> starts;
  const std::string_view text = Padded(buffer.folded);
  CharStarts(text, starts);
  for (int n = options_.min_n; n <= options_.max_n; ++n) {
    AddGrams(text, starts, n, buffer.tokens);
  }
}

// A word shorter than n counts once, whole, and ends the word's n-grams.
void Analyzer::CutCharsInWords(TokenBuffer& buffer) const {
  const uint8_t* basic = text::BasicPlaneFlags();
  const std::string& text = buffer.folded;
  std::string& padded = buffer.apart;
  padded.assign(1, ' ');
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = text::NextValid(text, at);
    if ((text::CharFlags(basic, c) & text::kSpaceChar) == 0) {
      padded.append(text, begin, at - begin);
    } else if (padded.back() != ' ') {
      padded += ' ';
    }
  }
  if (padded.back() != ' ') padded += ' ';
  std::vector<uint32_t> starts;
  const std::string_view all = Padded(padded);
  for (size_t begin = 0; begin + 1 < all.size();) {
    const size_t end = all.find(' ', begin + 1);
    const std::string_view word = all.substr(begin, end + 1 - begin);
    CharStarts(word, starts);
    for (int n = options_.min_n; n <= options_.max_n; ++n) {
      if (static_cast<size_t>(n) >= starts.size() - 1) {
        buffer.tokens.push_back(word);
        break;
      }
      AddGrams(word, starts, n, buffer.tokens);
    }
    begin = end;
  }
}

}  // namespace malmoi::represent
