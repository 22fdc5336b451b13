// The house rules of docs/ARCHITECTURE.md, read off the sources themselves:
// which folder may include which, where third-party headers may appear, that
// CMake links the same edges, where architectures may be named, and how long
// a file may be.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using Edges = std::map<std::string, std::set<std::string>>;

// The drawn arrows: a folder and what it uses directly. What those use may be
// included too.
const Edges& Drawn() {
  static const Edges drawn = {
      {"base", {}},
      {"tensor", {"base"}},
      {"kernels", {"tensor"}},
      {"ops", {"kernels"}},
      {"archive", {"base"}},
      {"picture", {"base"}},
      {"formats", {"tensor", "archive"}},
      {"text", {"formats"}},
      {"models", {"ops", "formats"}},
      {"interfaces", {"base"}},
      {"generate", {"models", "interfaces", "text"}},
      {"net", {"base"}},
      {"hub", {"net", "archive"}},
      {"cli", {"generate", "hub", "represent", "learn", "apps", "picture"}},
      {"api", {"generate", "hub"}},
      {"represent", {"models", "text"}},
      // Learn too, once something needs it.
      {"apps", {"generate", "represent", "picture"}},
      {"learn", {"represent"}},
      // Drawn in the design, still empty.
      {"providers", {"interfaces", "net"}},
      {"server", {"apps", "generate", "hub", "providers"}},
  };
  return drawn;
}

void AddUsed(const std::string& folder, std::set<std::string>& used) {
  for (const std::string& next : Drawn().at(folder)) {
    if (used.insert(next).second) AddUsed(next, used);
  }
}

std::string Read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

const fs::path& Root() {
  static const fs::path root = MALMOI_SOURCE_DIR;
  return root;
}

struct Source {
  std::string path;    // "src/ops/matmul.cc"
  std::string folder;  // "ops"; empty outside of src
  std::string text;
  bool test = false;
};

std::vector<Source> SourcesBelow(const std::vector<std::string>& tops) {
  std::vector<Source> sources;
  for (const std::string& top : tops) {
    if (!fs::exists(Root() / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(Root() / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cc" && extension != ".h" && extension != ".hpp" &&
          extension != ".c") {
        continue;
      }
      Source source;
      const fs::path relative = fs::relative(entry.path(), Root());
      source.path = relative.generic_string();
      if (top == "src") source.folder = *std::next(relative.begin());
      source.text = Read(entry.path());
      source.test = source.path.find("_test.cc") != std::string::npos;
      sources.push_back(std::move(source));
    }
  }
  std::sort(sources.begin(), sources.end(),
            [](const Source& a, const Source& b) { return a.path < b.path; });
  return sources;
}

const std::vector<Source>& Sources() {
  static const std::vector<Source> sources = SourcesBelow({"src"});
  return sources;
}

// The paths that a file includes, with either kind of bracket.
std::vector<std::string> Includes(const std::string& text) {
  static const std::regex include(R"(#\s*include\s*[<"]([^>"]+)[>"])");
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), include), end;
       it != end; ++it) {
    found.push_back((*it)[1]);
  }
  return found;
}

// Comments become blanks of the same length; what a string says stays.
std::string WithoutComments(const std::string& text) {
  std::string out = text;
  char quote = 0;
  for (size_t i = 0; i + 1 < out.size(); ++i) {
    if (quote != 0) {
      if (out[i] == '\\') {
        ++i;
      } else if (out[i] == quote || out[i] == '\n') {
        quote = 0;
      }
    } else if (out[i] == '"') {
      quote = '"';
    } else if (out[i] == '/' && out[i + 1] == '/') {
      for (; i < out.size() && out[i] != '\n'; ++i) out[i] = ' ';
    } else if (out[i] == '/' && out[i + 1] == '*') {
      const size_t end = std::min(out.find("*/", i + 2), out.size() - 2);
      for (; i < end + 2; ++i) {
        if (out[i] != '\n') out[i] = ' ';
      }
    }
  }
  return out;
}

TEST(House, HasTheSourcesThatTheRulesAreAbout) {
  std::set<std::string> folders;
  for (const Source& source : Sources()) folders.insert(source.folder);
  for (const char* folder : {"base", "tensor", "kernels", "ops", "formats",
                             "text", "models", "generate", "hub", "cli"}) {
    EXPECT_TRUE(folders.count(folder)) << folder;
  }
}

