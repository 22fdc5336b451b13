#include "apps/heads/entities.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "text/unicode/utf8.h"

namespace malmoi::apps {

namespace {

constexpr std::pair<std::string_view, Joining> kJoinings[] = {
    {"none", Joining::kNone},
    {"simple", Joining::kSimple},
    {"first", Joining::kFirst},
    {"average", Joining::kAverage},
    {"max", Joining::kMax}};

// A token, or a word of several.
struct Piece {
  std::vector<double> scores;  // of each label
  size_t label = 0;
  size_t begin = 0, end = 0;
  bool continues = false;  // a word

  void Choose() {
    label = static_cast<size_t>(std::max_element(scores.begin(), scores.end()) -
                                scores.begin());
  }
};

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// Where the vocabulary marks pieces within a word ("##ing"), a token whose
// spelling is longer than what it stands for; else one without a space before.
bool Continues(const HeadModel& model, std::string_view text, int32_t id,
               size_t begin, size_t end) {
  const text::Tokenizer& tokenizer = model.tokenizer();
  if (tokenizer.unk_id() == id) return false;
  if (!tokenizer.continuing_prefix().empty()) {
    return Characters(tokenizer.TokenText(id)) !=
           Characters(text.substr(begin, end - begin));
  }
  return begin > 0 && text[begin - 1] != ' ' && text[begin] != ' ';
}

std::vector<Piece> Tokens(const HeadModel& model, std::string_view text,
                          const text::Encoding& encoding,
                          std::span<const float> logits) {
  const size_t count = model.labels().size();
  std::vector<Piece> pieces;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const auto [begin, end] = encoding.offsets[i];
    if (model.tokenizer().IsSpecial(encoding.ids[i]) || begin == end) continue;
    Piece piece;
    piece.scores = Softmax(logits.subspan(i * count, count));
    piece.Choose();
    piece.begin = begin;
    piece.end = end;
    piece.continues = Continues(model, text, encoding.ids[i], begin, end);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

Piece JoinWord(std::span<const Piece> tokens, Joining joining) {
  Piece word = tokens.front();
  word.end = tokens.back().end;
  if (joining == Joining::kMax) {
    for (const Piece& token : tokens) {
      if (token.scores[token.label] > word.scores[word.label]) {
        word.scores = token.scores;
        word.label = token.label;
      }
    }
  } else if (joining == Joining::kAverage) {
    for (size_t k = 0; k < word.scores.size(); ++k) {
      double sum = 0;
      for (const Piece& token : tokens) sum += token.scores[k];
      word.scores[k] = sum / static_cast<double>(tokens.size());
    }
  }
  word.Choose();
  return word;
}

std::vector<Piece> JoinWords(const std::vector<Piece>& tokens,
                             Joining joining) {
  std::vector<Piece> words;
  for (size_t at = 0; at < tokens.size();) {
    size_t end = at + 1;
    while (end < tokens.size() && tokens[end].continues) ++end;
    words.push_back(JoinWord(std::span(tokens).subspan(at, end - at), joining));
    at = end;
  }
  return words;
}

// "B-PER": (true, "PER"). What has neither mark goes on.
std::pair<bool, std::string> SplitLabel(const std::string& label) {
  if (label.starts_with("B-")) return {true, label.substr(2)};
  if (label.starts_with("I-")) return {false, label.substr(2)};
  return {false, label};
}

}  // namespace

Joining FindJoining(std::string_view name) {
  for (const auto& [each, joining] : kJoinings) {
    if (each == name) return joining;
  }
  throw Error(ErrorCode::kUsage, {.where = "--join",
                                  .what = "unknown value",
                                  .expected = "none, simple, first, average "
                                              "or max",
                                  .got = std::string(name)});
}

std::vector<Entity> JoinEntities(const HeadModel& model, std::string_view text,
                                 const text::Encoding& encoding,
                                 std::span<const float> logits,
                                 Joining joining) {
  std::vector<Piece> pieces = Tokens(model, text, encoding, logits);
  if (joining != Joining::kNone && joining != Joining::kSimple) {
    pieces = JoinWords(pieces, joining);
  }
  std::vector<Entity> entities;
  for (size_t at = 0; at < pieces.size();) {
    const std::string& label = model.labels()[pieces[at].label];
    const std::string name =
        joining == Joining::kNone ? label : SplitLabel(label).second;
    double sum = 0;
    size_t end = at;
    do {
      sum += pieces[end].scores[pieces[end].label];
      ++end;
    } while (joining != Joining::kNone && end < pieces.size() &&
             SplitLabel(model.labels()[pieces[end].label]) ==
                 std::pair(false, name));
    if (name != "O") {
      entities.push_back({name, sum / static_cast<double>(end - at),
                          pieces[at].begin, pieces[end - 1].end});
    }
    at = end;
  }
  return entities;
}

}  // namespace malmoi::apps
