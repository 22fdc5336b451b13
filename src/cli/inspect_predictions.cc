// malmoi inspect lens, next and surprisal: what a model expects.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "apps/inspect/lens.h"
#include "apps/inspect/surprisal.h"
#include "apps/inspect/token_labels.h"
#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/inspect.h"
#include "cli/terminal.h"
#include "cli/word2vec.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

using apps::Prediction;

int64_t TopOption(const Invocation& call, int64_t otherwise) {
  return IntegerBetween(call, "--top", otherwise, 1, 1000);
}

// A model that writes; where an encoder-decoder writes nothing yet, its first
// token is asked for.
Inputs ReadWritten(const Invocation& call, const apps::InspectedModel& model,
                   const std::string& text) {
  Inputs inputs = ReadInputs(call, model, text);
  if (model.kind() == apps::ModelKind::kEncoderDecoder &&
      inputs.target.ids.empty()) {
    inputs.target = model.ReadTarget("", "--target");
  }
  return inputs;
}

// Backgrounds from pale to strong.
const char* Shade(double share) {
  static constexpr const char* kCodes[] = {
      "",           "48;5;230;30", "48;5;223;30", "48;5;216;30", "48;5;209;30",
      "48;5;202;30"};
  return kCodes[std::clamp(static_cast<int>(share * 6), 0, 5)];
}
std::string Shaded(std::string_view text, double share) {
  const char* code = Shade(share);
  return *code == '\0' ? std::string(text) : Paint(code, text, STDOUT_FILENO);
}

Json LensJson(const std::string& name, const apps::InspectedModel& model,
              const Inputs& inputs, const apps::Lens& lens) {
  Json layers = Json::array();
  for (size_t k = 0; k < lens.layers.size(); ++k) {
    Json positions = Json::array();
    for (const Prediction& cell : lens.layers[k]) {
      Json one = {{"top", TopJson(model, cell.top)},
                  {"entropy", Digits(cell.entropy)}};
      if (cell.next) {
        one["next"] = {{"id", *cell.next},
                       {"rank", cell.rank},
                       {"probability", Digits(cell.probability, 9)}};
      }
      positions.push_back(std::move(one));
    }
    layers.push_back({{"layer", k}, {"positions", std::move(positions)}});
  }
  return {{"model", name},
          {"tokens", Labels(inputs.own())},
          {"from", lens.range.from + 1},
          {"to", lens.range.to},
          {"layers", std::move(layers)}};
}

// One position: the most probable tokens of each layer, and the real next.
void PrintPosition(const apps::InspectedModel& model, const Inputs& inputs,
                   const apps::Lens& lens) {
  const auto at = static_cast<size_t>(lens.range.from);
  const auto& labels = inputs.own().labels;
  Print(Format(
      "{} {} \"{}\"{}\n", Translate("behind token"), at + 1, labels[at],
      at + 1 < labels.size()
          ? Format(", {} \"{}\"", Translate("really next:"), labels[at + 1])
          : ""));
  for (size_t k = lens.layers.size(); k-- > 0;) {
    const Prediction& cell = lens.layers[k][0];
    std::string line = Format("{:>5}  ", k);
    for (const auto& one : cell.top) {
      line +=
          Format("{} {:>4.0f}%  ", apps::PadToWidth(model.Label(one.id), 12),
                 100 * one.probability);
    }
    if (cell.next) line += Format("#{}", cell.rank);
    Print(line + "\n");
  }
}

// Layers as rows, the last on top, positions as columns, as many side by side
// as the terminal has room for.
void PrintLens(const apps::InspectedModel& model, const Inputs& inputs,
               const apps::Lens& lens) {
  constexpr int kWide = 12;
  const auto across =
      static_cast<size_t>(std::max(1, (TerminalColumns() - 7) / (kWide + 1)));
  const auto count = static_cast<size_t>(lens.range.size());
  Print(Translate("the most probable next token behind each layer; * the "
                  "token that really comes") +
        "\n");
  for (size_t first = 0; first < count; first += across) {
    const size_t end = std::min(count, first + across);
    std::string line = "\n       ";
    for (size_t i = first; i < end; ++i) {
      line += apps::PadToWidth(
                  inputs.own().labels[static_cast<size_t>(lens.range.from) + i],
                  kWide) +
              " ";
    }
    Print(line + "\n");
    for (size_t k = lens.layers.size(); k-- > 0;) {
      line = Format("{:>5}  ", k);
      for (size_t i = first; i < end; ++i) {
        const Prediction& cell = lens.layers[k][i];
        const bool right = cell.next && cell.rank == 1;
        const std::string text =
            (right ? "*" : "") + model.Label(cell.top[0].id);
        line += Shaded(apps::PadToWidth(text, kWide), cell.top[0].probability) +
                " ";
      }
      Print(line + "\n");
    }
    line = "    #  ";
    for (size_t i = first; i < end; ++i) {
      const Prediction& cell = lens.layers.back()[i];
      line +=
          apps::PadToWidth(cell.next ? Format("{}", cell.rank) : "", kWide) +
          " ";
    }
    Print(line + "\n");
  }
}

}  // namespace