TEST(House, FoldersIncludeOnlyWhatTheyMayUse) {
  for (const Source& source : Sources()) {
    ASSERT_TRUE(Drawn().count(source.folder))
        << source.path << ": a folder that the house does not have";
    std::set<std::string> used = {source.folder};
    AddUsed(source.folder, used);
    for (const std::string& path : Includes(source.text)) {
      const std::string first = path.substr(0, path.find('/'));
      if (Drawn().count(first) == 0) continue;
      EXPECT_TRUE(used.count(first)) << source.path << " includes " << path
                                     << ", which is not among its arrows";
    }
  }
}

TEST(House, ThirdPartyHeadersStayInOnePlace) {
  struct Home {
    const char* header;  // how the include begins
    const char* place;   // how the path of its only users begins
  };
  const std::vector<Home> homes = {
      {"nlohmann/", "src/base/json.h"}, {"fmt/", "src/base/format.h"},
      {"hwy/", "src/kernels/"},         {"utf8proc", "src/text/"},
      {"pcre2", "src/text/"},           {"curl/", "src/net/"},
      {"zip.h", "src/archive/"},        {"png.h", "src/picture/"},
      {"zlib.h", "src/archive/"},       {"png.h", "src/picture/"},
      {"openssl/", "src/hub/"},         {"CLI/", "src/cli/"},
      {"histedit", "src/cli/"},         {"editline/", "src/cli/"},
  };
  std::set<std::string> seen;
  for (const Source& source : Sources()) {
    for (const std::string& path : Includes(source.text)) {
      for (const Home& home : homes) {
        if (path.rfind(home.header, 0) != 0) continue;
        seen.insert(home.header);
        EXPECT_EQ(source.path.rfind(home.place, 0), 0u)
            << source.path << " includes " << path << ", which belongs to "
            << home.place;
      }
    }
  }
  EXPECT_TRUE(seen.count("fmt/") && seen.count("hwy/"));
}

TEST(House, CMakeLinksTheDrawnEdges) {
  std::string text = Read(Root() / "src/CMakeLists.txt");
  text = std::regex_replace(text, std::regex("#[^\n]*"), "");
  static const std::regex call(R"(malmoi_folder\(([^)]*)\))");
  Edges linked;
  for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end;
       ++it) {
    std::istringstream words((*it)[1]);
    std::string name, word;
    words >> name;
    bool deps = false;
    linked[name];
    while (words >> word) {
      if (word == "DEPS" || word == "LIBS") {
        deps = word == "DEPS";
      } else if (deps) {
        linked[name].insert(word);
      }
    }
  }
  EXPECT_GE(linked.size(), 12u);
  for (const auto& [name, edges] : linked) {
    ASSERT_TRUE(Drawn().count(name)) << name;
    EXPECT_EQ(edges, Drawn().at(name)) << "malmoi_folder(" << name << ")";
  }
}

// Where a file must name a foreign architecture, and which.
struct Named {
  const char* file;
  const char* words;  // a regular expression of whole names
  const char* why;
};

const std::vector<Named>& Allowed() {
  static const std::vector<Named> allowed = {
      {"src/models/arch/", ".*", "the architectures"},
      {"src/models/registry.cc", ".*", "the registry"},
      {"src/text/tokenize/from_gguf.cc", ".*", "GGUF's names of models"},
      {"src/text/tokenize/gguf_pre_tokenizers.cc", ".*",
       "GGUF's names of splits"},
      {"src/text/tokenize/from_vocabulary.cc", ".*",
       "transformers' classes of tokenizers"},
      {"src/text/tokenize/from_pieces.cc", "marian|m2m_?100",
       "transformers' classes of tokenizers"},
      {"src/text/tokenize/fairseq_languages.h", "m2m_?100",
       "whose languages they are"},
      {"src/text/tokenize/from_tiktoken.cc", "gpt2", "an encoding's name"},
      {"src/text/tokenize/known_patterns.h", "llama|qwen",
       "published patterns"},
      {"src/formats/hf_quantization.cc", "llama", "names of quantizations"},
      {"src/text/tokenize/cutter.cc", "gpt2|llama|qwen", "published patterns"},
      {"src/text/tokenize/", "roberta", "a stage's name in tokenizer.json"},
      {"src/text/tokenize/byte_level.h", "gpt2", "a published pattern"},
      {"src/text/tokenize/pre_tokenizers.cc", "gpt2", "a published pattern"},
      {"src/models/rope_config.cc", "llama", "a scaling's name in config.json"},
      {"src/models/convert_tensors.cc", "llama", "whose converter it follows"},
      {"src/models/gguf_config.cc", "llama", "a scaling's name in config.json"},
      {"src/models/gguf_facts.cc", "llama", "a scaling's name in config.json"},
      {"src/text/tokenize/to_gguf.cc", "gpt2|llama", "GGUF's names of models"},
      {"src/text/tokenize/to_json.cc", "gpt2|llama|bert",
       "GGUF's names of models"},
      {"src/hub/model_ref.cc", "smollm|gemma|llama", "the aliases"},
      {"src/cli/", "smollm|gemma|bart|qwen",
       "default model and examples of names"},
      {"src/generate/verify.cc", "smollm|gemma",
       "whose reference values it holds"},
  };
  return allowed;
}

