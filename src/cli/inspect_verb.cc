// malmoi inspect: which view, and what all of them share.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/inspect.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

struct View {
  const char* name;
  int (*run)(const Invocation& call);
  const char* options;  // beside those of every view
};
constexpr View kViews[] = {
    {"attention", InspectAttention,
     " --layer --head --all --rollout --attention --target --from-language "
     "--to-language --from --to --special "},
    {"layers", InspectLayers, " --layer --center "},
    {"states", InspectStates,
     " --target --from-language --to-language --from --to --special "},
    {"lens", InspectLens,
     " --target --from-language --to-language --top --from --to --chat "
     "--special "},
    {"next", InspectNext,
     " --target --from-language --to-language --top --chat --special "},
    {"surprisal", InspectSurprisal,
     " --target --from-language --to-language --from --to --context "},
};
constexpr std::string_view kAllViews =
    " --output --file --exact --adapter --json --threads --help ";

// What was given must mean something to the view.
void RefuseOthers(const Invocation& call, const View& view) {
  const auto refuse = [&](const std::string& option) {
    const std::string word = " " + option + " ";
    if (kAllViews.find(word) != std::string_view::npos ||
        std::string_view(view.options).find(word) != std::string_view::npos) {
      return;
    }
    throw Error(ErrorCode::kUsage,
                {.where = Format("malmoi inspect {}", view.name),
                 .what = "not an option of this view",
                 .got = option,
                 .hint = "malmoi inspect --help"});
  };
  for (const auto& [option, values] : call.values) {
    if (!values.empty()) refuse(option);
  }
  for (const auto& [option, given] : call.flags) {
    if (given) refuse(option);
  }
}

}  // namespace

InspectOutput::InspectOutput(const Invocation& call, std::string_view endings)
    : path_(call.Text("--output").value_or("")), json_(call.json()) {
  if (path_.empty()) return;
  const size_t dot = path_.find_last_of("./");
  if (dot != std::string::npos && path_[dot] == '.')
    ending_ = path_.substr(dot);
  const std::string all = Format(" {} ", endings);
  if (ending_.empty() || all.find(" " + ending_ + " ") == std::string::npos) {
    throw Error(ErrorCode::kUsage, {.where = "--output",
                                    .what = "no such kind of output here",
                                    .expected = std::string(endings),
                                    .got = path_});
  }
  json_ = ending_ == ".json";
}

void InspectOutput::WriteBytes(std::string_view bytes) const {
  if (path_.empty()) return Print(bytes);
  WriteFileAtomically(path_, bytes);
}

void InspectOutput::Write(const Json& json) const {
  WriteBytes(DumpJson(json) + "\n");
}

void InspectOutput::WritePicture(const apps::PictureText& text,
                                 const std::string& svg,
                                 const Json& data) const {
  WriteBytes(Is(".html") ? apps::PicturePage(text, svg, data) : svg);
}

std::unique_ptr<apps::InspectedModel> OpenInspected(const Invocation& call,
                                                    bool head) {
  apps::InspectOptions options;
  options.threads = ThreadsOption(call);
  options.adapters = AdapterOption(call);
  options.packed = PackedOption();
  options.head = head;
  options.from = call.Text("--from-language").value_or("");
  options.to = call.Text("--to-language").value_or("");
  if (call.Flag("--exact")) options.precision = models::Precision::kExact;
  return std::make_unique<apps::InspectedModel>(
      LocateModel(call.positionals[1]), options);
}

std::string InspectedText(const Invocation& call, size_t first) {
  std::string text;
  for (size_t i = first; i < call.positionals.size(); ++i) {
    text += (i > first ? " " : "") + call.positionals[i];
  }
  if (const auto file = call.Text("--file")) {
    if (call.positionals.size() > first) {
      throw Error(ErrorCode::kUsage, {.where = "--file",
                                      .what = "a text and a file of one",
                                      .expected = "either"});
    }
    text = ReadFile(*file);
  } else if (call.positionals.size() <= first) {
    text = ReadRest();
    if (text.ends_with('\n')) text.pop_back();
  }
  RequireUtf8(text, "text");
  return text;
}

Inputs ReadInputs(const Invocation& call, const apps::InspectedModel& model,
                  const std::string& text) {
  Inputs inputs;
  const auto target = call.Text("--target");
  if (target && model.kind() != apps::ModelKind::kEncoderDecoder) {
    model.ReadTarget("", "--target");  // throws
  }
  if (call.Flag("--chat")) {
    if (model.language() == nullptr) {
      throw Error(ErrorCode::kUnsupported,
                  {.where = "--chat",
                   .what = "no view of a conversation",
                   .expected = "lens or next of a model that writes"});
    }
    inputs.text = model.ReadPrompt(
        model.language()->RenderChat({{{"role", "user"}, {"content", text}}}),
        "text");
    return inputs;
  }
  inputs.text = model.Read(text, "text", call.Flag("--special"));
  if (target) inputs.target = model.ReadTarget(*target, "--target");
  return inputs;
}

apps::PositionRange RangeOption(const Invocation& call, int64_t tokens) {
  const int64_t from = call.Integer("--from").value_or(1);
  const int64_t to = call.Integer("--to").value_or(tokens);
  if (from < 1 || to < from || to > tokens) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--from, --to",
                 .what = "positions out of range",
                 .expected = Format("within 1 to {}", tokens),
                 .got = Format("{} to {}", from, to)});
  }
  return {from - 1, to};
}

apps::PictureText PictureWords(std::string title, std::string subtitle) {
  apps::PictureText text;
  text.title = std::move(title);
  text.subtitle = std::move(subtitle);
  text.layer = Translate("layer");
  text.head = Translate("head");
  text.mean = Translate("mean of heads");
  text.gap = Translate("same sense minus other sense (cosine)");
  text.language = Korean() ? "ko" : "en";
  text.looks = Translate(text.looks);
  text.looked_at = Translate(text.looked_at);
  text.help = Translate(text.help);
  return text;
}

int TerminalColumns() {
  winsize size{};
  if (IsTerminal(STDOUT_FILENO) &&
      ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) {
    return size.ws_col;
  }
  return 100;
}

double Digits(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

Json Labels(const apps::ReadText& text) {
  Json tokens = Json::array();
  for (size_t i = 0; i < text.ids.size(); ++i) {
    tokens.push_back({{"id", text.ids[i]}, {"text", text.labels[i]}});
  }
  return tokens;
}

Json TopJson(const apps::InspectedModel& model,
             const std::vector<apps::TokenProbability>& top) {
  Json list = Json::array();
  for (const auto& one : top) {
    list.push_back({{"id", one.id},
                    {"text", text::ReplaceInvalidUtf8(
                                 model.tokenizer().TokenBytes(one.id))},
                    {"probability", Digits(one.probability, 9)}});
  }
  return list;
}

int InspectVerb(const Invocation& call) {
  for (const View& view : kViews) {
    if (call.positionals[0] != view.name) continue;
    RefuseOthers(call, view);
    return view.run(call);
  }
  throw Error(ErrorCode::kUsage,
              {.where = "malmoi inspect",
               .what = "no such view",
               .expected = "attention, layers, states, lens, next or surprisal",
               .got = call.positionals[0]});
}

}  // namespace malmoi::cli