int InspectLens(const Invocation& call) {
  const InspectOutput output(call, ".svg .html .json");
  const int64_t top = TopOption(call, 5);
  const std::string text = InspectedText(call, 2);
  const auto model = OpenInspected(call, true);
  const Inputs inputs = ReadWritten(call, *model, text);
  const auto range = RangeOption(call, inputs.own().size());
  const apps::Lens lens =
      apps::ReadLens(*model, inputs.text.ids, inputs.target.ids, top, range);
  if (output.json()) {
    output.Write(LensJson(call.positionals[1], *model, inputs, lens));
  } else if (output.text()) {
    if (lens.range.size() == 1) {
      PrintPosition(*model, inputs, lens);
    } else {
      PrintLens(*model, inputs, lens);
    }
  } else {
    const auto& labels = inputs.own().labels;
    const apps::PictureText words = PictureWords(
        Translate("logit lens"),
        Format(
            "{} · {}", call.positionals[1],
            Translate("the most probable next token behind each layer; bold: "
                      "the token that really comes")));
    output.WritePicture(
        words,
        apps::LensSvg(words, lens,
                      {labels.begin() + range.from, labels.begin() + range.to},
                      *model),
        output.Is(".html") ? LensJson(call.positionals[1], *model, inputs, lens)
                           : Json());
  }
  return 0;
}

int InspectNext(const Invocation& call) {
  const InspectOutput output(call, ".json");
  const int64_t top = TopOption(call, 10);
  const std::string text = InspectedText(call, 2);
  const auto model = OpenInspected(call, true);
  const Inputs inputs = ReadWritten(call, *model, text);
  const Prediction next =
      apps::PredictNext(*model, inputs.text.ids, inputs.target.ids, top);
  if (output.json()) {
    output.Write({{"model", call.positionals[1]},
                  {"tokens", inputs.own().size()},
                  {"entropy", Digits(next.entropy)},
                  {"next", TopJson(*model, next.top)}});
    return 0;
  }
  double shown = 0;
  for (const auto& one : next.top) {
    std::string bar;
    const int length = static_cast<int>(std::lround(one.probability * 40));
    for (int i = 0; i < length; ++i) bar += "█";
    Print(Format("{:>6.2f} %  {} {}\n", 100 * one.probability,
                 apps::PadToWidth(model->Label(one.id), 20),
                 Paint("36", bar, STDOUT_FILENO)));
    shown += one.probability;
  }
  Print(Format("{:>6.2f} %  {}; {} {:.2f} bits\n",
               100 * std::max(0.0, 1 - shown), Translate("all others"),
               Translate("entropy"), next.entropy));
  return 0;
}

