// A tokenizer from a file of tiktoken: a line for each token, its bytes in
// base64 and its rank, which is its id. Two neighbours merge if what they
// spell together is a token, the lowest rank first. The file says neither how
// a text is cut nor which tokens are special: that belongs to the encoding's
// name. https://github.com/openai/tiktoken
#include <algorithm>
#include <charconv>
#include <deque>

#include "text/tokenize/bpe.h"
#include "text/tokenize/byte_level.h"
#include "text/tokenize/charsmap.h"
#include "text/tokenize/known_patterns.h"
#include "text/tokenize/pipeline.h"
#include "text/tokenize/stage_json.h"

namespace malmoi::text {

namespace {

constexpr std::string_view kR50kPattern =
    R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++\z|\s+(?!\S)|\s)";
constexpr std::string_view kCl100kPattern =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|\s+(?!\S)|\s)";
struct SpecialToken {
  std::string_view spelling;  // "": none
  int32_t id;
};
struct NamedEncoding {
  std::string_view name;
  std::string_view pattern;
  SpecialToken special[5];
};
constexpr NamedEncoding kEncodings[] = {
    {"cl100k_base",
     kCl100kPattern,
     {{"<|endoftext|>", 100257},
      {"<|fim_prefix|>", 100258},
      {"<|fim_middle|>", 100259},
      {"<|fim_suffix|>", 100260},
      {"<|endofprompt|>", 100276}}},
    {"gpt2", kR50kPattern, {{"<|endoftext|>", 50256}}},
    {"o200k_base",
     kO200kPattern,
     {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
    {"p50k_base", kR50kPattern, {{"<|endoftext|>", 50256}}},
    {"p50k_edit",
     kR50kPattern,
     {{"<|endoftext|>", 50256},
      {"<|fim_prefix|>", 50281},
      {"<|fim_middle|>", 50282},
      {"<|fim_suffix|>", 50283}}},
    {"r50k_base", kR50kPattern, {{"<|endoftext|>", 50256}}},
};

const NamedEncoding& FindEncoding(std::string_view name,
                                  std::string_view where) {
  std::string known;
  for (const NamedEncoding& encoding : kEncodings) {
    if (encoding.name == name) return encoding;
    known += (known.empty() ? "" : ", ") + std::string(encoding.name);
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = std::string(where),
               .what = "unknown name of an encoding of tiktoken",
               .expected = known,
               .got = std::string(name),
               .hint = "a tokenizer.json"});
}

// A line's token, as byte-level vocabularies spell it, and its rank.
std::pair<std::string, int32_t> ReadLine(std::string_view line,
                                         std::string_view where) {
  const size_t space = line.find(' ');
  const std::string_view digits =
      space == line.npos ? "" : line.substr(space + 1);
  int32_t rank = -1;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), rank);
  const auto bytes = DecodeBase64(line.substr(0, std::min(space, line.size())));
  constexpr int32_t kMost = 1 << 24;  // ranks are exact as scores
  if (error != std::errc() || end != digits.data() + digits.size() ||
      rank < 0 || rank >= kMost || !bytes || bytes->empty()) {
    ThrowCorrupt(where, "a line that is no token and rank",
                 std::string(line.substr(0, 60)));
  }
  std::string spelling;
  for (char byte : *bytes) spelling += SpellingOf(byte);
  return {std::move(spelling), rank};
}

}  // namespace

std::shared_ptr<const Tokenizer> Tokenizer::FromTiktoken(
    std::string_view bytes, std::string_view encoding, const Json& config,
    std::string_view where) {
  const NamedEncoding& kind = FindEncoding(encoding, where);
  auto owned = std::make_shared<std::deque<std::string>>();
  std::vector<std::string_view> spellings;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = std::min(bytes.find('\n', at), bytes.size());
    std::string_view line = bytes.substr(at, end - at);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at = end + 1;
    if (line.empty()) continue;
    auto [spelling, rank] = ReadLine(line, where);
    const auto id = static_cast<size_t>(rank);
    // Ids may have holes, but not so that a small file needs much memory.
    if (id > bytes.size()) ThrowCorrupt(where, "senseless token id", spelling);
    if (id >= spellings.size()) spellings.resize(id + 1);
    spellings[id] = owned->emplace_back(std::move(spelling));
  }
  if (spellings.empty()) ThrowCorrupt(where, "a tokenizer without tokens");
  std::vector<float> scores;
  for (size_t id = 0; id < spellings.size(); ++id) {
    scores.push_back(-static_cast<float>(id));
  }
  BpeOptions options;
  options.ignore_merges = true;
  auto parts = std::make_unique<TokenizerParts>();
  parts->pre_tokenizer =
      MakePreTokenizer({{"type", "Sequence"},
                        {"pretokenizers",
                         {{{"type", "Split"},
                           {"pattern", {{"Regex", kind.pattern}}},
                           {"behavior", "Isolated"}},
                          {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"use_regex", false}}}}},
                       where);
  parts->model = std::make_unique<Bpe>(std::move(spellings), scores, owned,
                                       std::move(options), where);
  parts->decoder = MakeDecoder({{"type", "ByteLevel"}}, where);
  for (const SpecialToken& special : kind.special) {
    if (special.spelling.empty()) continue;
    AddedToken token;
    token.content = std::string(special.spelling);
    token.id = special.id;
    token.special = true;
    parts->added.Add(std::move(token), "");
  }
  if (const AddedToken* end = parts->added.ByContent("<|endoftext|>")) {
    parts->eos = end->id;
  }
  ReadConfig(config, where, *parts);
  return std::make_shared<Tokenizer>(std::move(parts));
}

}  // namespace malmoi::text
