#include "represent/contextual/embedder.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <numeric>

#include "base/error.h"
#include "base/format.h"
#include "represent/contextual/modules.h"
#include "represent/contextual/token_rows.h"
#include "represent/static/token_embedder.h"
#include "text/tokenize/tokenizer.h"
#include "text/unicode/utf8.h"

namespace malmoi::represent {

namespace {

namespace fs = std::filesystem;

// What is computed at once: a text, or a part of it.
struct Window {
  size_t text = 0;           // its number in the call
  std::vector<int32_t> ids;  // special tokens and prompt included
  int64_t own = 0;           // those of the text
};

// Around the tokens of a text; found by comparing it with and without.
struct Frame {
  size_t before = 0, behind = 0;
};

Frame FindFrame(const std::vector<int32_t>& full,
                const std::vector<int32_t>& plain) {
  const size_t added = full.size() - std::min(full.size(), plain.size());
  for (size_t before = 0; before <= added; ++before) {
    if (std::equal(plain.begin(), plain.end(),
                   full.begin() + static_cast<std::ptrdiff_t>(before),
                   full.begin() + static_cast<std::ptrdiff_t>(std::min(
                                      full.size(), before + plain.size())))) {
      return {before, added - before};
    }
  }
  throw Error(ErrorCode::kUnsupported,
              {.where = "text",
               .what = "the tokenizer puts tokens into texts, not around them",
               .hint = "--long truncate"});
}

class ModelEmbedder : public Embedder {
 public:
  ModelEmbedder(const fs::path& path, const EmbedderOptions& options)
      : path_(path), pool_(options.threads), packed_(options.packed) {
    for (int i = 0; i < pool_.threads(); ++i) arenas_.emplace_back();
    const fs::path transformer = TransformerFolder(path);
    models::Checkpoint checkpoint = models::Checkpoint::Open(transformer);
    checkpoint.Adapt(options.adapters);
    rows_ = TokenRows::Load(checkpoint, options.precision, pool_, &packed_);
    tokenizer_ = checkpoint.gguf ? text::Tokenizer::FromGguf(checkpoint.gguf)
                                 : text::Tokenizer::FromFolder(transformer);
    modules_ = ReadModules(checkpoint, path, rows_->width(), pool_);
    max_tokens_ = rows_->context();
    const auto limit =
        modules_.max_tokens ? modules_.max_tokens : modules_.tokenizer_maximum;
    if (limit) max_tokens_ = std::min(max_tokens_, *limit);
    if (const auto& truncation = tokenizer_->truncation()) {
      modules_.left = modules_.left || truncation->side == text::Side::kLeft;
    }
    token_width_ = WidthBehind(modules_.token_steps, rows_->width());
    pooled_width_ =
        token_width_ * static_cast<int64_t>(modules_.pooling.size());
    dimensions_ = WidthBehind(modules_.steps, pooled_width_);
  }

  int64_t dimensions() const override { return dimensions_; }
  int64_t token_dimensions() const override { return token_width_; }
  int64_t max_tokens() const override { return max_tokens_; }
  const std::map<std::string, std::string>& prompts() const override {
    return modules_.prompts;
  }
  const std::string& default_prompt() const override {
    return modules_.default_prompt;
  }