namespace {

Json SurprisalJson(const std::string& name, const apps::InspectedModel& model,
                   const apps::Surprisal& surprisal,
                   const apps::PositionRange& range) {
  Json tokens = Json::array();
  for (auto i = static_cast<size_t>(range.from);
       i < static_cast<size_t>(range.to); ++i) {
    const apps::TokenSurprisal& token = surprisal.tokens[i];
    Json one = {{"id", surprisal.text.ids[i]},
                {"text", surprisal.text.labels[i]},
                {"bits", token.bits ? Json(Digits(*token.bits)) : Json()}};
    if (token.bits) {
      one["rank"] = token.rank;
      one["expected"] = TopJson(model, {token.expected})[0];
    }
    tokens.push_back(std::move(one));
  }
  return {{"model", name},
          {"bits", Digits(surprisal.bits)},
          {"tokens_scored", surprisal.scored},
          {"bytes", surprisal.bytes},
          {"bits_per_byte", Digits(surprisal.bits_per_byte)},
          {"perplexity", Digits(surprisal.perplexity)},
          {"from", range.from + 1},
          {"to", range.to},
          {"tokens", std::move(tokens)}};
}

double BitsOf(const apps::Surprisal& surprisal, size_t first, size_t count) {
  double bits = 0;
  for (size_t k = first; k < first + count; ++k) {
    bits += surprisal.tokens[k].bits.value_or(0);
  }
  return bits;
}

// The text itself, coloured; whole characters only.
void PrintColoured(const apps::InspectedModel& model,
                   const apps::Surprisal& surprisal,
                   const apps::PositionRange& range) {
  const apps::ReadText& read = surprisal.text;
  std::string out;
  for (const auto& [first, count] : read.units) {
    const auto begin = static_cast<int64_t>(first);
    if (begin < range.from || begin >= range.to) continue;
    const std::vector<int32_t> ids(
        read.ids.begin() + begin,
        read.ids.begin() + begin + static_cast<int64_t>(count));
    out += Shaded(text::ReplaceInvalidUtf8(model.tokenizer().Decode(ids, true)),
                  apps::SurprisalShare(BitsOf(surprisal, first, count)));
  }
  Print(out + "\n\n");
}

// A token a line; pieces of a character together.
void PrintRows(const apps::InspectedModel& model,
               const apps::Surprisal& surprisal,
               const std::vector<std::pair<size_t, size_t>>& units) {
  for (const auto& [first, count] : units) {
    const apps::TokenSurprisal& token = surprisal.tokens[first];
    std::string label = surprisal.text.labels[first];
    if (count > 1) label = label.substr(0, label.rfind(' '));
    std::string line =
        Format("{:>6}  {}", first + 1, apps::PadToWidth(label, 18));
    if (token.bits) {
      const double bits = BitsOf(surprisal, first, count);
      std::string bar;
      for (int i = 0; i < static_cast<int>(std::min(bits, 30.0)); ++i)
        bar += "█";
      line += Format("{:>6.2f} bits  {}", bits,
                     Paint("36", apps::PadToWidth(bar, 30), STDOUT_FILENO));
      if (count == 1 && token.rank > 1) {
        line += Format("  {} {} {:.0f}%", Translate("rather"),
                       model.Label(token.expected.id),
                       100 * token.expected.probability);
      }
    }
    Print(line + "\n");
  }
}

void PrintSurprisal(const Invocation& call, const apps::InspectedModel& model,
                    const apps::Surprisal& surprisal,
                    const apps::PositionRange& range) {
  constexpr int64_t kMost = 200;  // of a text without --from and --to
  const bool asked = call.Text("--from") || call.Text("--to");
  std::vector<std::pair<size_t, size_t>> units;
  for (const auto& unit : surprisal.text.units) {
    const auto at = static_cast<int64_t>(unit.first);
    if (at >= range.from && at < range.to) units.push_back(unit);
  }
  if (Colour(STDOUT_FILENO) && (asked || range.size() <= 4000)) {
    PrintColoured(model, surprisal, range);
  } else if (asked || range.size() <= kMost) {
    PrintRows(model, surprisal, units);
    Print("\n");
  } else {
    constexpr size_t kLoudest = 20;
    std::stable_sort(units.begin(), units.end(),
                     [&](const auto& a, const auto& b) {
                       return BitsOf(surprisal, a.first, a.second) >
                              BitsOf(surprisal, b.first, b.second);
                     });
    units.resize(std::min(units.size(), kLoudest));
    Print(Translate("the tokens that surprise most (--from, --to for others)") +
          "\n");
    PrintRows(model, surprisal, units);
    Print("\n");
  }
  Print(Format("{:.1f} bits  {} {}  {:.3f} {}  {} {:.3f}\n", surprisal.bits,
               surprisal.scored, Translate("tokens"), surprisal.bits_per_byte,
               Translate("bits per byte"), Translate("perplexity"),
               surprisal.perplexity));
}

}  // namespace

int InspectSurprisal(const Invocation& call) {
  const InspectOutput output(call, ".html .json");
  const int64_t context =
      IntegerBetween(call, "--context", 0, 0, int64_t{1} << 40);
  const std::string text = InspectedText(call, 2);
  const auto model = OpenInspected(call, true);
  const InterruptGuard guard;
  apps::Surprisal surprisal;
  if (call.Text("--target") &&
      model->kind() != apps::ModelKind::kEncoderDecoder) {
    model->ReadTarget("", "--target");  // throws
  }
  if (call.Text("--context") &&
      model->kind() == apps::ModelKind::kEncoderDecoder) {
    throw Error(ErrorCode::kUnsupported,
                {.where = "--context",
                 .what = "an encoder-decoder does not have this option"});
  }
  if (model->kind() == apps::ModelKind::kEncoderDecoder) {
    const auto target = call.Text("--target");
    if (!target) {
      throw Error(ErrorCode::kInvalidArgument,
                  {.where = "--target",
                   .what = "the decoder has nothing to read",
                   .expected = "the text that the model writes"});
    }
    surprisal =
        apps::MeasureSurprisal(*model, model->Read(text, "text"), *target);
  } else {
    const bool bar = IsTerminal(STDERR_FILENO) && text.size() > 4096;
    surprisal = apps::MeasureSurprisal(
        *model, text, context, [&](int64_t done, int64_t total) {
          if (InterruptGuard::Interrupted()) {
            throw Error(ErrorCode::kCancelled,
                        {.where = "malmoi inspect", .what = "interrupted"});
          }
          if (bar) {
            std::fputs(Format("\r{} / {}{}", done, total,
                              done == total ? "\r\033[K" : "")
                           .c_str(),
                       stderr);
          }
        });
  }
  const auto range = RangeOption(call, surprisal.text.size());
  if (output.json()) {
    output.Write(SurprisalJson(call.positionals[1], *model, surprisal, range));
  } else if (output.Is(".html")) {
    const apps::PictureText words =
        PictureWords(Translate("surprisal"),
                     Format("{} · {:.1f} bits, {:.3f} {}, {} {:.3f}",
                            call.positionals[1], surprisal.bits,
                            surprisal.bits_per_byte, Translate("bits per byte"),
                            Translate("perplexity"), surprisal.perplexity));
    output.WriteBytes(apps::SurprisalPage(words, surprisal, *model));
  } else {
    PrintSurprisal(call, *model, surprisal, range);
  }
  return 0;
}

}  // namespace malmoi::cli
