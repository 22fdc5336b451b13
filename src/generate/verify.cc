// Re-checking the reference outputs that ship inside the program.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "base/sha256.h"
#include "generate/embed_file.h"
#include "generate/evaluate.h"
#include "generate/session.h"

// Made by tools/make_golden_NAME.py.
MALMOI_EMBED(gemma3, "gemma3/verify.json")
MALMOI_EMBED(smollm2, "smollm2/verify.json")

namespace malmoi::generate {

namespace {

// What the two precisions may differ by, in logits and in mean KL. Exact: f32
// sums in another order. Fast: activations in int8, keys and values in f16.
// The studies beside the values say what each alone does.
struct Tolerance {
  double logit, kl;
};
struct Reference {
  const char* alias;
  std::string_view json;
  Tolerance exact, fast;
};

std::vector<Reference> References() {
  return {{"gemma3-270m", MALMOI_EMBEDDED(gemma3), {0.005, 1e-6}, {3.0, 0.015}},
          {"smollm2", MALMOI_EMBEDDED(smollm2), {0.005, 1e-6}, {2.5, 0.02}}};
}

struct Difference {
  double largest = 0;
  double kl_sum = 0, kl_largest = 0;
  int64_t rows = 0;
  int64_t greedy_wrong = 0, greedy_close = 0, greedy_total = 0;
};

// The divergence of the reference's five best (and the rest as one event)
// from ours.
double Divergence(const Json& row, std::span<const float> logits) {
  const double ours_total = LogSumExp(logits);
  const double total = row["lse"].get<double>();
  double reference_rest = 1, ours_rest = 1, kl = 0;
  for (size_t i = 0; i < row["ids"].size(); ++i) {
    const double p = std::exp(row["logits"][i].get<double>() - total);
    const size_t id = row["ids"][i].get<size_t>();
    const double q = std::exp(static_cast<double>(logits[id]) - ours_total);
    kl += p * (std::log(p) - std::log(q));
    reference_rest -= p;
    ours_rest -= q;
  }
  if (reference_rest > 1e-9 && ours_rest > 1e-9) {
    kl += reference_rest * std::log(reference_rest / ours_rest);
  }
  return std::max(0.0, kl);
}

void CompareRow(const Json& row, std::span<const float> logits,
                Difference& out) {
  const auto note = [&](double reference, double ours) {
    out.largest = std::max(out.largest, std::fabs(reference - ours));
  };
  for (size_t i = 0; i < row["ids"].size(); ++i) {
    note(row["logits"][i].get<double>(),
         static_cast<double>(logits[row["ids"][i].get<size_t>()]));
  }
  note(row["lse"].get<double>(), LogSumExp(logits));
  double sum = 0, squares = 0;
  for (float logit : logits) {
    sum += static_cast<double>(logit);
    squares += static_cast<double>(logit) * static_cast<double>(logit);
  }
  const double count = static_cast<double>(logits.size());
  note(row["mean"].get<double>(), sum / count);
  note(row["rms"].get<double>(), std::sqrt(squares / count));
  const double kl = Divergence(row, logits);
  out.kl_sum += kl;
  out.kl_largest = std::max(out.kl_largest, kl);
  ++out.rows;
}

// All prompts at one precision. The greedy tokens are checked with the
// reference's own past, so that one near tie does not decide the rest.
Difference Compare(const std::filesystem::path& path, const Json& prompts,
                   models::Precision precision, int threads, double tolerance,
                   const std::function<void()>& step) {
  const auto model =
      LanguageModel::Load(path, {.threads = threads, .precision = precision});
  Session session(model);
  Difference out;
  for (const Json& prompt : prompts) {
    std::vector<int32_t> ids = prompt["ids"].get<std::vector<int32_t>>();
    const auto greedy = prompt["greedy"].get<std::vector<int32_t>>();
    const size_t prompt_size = ids.size();
    ids.insert(ids.end(), greedy.begin(), greedy.end() - 1);
    size_t next_row = 0;
    session.Score(ids, [&](int64_t position, std::span<const float> logits) {
      const Json& rows = prompt["rows"];
      if (next_row < rows.size() &&
          rows[next_row]["p"].get<int64_t>() == position) {
        CompareRow(rows[next_row], logits, out);
        ++next_row;
      }
      if (position + 1 < static_cast<int64_t>(prompt_size)) return;
      const size_t i = static_cast<size_t>(position) + 1 - prompt_size;
      const auto best = std::max_element(logits.begin(), logits.end());
      ++out.greedy_total;
      if (best - logits.begin() == greedy[i]) return;
      // Within twice the tolerance either token may come first.
      if (prompt["margins"][i].get<double>() <= 2 * tolerance) {
        ++out.greedy_close;
      } else {
        ++out.greedy_wrong;
      }
    });
    step();
  }
  return out;
}

void Report(std::string_view name, const Difference& difference,
            const Tolerance& allowed, VerifyReport& report) {
  const double mean_kl =
      difference.kl_sum / static_cast<double>(difference.rows);
  report.checks.push_back(
      {Format("logits, {}", name),
       difference.largest <= allowed.logit && mean_kl <= allowed.kl,
       Format("largest difference {:.4f}, mean KL {:.2e}, largest KL {:.2e}, "
              "{} positions",
              difference.largest, mean_kl, difference.kl_largest,
              difference.rows),
       Format("at most {} and mean KL {}", allowed.logit, allowed.kl)});
  report.checks.push_back(
      {Format("greedy, {}", name), difference.greedy_wrong == 0,
       Format("{} of {} tokens equal, {} in near ties",
              difference.greedy_total - difference.greedy_wrong -
                  difference.greedy_close,
              difference.greedy_total, difference.greedy_close),
       Format("equal where the two best differ by more than {}",
              2 * allowed.logit)});
}

bool AllPassed(const VerifyReport& report) {
  return std::all_of(report.checks.begin(), report.checks.end(),
                     [](const VerifyCheck& check) { return check.passed; });
}

// What every machine can check of any model: its architecture. Names in GGUF
// files are of another list than those of config.json.
void CheckArchitecture(const std::filesystem::path& path, int threads,
                       VerifyReport& report) {
  const std::string name = models::Checkpoint::Open(path).Architecture();
  for (const ArchitectureCheck& check : VerifyArchitectures(name, threads)) {
    report.checks.push_back(
        {Format("{}, {}", check.architecture, check.model), check.passed,
         check.error.empty()
             ? Format("largest difference {:.1e}", check.difference)
             : check.error,
         "at most 1e-4 of the largest value"});
  }
}

}  // namespace

VerifyReport VerifyModel(const std::filesystem::path& path, int threads,
                         const EvalProgress& progress) {
  VerifyReport report;
  const auto file =
      std::filesystem::is_directory(path) ? nullptr : MappedFile::Open(path);
  const std::string hash = file ? Sha256Hex(file->bytes()) : "";
  Json reference;
  Tolerance exact, fast;
  std::string known;
  for (const Reference& candidate : References()) {
    known += (known.empty() ? "" : ", ") + std::string(candidate.alias);
    Json json = ParseJson(candidate.json, "reference");
    if (hash != json["sha256"].get<std::string>()) continue;
    reference = std::move(json);
    exact = candidate.exact;
    fast = candidate.fast;
  }
  if (reference.is_null()) {
    CheckArchitecture(path, threads, report);
    report.passed = AllPassed(report);
    report.architecture_only = true;
    if (!report.checks.empty()) return report;
    throw Error(ErrorCode::kUnsupported,
                {.where = path.string(),
                 .what = "malmoi ships no reference for this file",
                 .expected = known,
                 .got = hash.empty() ? "a folder" : "sha256 " + hash});
  }
  const Json& prompts = reference["prompts"];
  const int64_t total = static_cast<int64_t>(prompts.size()) * 2 + 1;
  int64_t done = 0;
  const auto step = [&] {
    ++done;
    if (progress) progress(done, total);
  };
  const auto tokenizer = LanguageModel::LoadTokenizer(path);
  const std::string bos =
      tokenizer->adds_bos() ? tokenizer->TokenText(*tokenizer->bos_id()) : "";
  int64_t equal = 0, decoded = 0;
  for (const Json& prompt : prompts) {
    const std::string source = prompt["text"].get<std::string>();
    const auto ids = prompt["ids"].get<std::vector<int32_t>>();
    text::EncodeOptions options;  // a text that spells bos gets no second
    options.add_special_tokens = bos.empty() || !source.starts_with(bos);
    equal += tokenizer->Encode(source, options).ids == ids;
    decoded += tokenizer->Decode(ids) == source;
  }
  const int64_t count = static_cast<int64_t>(prompts.size());
  report.checks.push_back(
      {"tokens", equal == count && decoded == count,
       Format("{} of {} prompts, {} decoded back", equal, count, decoded),
       "all equal"});
  step();
  Report("exact",
         Compare(path, prompts, models::Precision::kExact, threads, exact.logit,
                 step),
         exact, report);
  Report("fast",
         Compare(path, prompts, models::Precision::kFast, threads, fast.logit,
                 step),
         fast, report);
  report.passed = AllPassed(report);
  return report;
}

}  // namespace malmoi::generate