  Embeddings Embed(std::span<const std::string> texts,
                   const EmbedOptions& options) override {
    if (modules_.pooling.empty()) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = path_.string(),
                   .what = "the model has vectors of tokens, none of texts",
                   .hint = "--per-token"});
    }
    CheckDimensions(options.dimensions, dimensions_);
    const int64_t skip = PromptTokens(options);
    Embeddings result;
    std::vector<Window> windows;
    for (size_t i = 0; i < texts.size(); ++i) {
      AddWindows(texts[i], i, options, result, windows);
    }
    std::vector<float> vectors(windows.size() *
                               static_cast<size_t>(dimensions_));
    ForBatches(windows, [&](std::span<const size_t> batch, Exec& exec,
                            std::span<const float> rows) {
      PoolBatch(windows, batch, skip, exec, rows, vectors);
    });
    result.values = Joined(windows, vectors, texts.size());
    if (options.normalize && !modules_.normalizes()) {
      NormalizeVectors(result.values, dimensions_);
    }
    result.dimensions =
        options.dimensions > 0 ? options.dimensions : dimensions_;
    CutVectors(options.dimensions, dimensions_, result.values);
    return result;
  }

  std::vector<TokenEmbeddings> EmbedTokens(
      std::span<const std::string> texts,
      const EmbedOptions& options) override {
    if (options.longer == LongTexts::kChunk) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "--long",
                   .what = "vectors of tokens are not pooled over chunks",
                   .expected = "error or truncate",
                   .got = "chunk"});
    }
    CheckDimensions(options.dimensions, token_width_);
    PromptTokens(options);
    Embeddings lengths;
    std::vector<Window> windows;
    for (size_t i = 0; i < texts.size(); ++i) {
      AddWindows(texts[i], i, options, lengths, windows);
    }
    std::vector<TokenEmbeddings> result(texts.size());
    ForBatches(windows, [&](std::span<const size_t> batch, Exec&,
                            std::span<const float> rows) {
      auto at = rows.begin();
      for (const size_t w : batch) {
        TokenEmbeddings& text = result[windows[w].text];
        text.ids = windows[w].ids;
        for (const int32_t id : text.ids) {
          text.texts.push_back(tokenizer_->TokenText(id));
        }
        text.truncated = lengths.truncated[windows[w].text];
        const auto end =
            at + static_cast<std::ptrdiff_t>(text.ids.size()) * token_width_;
        text.values.assign(at, end);
        at = end;
        if (options.normalize) NormalizeVectors(text.values, token_width_);
        CutVectors(options.dimensions, token_width_, text.values);
      }
    });
    return result;
  }

 private:
  text::Encoding Encode(const std::string& text,
                        text::EncodeOptions options = {}) const {
    options.parse_special = false;
    return tokenizer_->Encode(
        modules_.lower_case ? text::Lowercase(text) : text, options);
  }

  // Tokens at the beginning that are left out of pooling: those of the prompt,
  // with what the tokenizer puts before it.
  int64_t PromptTokens(const EmbedOptions& options) const {
    if (options.prompt.empty()) return 0;
    const std::vector<int32_t> ids = Encode(options.prompt).ids;
    if (tokenizer_->Encode(options.prompt, {.add_special_tokens = false}).ids !=
        tokenizer_
            ->Encode(options.prompt,
                     {.add_special_tokens = false, .parse_special = false})
            .ids) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = "prompt",
                   .what = "special tokens in a prompt",
                   .got = options.prompt});
    }
    if (modules_.include_prompt) return 0;
    const bool ends = !ids.empty() && tokenizer_->IsSpecial(ids.back());
    return static_cast<int64_t>(ids.size()) - (ends ? 1 : 0);
  }

  void AddWindows(const std::string& text, size_t number,
                  const EmbedOptions& options, Embeddings& result,
                  std::vector<Window>& windows) const {
    RequireText(text, options.first + number);
    const std::string whole = options.prompt + text;
    std::vector<int32_t> ids = Encode(whole, {.offsets = false}).ids;
    const auto count = static_cast<int64_t>(ids.size());
    const bool too_long = count > max_tokens_;
    if (too_long && options.longer == LongTexts::kRefuse) {
      throw Error(ErrorCode::kContextOverflow,
                  {.where = Format("text {}", options.first + number + 1),
                   .what = "longer than the model reads",
                   .expected = Format("at most {} tokens", max_tokens_),
                   .got = std::to_string(count),
                   .hint = "--long truncate, --long chunk, or shorter texts"});
    }
    const bool chunks = too_long && options.longer == LongTexts::kChunk;
    if (chunks) {
      const size_t before = windows.size();
      AddChunks(whole, number, ids, options, windows);
      result.tokens.push_back(count);
      result.chunks.push_back(static_cast<int64_t>(windows.size() - before));
      result.truncated.push_back(false);
      return;
    }
    if (too_long) {
      text::EncodeOptions cut;
      cut.truncation = text::Truncation{
          .max_tokens = static_cast<size_t>(max_tokens_),
          .side = modules_.left ? text::Side::kLeft : text::Side::kRight};
      ids = Encode(whole, cut).ids;
    }
    result.tokens.push_back(static_cast<int64_t>(ids.size()));
    result.truncated.push_back(too_long);
    result.chunks.push_back(1);
    windows.push_back({number, std::move(ids), 1});
  }

  void AddChunks(const std::string& whole, size_t number,
                 const std::vector<int32_t>& full, const EmbedOptions& options,
                 std::vector<Window>& windows) const {
    const text::Encoding plain = Encode(whole, {.add_special_tokens = false});
    const Frame frame = FindFrame(full, plain.ids);
    const size_t prompt_bytes = modules_.lower_case
                                    ? text::Lowercase(options.prompt).size()
                                    : options.prompt.size();
    size_t prompt = 0;  // its tokens, which every window begins with
    while (prompt < plain.ids.size() && prompt_bytes > 0 &&
           plain.offsets[prompt].second <= prompt_bytes) {
      ++prompt;
    }
    const int64_t room =
        max_tokens_ -
        static_cast<int64_t>(frame.before + frame.behind + prompt);
    const int64_t overlap =
        options.overlap.value_or(std::max<int64_t>(0, room / 8));
    if (room < 1 || overlap < 0 || overlap >= room) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "--overlap",
                   .what = "a window has no room for new tokens",
                   .expected = Format("an overlap below {}", room),
                   .got = std::to_string(overlap)});
    }
    const auto part = [](const std::vector<int32_t>& from, size_t first,
                         size_t count, std::vector<int32_t>& to) {
      const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
      to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(count));
    };
    const size_t size = static_cast<size_t>(room);
    for (size_t at = prompt;; at += size - static_cast<size_t>(overlap)) {
      const size_t count = std::min(size, plain.ids.size() - at);
      Window window;
      window.text = number;
      window.own = static_cast<int64_t>(count);
      part(full, 0, frame.before, window.ids);
      part(plain.ids, 0, prompt, window.ids);
      part(plain.ids, at, count, window.ids);
      part(full, full.size() - frame.behind, frame.behind, window.ids);
      windows.push_back(std::move(window));
      if (at + count == plain.ids.size()) return;
    }
  }

  // Windows of like lengths together: they share their products. use(batch,
  // exec, rows): rows [tokens of the batch][token_width_]. Where there are
  // several batches for each thread, every thread computes its own: none waits
  // for another within a forward, and use() is called from all of them.
  template <typename Use>
  void ForBatches(const std::vector<Window>& windows, const Use& use) {
    std::vector<size_t> order(windows.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return windows[a].ids.size() > windows[b].ids.size();
    });
    constexpr size_t kRows = 256;  // bounds memory; caches hold more of them
    std::vector<std::span<const size_t>> batches;
    for (size_t at = 0; at < order.size();) {
      size_t end = at, rows = 0;
      while (end < order.size() &&
             (end == at || rows + windows[order[end]].ids.size() <= kRows)) {
        rows += windows[order[end++]].ids.size();
      }
      batches.push_back(std::span(order).subspan(at, end - at));
      at = end;
    }
    const auto run = [&](int batch, int thread) {
      RunBatch(windows, batches[static_cast<size_t>(batch)],
               arenas_[static_cast<size_t>(thread)], use);
    };
    const int count = static_cast<int>(batches.size());
    const bool apart =
        count >= 2 * pool_.threads() && windows[order[0]].ids.size() <= kRows;
    if (apart) return pool_.Run(count, run);
    for (int batch = 0; batch < count; ++batch) run(batch, 0);
  }

  template <typename Use>
  void RunBatch(const std::vector<Window>& windows,
                std::span<const size_t> batch, Arena& arena, const Use& use) {
    std::vector<std::span<const int32_t>> ids;
    size_t rows = 0;
    for (const size_t w : batch) {
      ids.push_back(windows[w].ids);
      rows += windows[w].ids.size();
    }
    Exec exec{pool_, arena, {}, nullptr};
    const std::span<const float> found = rows_->Rows(exec, ids);
    if (modules_.token_steps.empty()) return use(batch, exec, found);
    const std::vector<float> changed =
        ApplySteps(exec, modules_.token_steps, {found.begin(), found.end()},
                   static_cast<int64_t>(rows));
    use(batch, exec, std::span<const float>(changed));
  }

  void PoolBatch(const std::vector<Window>& windows,
                 std::span<const size_t> batch, int64_t skip, Exec& exec,
                 std::span<const float> rows, std::vector<float>& vectors) {
    const auto pooled_width = static_cast<size_t>(pooled_width_);
    std::vector<float> pooled(batch.size() * pooled_width);
    size_t row = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      const size_t count =
          windows[batch[i]].ids.size() * static_cast<size_t>(token_width_);
      PoolRows(modules_.pooling, rows.subspan(row, count), token_width_, skip,
               std::span(pooled).subspan(i * pooled_width, pooled_width));
      row += count;
    }
    pooled = ApplySteps(exec, modules_.steps, std::move(pooled),
                        static_cast<int64_t>(batch.size()));
    for (size_t i = 0; i < batch.size(); ++i) {
      std::copy_n(pooled.begin() + static_cast<std::ptrdiff_t>(i) * dimensions_,
                  dimensions_,
                  vectors.begin() +
                      static_cast<std::ptrdiff_t>(batch[i]) * dimensions_);
    }
  }

  // The windows of a text, which lie side by side, become one vector.
  std::vector<float> Joined(const std::vector<Window>& windows,
                            std::vector<float>& vectors, size_t texts) const {
    if (windows.size() == texts) return std::move(vectors);
    const auto width = static_cast<size_t>(dimensions_);
    std::vector<float> joined;
    joined.reserve(texts * width);
    for (size_t w = 0; w < windows.size();) {
      const size_t first = w;
      std::vector<double> sums(width, 0.0);
      double total = 0;
      for (; w < windows.size() && windows[w].text == windows[first].text;
           ++w) {
        const auto weight = static_cast<double>(windows[w].own);
        total += weight;
        for (size_t k = 0; k < width; ++k) {
          sums[k] += weight * static_cast<double>(vectors[w * width + k]);
        }
      }
      const auto at = static_cast<std::ptrdiff_t>(joined.size());
      if (w - first == 1) {
        const auto from =
            vectors.begin() + static_cast<std::ptrdiff_t>(first * width);
        joined.insert(joined.end(), from,
                      from + static_cast<std::ptrdiff_t>(width));
        continue;
      }
      for (const double sum : sums) {
        joined.push_back(static_cast<float>(sum / total));
      }
      if (modules_.normalizes()) {
        NormalizeVector({joined.begin() + at, joined.end()});
      }
    }
    return joined;
  }

  fs::path path_;
  ThreadPool pool_;
  models::PackedCache packed_;
  std::deque<Arena> arenas_;  // one for each thread
  std::unique_ptr<TokenRows> rows_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  Modules modules_;
  int64_t max_tokens_ = 0;
  int64_t token_width_ = 0, pooled_width_ = 0, dimensions_ = 0;
};

}  // namespace

