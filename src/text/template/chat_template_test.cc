// The interpreter against Jinja2 (tools/make_golden_templates.py), and the
// limits of the sandbox.
#include "text/template/chat_template.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace malmoi::text {
namespace {

// MALMOI_TEST_TEMPLATES is another folder that the tool has written.
std::string Golden(const std::string& name) {
  const char* folder = std::getenv("MALMOI_TEST_TEMPLATES");
  return std::string(folder ? folder
                            : MALMOI_SOURCE_DIR "/tests/golden/templates") +
         "/" + name;
}

// The output, or nullopt for a malmoi::Error.
std::optional<std::string> Rendered(const std::string& source,
                                    const Json& variables) {
  try {
    return Template(source, "test").Render(variables, 0);
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(ChatTemplate, EqualsJinjaOnGeneratedCases) {
  const Json golden = ParseJson(ReadFile(Golden("cases.json")), "cases.json");
  int wrong = 0;
  for (const Json& item : golden["cases"]) {
    const std::string source = item["template"].get<std::string>();
    const auto got = Rendered(source, golden["variables"]);
    const Json got_json = got ? Json(*got) : Json();
    if (got_json != item["expected"]) ++wrong;
    EXPECT_EQ(got_json, item["expected"]) << source;
  }
  RecordProperty("cases", static_cast<int>(golden["cases"].size()));
  EXPECT_GE(golden["cases"].size(), 300u);
  EXPECT_EQ(wrong, 0);
}

TEST(ChatTemplate, EqualsJinjaOnTemplatesOfRealModels) {
  const Json golden = ParseJson(ReadFile(Golden("real.json")), "real.json");
  EXPECT_GE(golden["expected"].size(), 10u);
  for (const auto& [file, expected] : golden["expected"].items()) {
    const std::string source = ReadFile(Golden("real/" + file));
    ASSERT_EQ(expected.size(), golden["variables"].size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const auto got = Rendered(source, golden["variables"][i]);
      EXPECT_EQ(got ? Json(*got) : Json(), expected[i])
          << file << " " << DumpJson(golden["variables"][i]);
    }
  }
}

ErrorCode CodeOf(const std::string& source, TemplateLimits limits = {}) {
  try {
    Template(source, "test", limits).Render(Json::object(), 0);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kCancelled;  // nothing was thrown
}

TEST(ChatTemplate, LimitsStepsDepthOutputAndMemory) {
  EXPECT_EQ(CodeOf("{% for i in range(100000) %}{% for j in range(100000) %}"
                   "{% endfor %}{% endfor %}"),
            ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
            ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{{ 'a' * 999999999999 }}"), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{% set ns = namespace(s='aaaaaaaa') %}{% for i in "
                   "range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"),
            ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{% for i in range(1000) %}{{ 'abcdefgh' }}{% endfor %}",
                   {.max_output_bytes = 100}),
            ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{{ " + std::string(5000, '(') + "1" +
                   std::string(5000, ')') + " }}"),
            ErrorCode::kLimit);
  EXPECT_EQ(CodeOf("{{ range(999999999) }}"), ErrorCode::kLimit);
  EXPECT_EQ(CodeOf(std::string(2 << 20, 'x')), ErrorCode::kLimit);
}

TEST(ChatTemplate, NamesTheLineOfAnError) {
  try {
    Template("line 1\n{{ 1 }}\n{% nosuch %}", "chat.jinja");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_EQ(error.message(),
              "chat.jinja, line 3: template syntax error: unknown tag; "
              "got nosuch");
  }
}

TEST(ChatTemplate, ScopesOutliveMacrosThatEscape) {
  // The macro leaves the loop that defined it.
  EXPECT_EQ(Rendered("{% set ns = namespace() %}{% for i in [4] %}{% macro m() "
                     "%}{{ i }}{% endmacro %}{% set ns.m = m %}{% set ns.l = "
                     "loop %}{% endfor %}{{ ns.m() }}{{ ns.l.length }}",
                     Json::object()),
            "41");
}

}  // namespace
}  // namespace malmoi::text
