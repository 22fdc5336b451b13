// Help, manual pages and completions, all from the table of verbs.
#include <algorithm>

#include "base/format.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

std::string Padded(std::string text, int width) {
  const int have = text::DisplayWidth(text);
  // One space at least, where it is too long for its column.
  text.append(static_cast<size_t>(std::max(width - have, 1)), ' ');
  return text;
}

std::string Left(const OptionSpec& option) {
  std::string text =
      option.brief.empty() ? "    " : std::string(option.brief) + ", ";
  text += option.name;
  if (!option.value.empty()) text += " " + std::string(option.value);
  return text;
}

std::vector<const OptionSpec*> AllOptions(const VerbSpec& verb) {
  std::vector<const OptionSpec*> all;
  for (const auto& group : {verb.more, verb.options, CommonOptions()}) {
    for (const OptionSpec& option : group) all.push_back(&option);
  }
  return all;
}

std::string_view Summary(const VerbSpec& verb) {
  return Korean() ? verb.summary_ko : verb.summary;
}

template <typename F>
void ForLines(std::string_view text, F&& use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::string Roff(std::string_view text) {
  std::string out;
  // A line that begins with a dot or a quote would be a request.
  if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string HelpText() {
  std::string out = Korean()
                        ? "malmoi: GPU 없는 컴퓨터를 위한 언어 AI\n\n"
                        : "malmoi: language AI for computers without a GPU\n\n";
  out += Translate("Usage") + ": malmoi VERB [...]\n\n" + Translate("Verbs") +
         ":\n";
  for (const VerbSpec& verb : Verbs()) {
    out += "  " + Padded(std::string(verb.name), 12) +
           std::string(Summary(verb)) + "\n";
  }
  out += "\n" + Translate("Examples") +
         ":\n  malmoi run \"Create a funny joke about chickens.\"\n"
         "  malmoi chat\n  malmoi VERB --help\n";
  return out;
}

std::string HelpText(const VerbSpec& verb) {
  std::string out = Format("{}\n\n{}: malmoi {} {}{}\n\n{}:\n", Summary(verb),
                           Translate("Usage"), verb.name, verb.positionals,
                           verb.positionals.empty() ? "[...]" : " [...]",
                           Translate("Options"));
  for (const OptionSpec* option : AllOptions(verb)) {
    out += "  " + Padded(Left(*option), 32) +
           std::string(Korean() ? option->help_ko : option->help) + "\n";
  }
  out += "\n" + Translate("Examples") + ":\n";
  ForLines(verb.examples, [&](std::string_view line) {
    out += "  " + std::string(line) + "\n";
  });
  return out;
}

std::string ManPage(const VerbSpec* verb) {
  const std::string name =
      verb == nullptr ? "malmoi" : Format("malmoi-{}", verb->name);
  std::string out =
      Format(".TH {} 1\n.SH NAME\n{} \\- {}\n", Roff(name), Roff(name),
             verb == nullptr ? "language AI for computers without a GPU"
                             : Roff(verb->summary));
  out += ".SH SYNOPSIS\n.B malmoi\n";
  if (verb == nullptr) {
    out += ".I verb\n[...]\n.SH VERBS\n";
    for (const VerbSpec& each : Verbs()) {
      out += Format(".TP\n.B {}\n{}\n", each.name, Roff(each.summary));
    }
    out += ".SH EXIT STATUS\n.TP\n.B 0\nok\n.TP\n.B 1\nfailure\n";
    for (int i = 0; i <= static_cast<int>(ErrorCode::kCancelled); ++i) {
      const auto code = static_cast<ErrorCode>(i);
      out += Format(".TP\n.B {}\n{}\n", ExitStatus(code), ErrorCodeName(code));
    }
    return out;
  }
  out += Format("{} {}\n[options]\n.SH OPTIONS\n", verb->name,
                Roff(verb->positionals));
  for (const OptionSpec* option : AllOptions(*verb)) {
    out += Format(".TP\n.B {}\n{}\n", Roff(Left(*option)), Roff(option->help));
  }
  out += ".SH EXAMPLES\n.nf\n";
  ForLines(verb->examples,
           [&](std::string_view line) { out += Roff(line) + "\n"; });
  return out + ".fi\n";
}

namespace {
// For between single quotes of fish.
std::string FishQuoted(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}
}  // namespace

std::string MarkdownPages() {
  const auto cell = [](std::string_view text) {
    std::string out;
    for (char c : text) {
      if (c == '|') out += '\\';
      out += c;
    }
    return out;
  };
  const auto table = [&](const std::vector<const OptionSpec*>& options) {
    std::string out = "| option | |\n|---|---|\n";
    for (const OptionSpec* option : options) {
      std::string left(option->name);
      if (!option->brief.empty()) {
        left = std::string(option->brief) + ", " + left;
      }
      if (!option->value.empty()) left += " " + std::string(option->value);
      out += Format("| `{}` | {} |\n", left, cell(option->help));
    }
    return out;
  };
  std::string out =
      "# The verbs\n\nWritten by `malmoi man --markdown`; a test compares "
      "them.\nEvery verb takes:\n\n";
  std::vector<const OptionSpec*> common;
  for (const OptionSpec& option : CommonOptions()) common.push_back(&option);
  out += table(common);
  for (const VerbSpec& verb : Verbs()) {
    out += Format("\n## malmoi {}{}{}\n\n{}.\n", verb.name,
                  verb.positionals.empty() ? "" : " ", verb.positionals,
                  verb.summary);
    std::vector<const OptionSpec*> own;
    for (const auto& group : {verb.more, verb.options}) {
      for (const OptionSpec& option : group) own.push_back(&option);
    }
    if (!own.empty()) out += "\n" + table(own);
    out += Format("\n```sh\n{}\n```\n", verb.examples);
  }
  return out;
}

std::string CompletionScript(std::string_view shell) {
  std::string verbs;
  for (const VerbSpec& verb : Verbs()) {
    verbs += (verbs.empty() ? "" : " ") + std::string(verb.name);
  }
  std::string out;
  if (shell == "fish") {
    out = "complete -c malmoi -f\n";
    for (const VerbSpec& verb : Verbs()) {
      out +=
          Format("complete -c malmoi -n __fish_use_subcommand -a {} -d '{}'\n",
                 verb.name, FishQuoted(verb.summary));
      for (const OptionSpec* option : AllOptions(verb)) {
        out += Format(
            "complete -c malmoi -n '__fish_seen_subcommand_from {}' -l {}{} "
            "-d '{}'\n",
            verb.name, option->name.substr(2),
            option->value.empty() ? "" : " -r", FishQuoted(option->help));
      }
    }
    return out;
  }
  std::string cases;
  for (const VerbSpec& verb : Verbs()) {
    std::string options;
    for (const OptionSpec* option : AllOptions(verb)) {
      options += (options.empty() ? "" : " ") + std::string(option->name);
    }
    // What the positionals of some verbs may be.
    std::string more;
    if (verb.name == "completion") more = " bash zsh fish";
    if (verb.name == "eval") more = " perplexity";
    if (verb.name == "help" || verb.name == "man") more = " " + verbs;
    cases += Format("    {}) options=\"{}\" words=\"{}\" ;;\n", verb.name,
                    options, more.empty() ? more : more.substr(1));
  }
  if (shell == "bash") {
    return "_malmoi() {\n"
           "  local current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
           "  local options=\"\"\n"
           "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "    COMPREPLY=($(compgen -W \"" +
           verbs +
           "\" -- \"$current\"))\n    return\n  fi\n"
           "  case \"${COMP_WORDS[1]}\" in\n" +
           cases +
           "  esac\n"
           "  if [ \"${current#-}\" != \"$current\" ]; then\n"
           "    COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
           "  elif [ -n \"$words\" ]; then\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
           "  else\n"
           "    COMPREPLY=($(compgen -f -- \"$current\"))\n"
           "  fi\n}\ncomplete -F _malmoi malmoi\n";
  }
  // zsh's own `words` holds the command line; its second word is the verb.
  std::string zsh = cases;
  for (size_t at = 0; (at = zsh.find(" words=", at)) != std::string::npos;) {
    zsh.replace(at, 7, " values=");
  }
  return "#compdef malmoi\n_malmoi() {\n  local options=\"\" values=\"\"\n"
         "  if (( CURRENT == 2 )); then\n    compadd " +
         verbs + "\n    return\n  fi\n  case \"${words[2]}\" in\n" + zsh +
         "  esac\n"
         "  if [[ \"${words[CURRENT]}\" == -* ]]; then\n"
         "    compadd -- ${=options}\n"
         "  elif [[ -n \"$values\" ]]; then\n"
         "    compadd -- ${=values}\n"
         "  else\n    _files\n  fi\n}\n"
         "if [[ \"${funcstack[1]}\" == _malmoi ]]; then\n"
         "  _malmoi \"$@\"\nelse\n  compdef _malmoi malmoi\nfi\n";
}

}  // namespace malmoi::cli
