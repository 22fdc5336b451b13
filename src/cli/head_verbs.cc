// classify, tag, fill, answer, rerank: encoders with heads.
#include <algorithm>
#include <numeric>

#include "apps/heads/classify.h"
#include "apps/heads/entities.h"
#include "apps/heads/extract.h"
#include "apps/heads/fill_mask.h"
#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "cli/texts.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

apps::HeadModel LoadHead(const Invocation& call, models::Task task) {
  const auto name = call.Text("--model");
  if (!name) {
    throw Error(ErrorCode::kUsage,
                {.where = "--model",
                 .what = "an argument is missing",
                 .expected = "a model with such a head",
                 .hint = std::string("malmoi ") + std::string(call.verb->name) +
                         " --help"});
  }
  represent::EmbedderOptions options;
  options.threads = ThreadsOption(call);
  options.packed = PackedOption();
  options.adapters = AdapterOption(call);
  return apps::HeadModel(LocateModel(*name), task, options);
}

size_t TopOption(const Invocation& call, size_t otherwise) {
  const auto top = call.Integer("--top");
  if (top && *top < 1) {
    throw Error(ErrorCode::kUsage, {.where = "--top",
                                    .what = "value out of range",
                                    .expected = "at least 1",
                                    .got = std::to_string(*top)});
  }
  return top ? static_cast<size_t>(*top) : otherwise;
}

std::vector<size_t> BestFirst(const std::vector<double>& scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  return order;
}

// The tokens of the texts, with notes on those that were cut.
std::vector<text::Encoding> EncodeAll(const apps::HeadModel& model,
                                      const std::vector<std::string>& texts,
                                      size_t first, bool truncate) {
  std::vector<text::Encoding> encodings;
  for (size_t i = 0; i < texts.size(); ++i) {
    bool truncated = false;
    encodings.push_back(model.Encode(
        {texts[i]}, Format("text {}", first + i + 1), truncate, truncated));
    if (truncated) NoteTruncated(first + i + 1, model.max_tokens());
  }
  return encodings;
}

std::string Shown(std::string_view text) {
  return text::ReplaceInvalidUtf8(text);
}

}  // namespace

int ClassifyVerb(const Invocation& call) {
  const size_t top = TopOption(call, SIZE_MAX);
  apps::HeadModel model = LoadHead(call, models::Task::kClassify);
  const size_t count = model.labels().size();
  ForTexts(call.positionals, [&](const std::vector<std::string>& texts,
                                 size_t first) {
    const auto encodings =
        EncodeAll(model, texts, first, call.Flag("--truncate"));
    const std::vector<float> logits = model.Run(encodings);
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto scores =
          apps::LabelScores(model, std::span(logits).subspan(i * count, count));
      Json labels = Json::array();
      std::string line;
      size_t shown = 0;
      for (size_t k : BestFirst(scores)) {
        if (shown++ == top) break;
        labels.push_back({{"label", model.labels()[k]}, {"score", scores[k]}});
        line += Format("{}{} {:.4f}", line.empty() ? "" : "  ",
                       model.labels()[k], scores[k]);
      }
      if (call.json()) {
        PrintJson({{"text", Shown(texts[i])}, {"labels", labels}});
      } else {
        Print(line + "\n");
      }
    }
  });
  return 0;
}

int TagVerb(const Invocation& call) {
  const apps::Joining joining =
      apps::FindJoining(call.Text("--join").value_or("simple"));
  apps::HeadModel model = LoadHead(call, models::Task::kTag);
  ForTexts(call.positionals, [&](const std::vector<std::string>& texts,
                                 size_t first) {
    const auto encodings =
        EncodeAll(model, texts, first, call.Flag("--truncate"));
    const std::vector<float> logits = model.Run(encodings);
    size_t at = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const size_t size = encodings[i].ids.size() * model.labels().size();
      const auto entities =
          apps::JoinEntities(model, texts[i], encodings[i],
                             std::span(logits).subspan(at, size), joining);
      at += size;
      Json list = Json::array();
      for (const apps::Entity& entity : entities) {
        const std::string text =
            Shown(texts[i].substr(entity.begin, entity.end - entity.begin));
        if (call.json()) {
          list.push_back({{"label", entity.label},
                          {"score", entity.score},
                          {"text", text},
                          {"begin", entity.begin},
                          {"end", entity.end}});
        } else {
          Print(Format("{}\t{}\t{:.4f}\n", text, entity.label, entity.score));
        }
      }
      if (call.json()) {
        PrintJson({{"text", Shown(texts[i])}, {"entities", list}});
      } else if (texts.size() > 1 || first > 0) {
        Print("\n");
      }
    }
  });
  return 0;
}

