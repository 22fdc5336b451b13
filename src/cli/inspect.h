// What the views of malmoi inspect share: the model, the text, the range of
// positions, and where results go.
#ifndef MALMOI_CLI_INSPECT_H_
#define MALMOI_CLI_INSPECT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/inspect/hidden_states.h"
#include "apps/inspect/inspected_model.h"
#include "apps/inspect/pictures.h"
#include "cli/verbs.h"

namespace malmoi::cli {

// --output: a file, whose ending says what is written; or the terminal.
class InspectOutput {
 public:
  // Throws kUsage for an ending that is none of `endings` (".svg .json").
  InspectOutput(const Invocation& call, std::string_view endings);

  bool json() const { return json_; }  // .json, or --json without a file
  bool text() const { return path_.empty() && !json_; }
  bool Is(std::string_view ending) const { return ending_ == ending; }
  const std::string& path() const { return path_; }
  // To the file, or to standard output.
  void Write(const Json& json) const;
  void WriteBytes(std::string_view bytes) const;
  // .svg, or .html with the numbers in it.
  void WritePicture(const apps::PictureText& text, const std::string& svg,
                    const Json& data) const;

 private:
  std::string path_, ending_;
  bool json_ = false;
};

// The model of the call, with a head where predictions are wanted.
std::unique_ptr<apps::InspectedModel> OpenInspected(const Invocation& call,
                                                    bool head);
// The positionals from `first` on, --file or standard input.
std::string InspectedText(const Invocation& call, size_t first);
// What the model reads: of the text, and where there is one of --target.
struct Inputs {
  apps::ReadText text, target;
  // Whose rows a view shows.
  const apps::ReadText& own() const {
    return target.ids.empty() ? text : target;
  }
};
Inputs ReadInputs(const Invocation& call, const apps::InspectedModel& model,
                  const std::string& text);
// --from and --to.
apps::PositionRange RangeOption(const Invocation& call, int64_t tokens);
apps::PictureText PictureWords(std::string title, std::string subtitle);

int TerminalColumns();
// Rounded, so that JSON has no digits that mean nothing.
double Digits(double value, int decimals = 7);
Json Labels(const apps::ReadText& text);  // [{"id", "text"}]
Json TopJson(const apps::InspectedModel& model,
             const std::vector<apps::TokenProbability>& top);

// The views.
int InspectAttention(const Invocation& call);
int InspectLayers(const Invocation& call);
int InspectStates(const Invocation& call);
int InspectLens(const Invocation& call);
int InspectNext(const Invocation& call);
int InspectSurprisal(const Invocation& call);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_INSPECT_H_
