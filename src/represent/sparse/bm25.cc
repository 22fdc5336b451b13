#include "represent/sparse/bm25.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/format.h"
#include "base/json.h"
#include "represent/sparse/bm25_layout.h"
#include "represent/sparse/options_json.h"

namespace malmoi::represent {

namespace {

struct Name {
  Bm25Variant variant;
  std::string_view name;
};
constexpr Name kNames[] = {{Bm25Variant::kLucene, "lucene"},
                           {Bm25Variant::kRobertson, "robertson"},
                           {Bm25Variant::kAtire, "atire"},
                           {Bm25Variant::kBm25L, "bm25l"},
                           {Bm25Variant::kBm25Plus, "bm25+"}};

[[noreturn]] void Corrupt(const std::string& where, std::string what,
                          std::string expected = "", std::string got = "") {
  throw Error(ErrorCode::kCorrupt, {.where = where,
                                    .what = std::move(what),
                                    .expected = std::move(expected),
                                    .got = std::move(got)});
}

Bm25Options OptionsOf(const Json& json, const std::string& where) {
  const auto number = [&](const char* key) {
    if (!json.contains(key) || !json[key].is_number()) {
      Corrupt(where, "a bad option", "", key);
    }
    return json[key].get<double>();
  };
  if (!json.is_object() || !json.contains("analyzer") ||
      !json.contains("variant") || !json["variant"].is_string()) {
    Corrupt(where, "a bad option");
  }
  const auto variant = FindBm25Variant(json["variant"].get<std::string>());
  if (!variant) Corrupt(where, "a bad option", "", "variant");
  return {.analyzer = AnalyzerOfJson(json["analyzer"], where),
          .variant = *variant,
          .k1 = number("k1"),
          .b = number("b"),
          .delta = number("delta")};
}

}  // namespace

std::string_view Bm25VariantName(Bm25Variant variant) {
  for (const Name& each : kNames) {
    if (each.variant == variant) return each.name;
  }
  return "";
}

std::optional<Bm25Variant> FindBm25Variant(std::string_view name) {
  for (const Name& each : kNames) {
    if (each.name == name) return each.variant;
  }
  return std::nullopt;
}

double Bm25Idf(Bm25Variant variant, int64_t documents, int64_t with_term) {
  const auto n = static_cast<double>(documents);
  const auto df = static_cast<double>(with_term);
  switch (variant) {
    case Bm25Variant::kLucene:
      return std::log(1 + (n - df + 0.5) / (df + 0.5));
    case Bm25Variant::kRobertson:  // never below 0
      return std::log(std::max(1.0, (n - df + 0.5) / (df + 0.5)));
    case Bm25Variant::kAtire:
      return std::log(n / df);
    case Bm25Variant::kBm25L:
      return std::log((n + 1) / (df + 0.5));
    case Bm25Variant::kBm25Plus:
      return std::log((n + 1) / df);
  }
  return 0;
}

double Bm25Frequency(const Bm25Options& options, double count,
                     double length_ratio) {
  const double k1 = options.k1;
  const double length = 1 - options.b + options.b * length_ratio;
  switch (options.variant) {
    case Bm25Variant::kLucene:
    case Bm25Variant::kRobertson:
      return count == 0 ? 0 : count / (k1 * length + count);
    case Bm25Variant::kAtire:
      return count == 0 ? 0 : count * (k1 + 1) / (count + k1 * length);
    case Bm25Variant::kBm25L: {
      const double scaled = (count == 0 ? 0 : count / length) + options.delta;
      return scaled == 0 ? 0 : (k1 + 1) * scaled / (k1 + scaled);
    }
    case Bm25Variant::kBm25Plus:
      return (count == 0 ? 0 : (k1 + 1) * count / (k1 * length + count)) +
             options.delta;
  }
  return 0;
}

Bm25Index Bm25Index::Open(const std::filesystem::path& path) {
  auto mapped = MappedFile::Open(path);
  const auto bytes = mapped->bytes();
  return Parse(bytes, std::move(mapped), path.string());
}

Bm25Index Bm25Index::Parse(std::span<const std::byte> bytes,
                           std::shared_ptr<const void> owner,
                           const std::string& where) {
  Bm25Head head;
  if (bytes.size() < sizeof(head) ||
      std::memcmp(bytes.data(), kBm25Magic, 8) != 0) {
    Corrupt(where, "not a BM25 index");
  }
  std::memcpy(&head, bytes.data(), sizeof(head));
  if (head.version != kBm25Version) {
    throw Error(ErrorCode::kUnsupported,
                {.where = where,
                 .what = "an index of another version",
                 .expected = std::to_string(kBm25Version),
                 .got = std::to_string(head.version),
                 .hint = "malmoi bm25 index once more"});
  }
  const auto places = PlacesOf(head);
  if (!places || places->end != bytes.size()) {
    Corrupt(where, "truncated BM25 index",
            places ? Format("{} bytes", places->end) : "",
            std::to_string(bytes.size()));
  }
  if (!std::has_single_bit(head.slots) || head.documents > UINT32_MAX ||
      head.terms >= kGramBit || head.documents == 0) {
    Corrupt(where, "absurd counts in the header");
  }
  const auto section = [&]<typename T>(Bm25Section which, T) {
    return std::span<const T>(
        reinterpret_cast<const T*>(bytes.data() + places->begin[which]),
        places->bytes[which] / sizeof(T));
  };
  Bm25Index index;
  index.owner_ = std::move(owner);
  const auto json = section(kOptions, char());
  index.options_ =
      OptionsOf(ParseJson({json.data(), json.size()}, where), where);
  index.analyzer_ = std::make_shared<Analyzer>(index.options_.analyzer);
  index.slots_ = section(kSlots, uint32_t());
  index.where_ = where;
  index.terms_ = section(kTerms, Bm25Term());
  const auto term_bytes = section(kTermBytes, char());
  index.term_bytes_ = {term_bytes.data(), term_bytes.size()};
  index.documents_ = section(kDocuments, uint32_t());
  index.impacts_ = section(kImpacts, float());
  index.ranks_ = section(kGroupRanks, uint32_t());
  index.codes_ = section(kCodes, uint8_t());
  index.summary_ = {.documents = static_cast<int64_t>(head.documents),
                    .terms = static_cast<int64_t>(head.terms),
                    .postings = static_cast<int64_t>(head.postings),
                    .mean_length = static_cast<double>(head.tokens) /
                                   static_cast<double>(head.documents),
                    .bytes = bytes.size()};
  return index;
}

std::string_view Bm25Index::term(size_t i) const {
  const Bm25Term& term = terms_[i];
  if (term.text > term_bytes_.size() ||
      term.text_size > term_bytes_.size() - term.text) {
    Corrupt(where_, "a term outside of the index");
  }
  return term_bytes_.substr(term.text, term.text_size);
}

std::optional<size_t> Bm25Index::FindTerm(std::string_view wanted) const {
  return FindTerm(HashTerm(wanted).hash, wanted);
}

std::optional<size_t> Bm25Index::FindTerm(uint64_t hash,
                                          std::string_view wanted) const {
  const size_t mask = slots_.size() - 1;
  size_t at = hash & mask;
  // A damaged table may have no empty slot.
  for (size_t tries = 0; tries < slots_.size() && slots_[at] != 0; ++tries) {
    const size_t number = slots_[at] - 1;
    if (number < terms_.size() && terms_[number].text_size == wanted.size() &&
        (wanted.size() <= sizeof(Bm25Term::near)
             ? wanted == std::string_view(terms_[number].near, wanted.size())
             : term(number) == wanted)) {
      return number;
    }
    at = (at + 1) & mask;
  }
  return std::nullopt;
}

}  // namespace malmoi::represent