int FillVerb(const Invocation& call) {
  const size_t top = TopOption(call, 5);
  apps::HeadModel model = LoadHead(call, models::Task::kFill);
  ForTexts(call.positionals, [&](const std::vector<std::string>& texts,
                                 size_t first) {
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto masks = apps::FillMasks(model, texts[i], top,
                                         Format("text {}", first + i + 1));
      Json all = Json::array();
      for (const auto& best : masks) {
        Json list = Json::array();
        for (const apps::Filling& filling : best) {
          if (call.json()) {
            list.push_back({{"token", filling.token},
                            {"text", Shown(filling.text)},
                            {"score", filling.score},
                            {"sequence", Shown(filling.sequence)}});
          } else {
            Print(Format(
                "{:.4f}  {}\n", filling.score,
                Shown(masks.size() == 1 ? filling.sequence : filling.text)));
          }
        }
        all.push_back(list);
      }
      if (call.json()) {
        PrintJson({{"text", Shown(texts[i])}, {"masks", all}});
      }
    }
  });
  return 0;
}

int AnswerVerb(const Invocation& call) {
  apps::ExtractOptions options;
  options.top = TopOption(call, 1);
  options.max_answer = call.Integer("--max-answer").value_or(15);
  if (options.max_answer < 1) {
    throw Error(ErrorCode::kUsage, {.where = "--max-answer",
                                    .what = "value out of range",
                                    .expected = "at least 1",
                                    .got = std::to_string(options.max_answer)});
  }
  apps::HeadModel model = LoadHead(call, models::Task::kAnswer);
  const std::string text =
      call.positionals.size() > 1 ? call.positionals[1] : ReadRest();
  for (const apps::Passage& passage :
       apps::Extract(model, call.positionals[0], text, options)) {
    if (call.json()) {
      PrintJson({{"text", Shown(passage.text)},
                 {"score", passage.score},
                 {"begin", passage.begin},
                 {"end", passage.end}});
    } else {
      Print(Format("{:.4f}  {}\n", passage.score, Shown(passage.text)));
    }
  }
  return 0;
}

int RerankVerb(const Invocation& call) {
  const size_t top = TopOption(call, SIZE_MAX);
  apps::HeadModel model = LoadHead(call, models::Task::kClassify);
  std::vector<std::string> all;
  std::vector<double> scores;
  const std::vector<std::string> given(call.positionals.begin() + 1,
                                       call.positionals.end());
  ForTexts(given, [&](const std::vector<std::string>& texts, size_t first) {
    std::vector<bool> truncated;
    const auto own = apps::PairScores(model, call.positionals[0], texts,
                                      call.Flag("--truncate"), truncated);
    for (size_t i = 0; i < texts.size(); ++i) {
      if (truncated[i]) NoteTruncated(first + i + 1, model.max_tokens());
    }
    all.insert(all.end(), texts.begin(), texts.end());
    scores.insert(scores.end(), own.begin(), own.end());
  });
  size_t shown = 0;
  for (size_t i : BestFirst(scores)) {
    if (shown++ == top) break;
    if (call.json()) {
      PrintJson({{"index", i}, {"score", scores[i]}, {"text", Shown(all[i])}});
    } else {
      Print(Format("{:.4f}  {}\n", scores[i], Shown(all[i])));
    }
  }
  return 0;
}

}  // namespace malmoi::cli