std::shared_ptr<Embedder> Embedder::Load(const fs::path& path,
                                         const EmbedderOptions& options) {
  if (IsTokenTable(path)) return LoadTokenEmbedder(path, options);
  return std::make_shared<ModelEmbedder>(path, options);
}

std::string Embedder::Prompt(const std::optional<std::string>& name) const {
  const std::string wanted = name.value_or(default_prompt());
  if (wanted.empty()) return "";
  const auto it = prompts().find(wanted);
  if (it != prompts().end()) return it->second;
  std::string known;
  for (const auto& [each, prompt] : prompts()) {
    known += (known.empty() ? "" : ", ") + each;
  }
  throw Error(ErrorCode::kInvalidArgument,
              {.where = "--prompt",
               .what = "the model has no such prompt",
               .expected = known.empty() ? "none: it has no prompts" : known,
               .got = wanted,
               .hint = "--prompt-text"});
}

void RequireText(std::string_view text, size_t number) {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorCode::kLimit,
                {.where = Format("text {}", number + 1),
                 .what = "too long for one vector",
                 .expected = Format("at most {} bytes", kMaxTextBytes),
                 .got = std::to_string(text.size()),
                 .hint = "shorter texts, a line each"});
  }
  const auto at = text::FindInvalidUtf8(text);
  if (!at) return;
  throw Error(ErrorCode::kInvalidArgument,
              {.where = Format("text {}", number + 1),
               .what = "invalid UTF-8",
               .got = Format("byte 0x{:02X} at offset {}",
                             static_cast<unsigned char>(text[*at]), *at),
               .hint = "iconv -f ENCODING -t UTF-8"});
}

double Cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    dot += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa == 0 || bb == 0 ? 0.0 : dot / std::sqrt(aa * bb);
}

}  // namespace malmoi::represent
