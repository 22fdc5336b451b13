// embed: vectors of texts, as text, JSON lines, base64 or .npy.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/base64.h"
#include "base/error.h"
#include "base/format.h"
#include "cli/embedding.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "formats/npy.h"
#include "represent/contextual/embedder.h"
#include "represent/contextual/precision.h"

namespace malmoi::cli {

namespace {

using represent::VectorPrecision;

enum class Form { kText, kJsonl, kBase64, kNpy };

Form FormOption(const Invocation& call) {
  const std::string name =
      call.Text("--output").value_or(call.json() ? "jsonl" : "text");
  if (name == "text" && !call.json()) return Form::kText;
  if (name == "jsonl") return Form::kJsonl;
  if (name == "base64") return Form::kBase64;
  if (name == "npy" && !call.json()) return Form::kNpy;
  throw Error(ErrorCode::kUsage,
              {.where = "--output",
               .what = "unknown form of vectors",
               .expected = call.json() ? "jsonl or base64, with --json"
                                       : "text, jsonl, base64 or npy",
               .got = name});
}

// Vectors as the user wants them: fewer bits, and a form.
class VectorWriter {
 public:
  explicit VectorWriter(const Invocation& call)
      : json_(call.json()),
        form_(FormOption(call)),
        precision_(represent::FindVectorPrecision(
            call.Text("--precision").value_or("float32"))),
        save_(call.Text("--save")),
        save_ranges_(call.Text("--save-ranges")) {
    if ((form_ == Form::kNpy) != save_.has_value()) {
      ThrowUsage("--save", "--output npy and --save FILE need each other");
    }
    const bool bytes = precision_ == VectorPrecision::kInt8 ||
                       precision_ == VectorPrecision::kUint8;
    const auto file = call.Text("--ranges");
    if (bytes && !file) {
      ThrowUsage("--precision", "a byte for each component needs their ranges",
                 "--ranges FILE.npy",
                 "--save-ranges FILE.npy over texts of the same kind");
    }
    if (file && !bytes) {
      ThrowUsage("--ranges", "another option is needed",
                 "--precision int8 or uint8");
    }
    if (file) read_ = represent::Ranges::Read(*file);
  }

  Form form() const { return form_; }
  // Lines of vectors and nothing else.
  bool bare() const {
    return form_ == Form::kText || (form_ == Form::kBase64 && !json_);
  }

  // Once the dimensions are known.
  void Begin(int64_t dimensions) {
    quantizer_.emplace(precision_, dimensions, std::move(read_));
    if (form_ == Form::kNpy) {
      npy_ = std::make_unique<formats::NpyWriter>(*save_, quantizer_->dtype(),
                                                  Shape{quantizer_->columns()});
    }
  }

  // A vector, or those of a text's tokens one behind the other. `about` is
  // what JSON says beside them.
  void Write(std::span<const float> vectors, size_t dimensions, const char* key,
             Json about) {
    std::vector<std::byte> bytes;
    for (size_t at = 0; at < vectors.size(); at += dimensions) {
      const auto vector = vectors.subspan(at, dimensions);
      if (save_ranges_) ranges_.Add(vector);
      const auto own = quantizer_->Apply(vector);
      bytes.insert(bytes.end(), own.begin(), own.end());
    }
    if (form_ == Form::kNpy) return npy_->Write(std::span(bytes));
    const bool many = std::string_view(key) == "embeddings";
    if (bare()) {
      return PrintEach(bytes, [&](auto own) {
        return form_ == Form::kText ? Plain(own) : Base64(own);
      });
    }
    Json object = Json::object();
    Json list = Json::array();
    for (size_t at = 0; at < bytes.size(); at += quantizer_->bytes()) {
      const auto own = std::span(bytes).subspan(at, quantizer_->bytes());
      list.push_back(form_ == Form::kBase64 ? Json(Base64(own)) : Values(own));
    }
    object[key] = many ? list : list[0];
    object.update(about);
    Print(DumpJson(object) + "\n");
  }

  void Finish() {
    if (npy_) npy_->Finish();
    if (save_ranges_) ranges_.Write(*save_ranges_);
  }

 private:
  template <typename Spell>
  void PrintEach(std::span<const std::byte> bytes, const Spell& spell) {
    for (size_t at = 0; at < bytes.size(); at += quantizer_->bytes()) {
      Print(spell(bytes.subspan(at, quantizer_->bytes())) + "\n");
    }
  }

  // use(value) of each value.
  template <typename Use>
  void ForValues(std::span<const std::byte> bytes, const Use& use) const {
    for (size_t at = 0; at < bytes.size();) {
      if (quantizer_->dtype() == DType::kF32) {
        float value;
        std::memcpy(&value, bytes.data() + at, 4);
        use(value);
        at += 4;
      } else {
        const auto value = std::to_integer<uint8_t>(bytes[at++]);
        const bool is_signed = quantizer_->dtype() == DType::kI8;
        use(is_signed ? static_cast<int>(static_cast<int8_t>(value)) : value);
      }
    }
  }
  std::string Plain(std::span<const std::byte> bytes) const {
    std::string line;
    ForValues(bytes, [&](auto value) {
      line += (line.empty() ? "" : " ") + Format("{}", value);
    });
    return line;
  }
  Json Values(std::span<const std::byte> bytes) const {
    Json list = Json::array();
    ForValues(bytes, [&](auto value) { list.push_back(value); });
    return list;
  }