TEST(House, ArchitecturesAreNamedInTheirOwnFilesOnly) {
  static const std::regex name(
      "(llama|mistral|mixtral|gemma|phi-?[1-4]|qwen|mamba|smollm|falcon|"
      "deepseek|gpt-?2|gptneox|starcoder|olmo|granite|roberta|electra|mpnet|"
      "cohere|exaone|hyperclova|stablelm|bart|marian|m2m_?100)",
      std::regex::icase);
  for (const Source& source : Sources()) {
    if (source.test || source.path.find("/testing/") != std::string::npos) {
      continue;
    }
    const std::string code = WithoutComments(source.text);
    for (std::sregex_iterator it(code.begin(), code.end(), name), end;
         it != end; ++it) {
      std::string word = (*it)[1];
      std::transform(word.begin(), word.end(), word.begin(), ::tolower);
      word.erase(std::remove(word.begin(), word.end(), '-'), word.end());
      bool fine = false;
      for (const Named& rule : Allowed()) {
        fine |= source.path.rfind(rule.file, 0) == 0 &&
                std::regex_match(word, std::regex(rule.words));
      }
      const auto line =
          1 + std::count(code.begin(), code.begin() + it->position(), '\n');
      EXPECT_TRUE(fine) << source.path << ":" << line << " names " << word;
    }
  }
}

// A .cc beside its header leaves the introduction to the header.
TEST(House, FilesSayWhatTheyAre) {
  for (const Source& source :
       SourcesBelow({"src", "include", "tests", "fuzz", "bench", "examples"})) {
    if (source.test && source.folder != "") continue;
    fs::path header = Root() / source.path;
    header.replace_extension(".h");
    const bool introduced = source.path.rfind(".cc") != std::string::npos &&
                            fs::exists(header) &&
                            Read(header).rfind("//", 0) == 0;
    EXPECT_TRUE(introduced || source.text.rfind("//", 0) == 0 ||
                source.text.rfind("/*", 0) == 0)
        << source.path << " has no comment at its head";
  }
}

TEST(House, FilesStayShort) {
  for (const Source& source :
       SourcesBelow({"src", "include", "tests", "fuzz", "bench", "examples"})) {
    const auto lines = std::count(source.text.begin(), source.text.end(), '\n');
    EXPECT_LE(lines, 600) << source.path;
  }
}

// A verb that ./run does not know would be taken for a prompt.
TEST(House, RunKnowsEveryVerb) {
  const std::string run = Read(Root() / "run");
  const std::string table = Read(Root() / "src/cli/verbs.cc");
  static const std::regex verb(R"(\.name = "([a-z0-9]+)\")");
  static const std::regex positional(R"(\n    \{"([a-z0-9]+)\",)");
  std::set<std::string> verbs;
  for (const std::regex* form : {&verb, &positional}) {
    for (std::sregex_iterator it(table.begin(), table.end(), *form), end;
         it != end; ++it) {
      verbs.insert((*it)[1]);
    }
  }
  EXPECT_TRUE(verbs.count("run") && verbs.count("chat"));
  for (const std::string& each : verbs) {
    EXPECT_TRUE(std::regex_search(run, std::regex("[ (|]" + each + "[ )|]")))
        << each << " is not in ./run's list";
  }
}

}  // namespace
