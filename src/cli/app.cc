// Parsing with CLI11 by the table of verbs, and the one place where errors
// become messages and exit statuses.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/format.h"
#include "base/log.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min(
          {above + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return row[b.size()];
}

// The nearest of some names; empty when none is near.
std::string Nearest(std::string_view name,
                    const std::vector<std::string_view>& known) {
  std::string best;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (std::string_view candidate : known) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

[[noreturn]] void Usage(std::string where, std::string what, std::string got,
                        std::string hint) {
  throw Error(ErrorCode::kUsage, {.where = std::move(where),
                                  .what = std::move(what),
                                  .got = std::move(got),
                                  .hint = std::move(hint)});
}

std::vector<const OptionSpec*> OptionsOf(const VerbSpec& verb) {
  std::vector<const OptionSpec*> all;
  for (const auto& group : {verb.more, verb.options, CommonOptions()}) {
    for (const OptionSpec& option : group) all.push_back(&option);
  }
  return all;
}

// CLI11 takes an argument "[a,b]" for a list and splits it. A mark behind the
// bracket keeps it whole; Unshield() takes exactly that mark off again.
constexpr char kMark = '\x01';

bool EndsInBracket(std::string_view text) {
  const size_t last = text.find_last_not_of(kMark);
  return last != std::string_view::npos && text[last] == ']';
}
void Shield(std::string& text) {
  if (EndsInBracket(text)) text += kMark;
}
void Unshield(std::string& text) {
  if (text.ends_with(kMark) && EndsInBracket(text)) text.pop_back();
}

Invocation ParseVerb(const VerbSpec& verb, std::vector<std::string> arguments) {
  const std::string where = Format("malmoi {}", verb.name);
  Invocation call;
  call.verb = &verb;
  CLI::App app;
  app.set_help_flag();
  for (const OptionSpec* option : OptionsOf(verb)) {
    std::string names(option->name);
    if (!option->brief.empty()) names += "," + std::string(option->brief);
    if (option->value.empty()) {
      app.add_flag(names, call.flags[std::string(option->name)]);
    } else {
      app.add_option(names, call.values[std::string(option->name)])
          ->allow_extra_args(false);
    }
  }
  app.add_option("arguments", call.positionals);
  for (std::string& argument : arguments) Shield(argument);
  std::reverse(arguments.begin(), arguments.end());  // CLI11 pops from the end
  std::vector<std::string_view> known;
  for (const OptionSpec* option : OptionsOf(verb))
    known.push_back(option->name);
  try {
    app.parse(arguments);
  } catch (const CLI::ExtrasError&) {
    for (std::string extra : app.remaining()) {
      Unshield(extra);
      const std::string near = Nearest(extra.substr(0, extra.find('=')), known);
      Usage(where, "unknown option", extra,
            near.empty() ? Format("malmoi {} --help", verb.name) : near);
    }
  } catch (const CLI::ArgumentMismatch& error) {
    Usage(where, "an option needs a value", error.what(),
          Format("malmoi {} --help", verb.name));
  } catch (const CLI::ParseError& error) {
    Usage(where, "unknown option", error.what(),
          Format("malmoi {} --help", verb.name));
  }
  for (std::string& positional : call.positionals) Unshield(positional);
  for (auto& [name, values] : call.values) {
    for (std::string& value : values) Unshield(value);
  }
  if (call.Flag("--help")) return call;
  const int count = static_cast<int>(call.positionals.size());
  if (count < verb.min_positionals) {
    Usage(where, "an argument is missing", std::string(verb.positionals),
          Format("malmoi {} --help", verb.name));
  }
  if (verb.max_positionals >= 0 && count > verb.max_positionals) {
    Usage(where, "too many arguments",
          call.positionals[static_cast<size_t>(verb.max_positionals)],
          Format("malmoi {} --help", verb.name));
  }
  return call;
}

int Report(const Error& error, bool json) {
  std::fflush(stdout);
  if (error.code() == ErrorCode::kCancelled) {
    if (!json) Note(Message(error));
  }
  if (json) {
    Note(DumpJson(ErrorJson(error)));
  } else if (error.code() != ErrorCode::kCancelled) {
    Note(Format("{}: {}", Paint("31", Translate("error"), 2),
                text::ReplaceInvalidUtf8(Message(error))));
  }
  return ExitStatus(error.code());
}

}  // namespace

bool Invocation::Flag(std::string_view name) const {
  const auto it = flags.find(name);
  return it != flags.end() && it->second;
}

std::vector<std::string> Invocation::Texts(std::string_view name) const {
  const auto it = values.find(name);
  return it == values.end() ? std::vector<std::string>() : it->second;
}

std::optional<std::string> Invocation::Text(std::string_view name) const {
  const auto it = values.find(name);
  if (it == values.end() || it->second.empty()) return std::nullopt;
  return it->second.back();  // the last one counts
}

std::optional<int64_t> Invocation::Integer(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text->c_str(), &end, 10);
  if (text->empty() || *end != '\0' || errno != 0) {
    Usage(std::string(name), "not a number", *text, "a whole number");
  }
  return value;
}

std::optional<double> Invocation::Number(std::string_view name) const {
  const auto text = Text(name);
  if (!text) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(text->c_str(), &end);
  if (text->empty() || *end != '\0') {
    Usage(std::string(name), "not a number", *text, "a number");
  }
  return value;
}

int Main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  SetLogSink([](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) {
      Note(Format("{}: {}", Translate("notice"), text));
    }
  });
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto options_end = std::find(arguments.begin(), arguments.end(), "--");
  const bool json =
      std::find(arguments.begin(), options_end, "--json") != options_end;
  try {
    if (arguments.empty()) {
      Print(HelpText());
      Flush();
      return 2;
    }
    const std::string name = arguments[0];
    if (name == "--help" || name == "-h") {
      Print(HelpText());
      Flush();
      return 0;
    }
    if (name == "--version") {
      Print("malmoi " MALMOI_VERSION "\n");
      Flush();
      return 0;
    }
    const VerbSpec* verb = FindVerb(name);
    if (verb == nullptr) {
      std::vector<std::string_view> known;
      for (const VerbSpec& each : Verbs()) known.push_back(each.name);
      const std::string near = Nearest(name, known);
      Usage("malmoi", "unknown verb", name,
            near.empty() ? "malmoi --help" : near);
    }
    const Invocation call = ParseVerb(
        *verb,
        std::vector<std::string>(arguments.begin() + 1, arguments.end()));
    if (call.Flag("--help")) {
      Print(HelpText(*verb));
      Flush();
      return 0;
    }
    const int status = verb->run(call);
    Flush();
    return status;
  } catch (const Error& error) {
    return Report(error, json);
  } catch (const std::bad_alloc&) {
    return Report(Error(ErrorCode::kLimit,
                        {.where = "malmoi", .what = "not enough memory"}),
                  json);
  } catch (const std::exception& error) {
    if (json) {
      Note(DumpJson({{"error",
                      {{"code", "internal"},
                       {"message", text::ReplaceInvalidUtf8(error.what())},
                       {"context", Json::object()}}}}));
    } else {
      Note(Format("{}: {}: {}", Translate("error"),
                  Translate("a bug in malmoi"), error.what()));
    }
    return 1;
  }
}

}  // namespace malmoi::cli