  bool json_;
  Form form_;
  VectorPrecision precision_;
  std::optional<std::string> save_, save_ranges_;
  represent::Ranges read_, ranges_;
  std::optional<represent::VectorQuantizer> quantizer_;
  std::unique_ptr<formats::NpyWriter> npy_;
};

// Where a person waits and does not see the vectors: how far it is.
class Counter {
 public:
  void Add(size_t texts) {
    done_ += texts;
    if (!shown_) return;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start_)
            .count();
    const std::string line =
        Format("\r{} {} ({:.0f}/s)\033[K", done_, Translate("texts"),
               static_cast<double>(done_) / std::max(seconds, 1e-3));
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fflush(stderr);
  }
  ~Counter() {
    if (shown_ && done_ > 0) std::fputc('\n', stderr);
  }

 private:
  bool shown_ = IsTerminal(STDERR_FILENO) && !IsTerminal(STDOUT_FILENO);
  size_t done_ = 0;
  std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

// embed(texts, options); where one text is at fault, write(text, options) of
// those before it first.
template <typename Embed, typename Write>
auto EmbedOrWriteSome(const std::vector<std::string>& texts,
                      represent::EmbedOptions options, const Embed& embed,
                      const Write& write) {
  try {
    return embed(texts, options);
  } catch (const Error&) {
    // The one at fault throws again.
    for (size_t i = 0; texts.size() > 1 && i < texts.size(); ++i) {
      write({texts[i]}, options);
      ++options.first;
    }
    throw;
  }
}

void WriteTexts(represent::Embedder& embedder,
                const std::vector<std::string>& texts,
                const represent::EmbedOptions& options, VectorWriter& writer) {
  const represent::Embeddings result = EmbedOrWriteSome(
      texts, options,
      [&](const auto& all, const auto& own) {
        return embedder.Embed(all, own);
      },
      [&](const std::vector<std::string>& one, const auto& own) {
        WriteTexts(embedder, one, own, writer);
      });
  NoteLong(result, options.first);
  for (size_t i = 0; i < texts.size(); ++i) {
    Json about = {{"tokens", result.tokens[i]}};
    if (result.truncated[i]) about["truncated"] = true;
    if (result.chunks[i] > 1) about["chunks"] = result.chunks[i];
    if (!result.unknown.empty() && result.unknown[i] > 0) {
      about["unknown"] = result.unknown[i];
    }
    writer.Write(result.row(i), static_cast<size_t>(result.dimensions),
                 "embedding", std::move(about));
  }
}

void WriteTokens(represent::Embedder& embedder,
                 const std::vector<std::string>& texts,
                 const represent::EmbedOptions& options, int64_t dimensions,
                 VectorWriter& writer) {
  const auto result = EmbedOrWriteSome(
      texts, options,
      [&](const auto& all, const auto& own) {
        return embedder.EmbedTokens(all, own);
      },
      [&](const std::vector<std::string>& one, const auto& own) {
        WriteTokens(embedder, one, own, dimensions, writer);
      });
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto& text = result[i];
    Json about = {{"tokens", text.ids.size()},
                  {"ids", text.ids},
                  {"token_texts", text.texts}};
    if (text.truncated) {
      about["truncated"] = true;
      NoteTruncated(options.first + i + 1,
                    static_cast<int64_t>(text.ids.size()));
    }
    writer.Write(text.values, static_cast<size_t>(dimensions), "embeddings",
                 std::move(about));
    if (writer.bare()) Print("\n");  // an empty line behind each text
  }
}

}  // namespace

int EmbedVerb(const Invocation& call) {
  VectorWriter writer(call);
  represent::EmbedOptions options = ReadEmbedOptions(call);
  const bool per_token = call.Flag("--per-token");
  if (per_token && writer.form() == Form::kNpy) {
    ThrowUsage("--per-token", "an .npy file has one vector for each text",
               "--output jsonl, base64 or text");
  }
  if (const auto file = call.Text("--file")) {
    if (!call.positionals.empty()) {
      ThrowUsage("--file", "texts both as arguments and in a file");
    }
    ReadFromFile(*file);
  }
  const auto embedder = LoadEmbedder(call);
  options.prompt = PromptOption(call, *embedder);
  const int64_t all =
      per_token ? embedder->token_dimensions() : embedder->dimensions();
  const int64_t dimensions = options.dimensions > 0 ? options.dimensions : all;
  writer.Begin(dimensions);
  const InterruptGuard guard;
  std::vector<std::string> given = call.positionals;
  if (embedder->WantsTexts()) {  // all are read before the first is written
    if (given.empty()) given = AllTexts();
    LearnFrom(call, *embedder, given, options);
  }
  if (!given.empty() || !InterruptGuard::Interrupted()) {
    Counter counter;
    ForTexts(given, [&](const std::vector<std::string>& texts, size_t first) {
      options.first = first;
      if (per_token) {
        WriteTokens(*embedder, texts, options, dimensions, writer);
      } else {
        WriteTexts(*embedder, texts, options, writer);
      }
      counter.Add(texts.size());
    });
  }
  if (InterruptGuard::Interrupted()) return kInterrupted;
  writer.Finish();
  return 0;
}

}  // namespace malmoi::cli
