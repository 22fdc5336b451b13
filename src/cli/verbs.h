// The table of verbs: what the parser accepts, what --help prints, what the
// man pages and shell completions contain. One table for all of them.
#ifndef MALMOI_CLI_VERBS_H_
#define MALMOI_CLI_VERBS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace malmoi::cli {

struct OptionSpec {
  std::string_view name;   // "--temperature"
  std::string_view brief;  // "-t", or empty
  std::string_view value;  // "T"; empty: a flag
  std::string_view help;
  std::string_view help_ko;
};

struct VerbSpec;
class Invocation;

struct VerbSpec {
  std::string_view name;
  std::string_view positionals;  // "[PROMPT...]": as printed
  int min_positionals;
  int max_positionals;  // -1: any number
  std::string_view summary;
  std::string_view summary_ko;
  std::span<const OptionSpec> options;  // beside those of every verb
  std::span<const OptionSpec> more;     // a group shared between verbs
  std::string_view examples;            // lines
  int (*run)(const Invocation& call);   // exit status
};

std::span<const VerbSpec> Verbs();
std::span<const OptionSpec> CommonOptions();  // --json, --threads, --help
const VerbSpec* FindVerb(std::string_view name);

// What the user asked for. Getters throw kUsage for a value that is no
// number of the kind.
class Invocation {
 public:
  const VerbSpec* verb = nullptr;
  std::vector<std::string> positionals;
  std::map<std::string, std::vector<std::string>, std::less<>> values;
  std::map<std::string, bool, std::less<>> flags;

  bool Flag(std::string_view name) const;
  std::optional<std::string> Text(std::string_view name) const;
  std::vector<std::string> Texts(std::string_view name) const;
  std::optional<int64_t> Integer(std::string_view name) const;
  std::optional<double> Number(std::string_view name) const;
  bool json() const { return Flag("--json"); }
};

// Parses, runs, maps errors to exit statuses.
int Main(int argc, char** argv);

// help.cc
std::string HelpText();
std::string HelpText(const VerbSpec& verb);
std::string ManPage(const VerbSpec* verb);  // null: malmoi(1)
std::string MarkdownPages();                // docs/cli-verbs.md
std::string CompletionScript(std::string_view shell);

// The verbs.
int RunVerb(const Invocation& call);
int ChatVerb(const Invocation& call);
int TokenizeVerb(const Invocation& call);
int EmbedVerb(const Invocation& call);
int SimilarVerb(const Invocation& call);
int DistillVerb(const Invocation& call);
int VectorizeVerb(const Invocation& call);
int Bm25Verb(const Invocation& call);
int MapVerb(const Invocation& call);
int Word2VecVerb(const Invocation& call);
int InspectVerb(const Invocation& call);
int ClassifyVerb(const Invocation& call);
int TagVerb(const Invocation& call);
int FillVerb(const Invocation& call);
int AnswerVerb(const Invocation& call);
int RerankVerb(const Invocation& call);
int TranslateVerb(const Invocation& call);
int SummarizeVerb(const Invocation& call);
int PullVerb(const Invocation& call);
int ListVerb(const Invocation& call);
int ShowVerb(const Invocation& call);
int RemoveVerb(const Invocation& call);
int VerifyVerb(const Invocation& call);
int BenchVerb(const Invocation& call);
int FitVerb(const Invocation& call);
int EvalVerb(const Invocation& call);
int QuantizeVerb(const Invocation& call);
int ConvertVerb(const Invocation& call);
int DoctorVerb(const Invocation& call);
int CompletionVerb(const Invocation& call);
int ManVerb(const Invocation& call);
int HelpVerb(const Invocation& call);

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_VERBS_H_
