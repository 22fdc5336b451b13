// inspect as a user meets it, with small random models: every view, what it
// writes, and what it says of bad input.
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "apps/testing/inspected.h"
#include "base/base64.h"
#include "base/json.h"
#include "formats/npy.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliInspectTest : public CliTest {
 protected:
  std::string Model(const std::string& name) {
    return models_.With(name).string();
  }
  Json Ask(const std::string& arguments) {
    const Result result = Run("inspect " + arguments + " --json");
    EXPECT_EQ(result.status, 0) << result.err;
    return ParseJson(result.out, "stdout");
  }
  void Refuses(const std::string& arguments, int status,
               const std::string& says) {
    const Result result = Run("inspect " + arguments);
    EXPECT_EQ(result.status, status) << arguments << "\n" << result.err;
    EXPECT_NE(result.err.find(says), std::string::npos) << arguments << "\n"
                                                        << result.err;
    EXPECT_EQ(result.out, "") << arguments;
  }
  std::string Path(const std::string& name) const {
    return (folder_ / name).string();
  }

  apps::ModelFolders models_{MALMOI_SOURCE_DIR "/tests/golden"};
};

TEST_F(CliInspectTest, AttentionInAllForms) {
  const std::string model = Model("architectures/llama");
  const std::string text = " 'Words have'";
  const Result overview = Run("inspect attention " + model + text);
  EXPECT_EQ(overview.status, 0) << overview.err;
  EXPECT_NE(overview.out.find("entropy"), std::string::npos);
  const Json heads = Ask("attention " + model + text);
  EXPECT_EQ(heads["heads"].size(), 8u);  // two layers of four heads

  const Json json = Ask("attention " + model + " --layer 2 --head 3" + text);
  ASSERT_EQ(json["maps"].size(), 1u);
  EXPECT_EQ(json["maps"][0]["layer"], 2);
  EXPECT_EQ(json["maps"][0]["head"], 3);
  const Json& rows = json["maps"][0]["rows"];
  const size_t n = json["tokens"].size();
  ASSERT_EQ(rows.size(), n);
  for (size_t r = 0; r < n; ++r) {
    double sum = 0;
    for (size_t c = 0; c < n; ++c) {
      const double p = rows[r][c].get<double>();
      if (c > r) {
        EXPECT_EQ(p, 0);
      }
      sum += p;
    }
    EXPECT_NEAR(sum, 1.0, 1e-5);
  }
  const Json mean = Ask("attention " + model + " --layer 2" + text);
  EXPECT_EQ(mean["maps"][0]["head"], "mean");
  const Json part =
      Ask("attention " + model + " --layer 2 --head 3 --from 2 --to 3" + text);
  EXPECT_EQ(part["maps"][0]["rows"][1][0], rows[2][1]);

  const std::string npz = Path("a.npz");
  ASSERT_EQ(
      Run("inspect attention " + model + " --all -o " + npz + text).status, 0);
  const auto arrays = formats::ReadNpz(npz);
  const auto size = static_cast<int64_t>(n);
  EXPECT_EQ(arrays.at("attention").shape, (Shape{8, size, size}));
  const auto* values =
      reinterpret_cast<const float*>(arrays.at("attention").data.data());
  // Layer 2, head 3 is the seventh; its last row.
  EXPECT_NEAR(values[(6 * n + n - 1) * n], rows[n - 1][0].get<double>(), 1e-6);

  // The page of all maps holds them in bytes.
  ASSERT_EQ(
      Run("inspect attention " + model + " --all -o " + Path("all.html") + text)
          .status,
      0);
  std::vector<uint8_t> roots;
  for (int64_t i = 0; i < 8 * size * size; ++i) {
    roots.push_back(
        static_cast<uint8_t>(std::lround(255 * std::sqrt(values[i]))));
  }
  const std::string page = ReadFile(Path("all.html"));
  EXPECT_NE(page.find("\"values\":\"" +
                      Base64(std::as_bytes(std::span(roots))) + "\""),
            std::string::npos);
  EXPECT_NE(page.find("\"maps\":[[1,1],[1,2],[1,3],[1,4],[2,1]"),
            std::string::npos);

  for (const char* flags : {"--layer 1", "--all", "--rollout"}) {
    for (const char* name : {"a.svg", "a.html"}) {
      if (flags == std::string("--all") && name == std::string("a.html")) {
        continue;
      }
      const Result result = Run("inspect attention " + model + " " + flags +
                                " -o " + Path(name) + text);
      ASSERT_EQ(result.status, 0) << result.err;
      EXPECT_EQ(result.out, "");
      const std::string written = ReadFile(Path(name));
      EXPECT_NE(written.find("<svg"), std::string::npos);
      EXPECT_EQ(written.find("http-equiv=\"refresh"), std::string::npos);
    }
  }
  const Json rollout = Ask("attention " + model + " --rollout" + text);
  EXPECT_NEAR(rollout["rollout"][0][0].get<double>(), 1.0, 1e-6);
}

TEST_F(CliInspectTest, AnEncoderDecoderLooksAcross) {
  const std::string model = Model("zoo_seq2seq/t5");
  const Json json = Ask("attention " + model +
                        " --layer 1 --target 'Words have' 'one person'");
  const Json& rows = json["maps"][0]["rows"];
  EXPECT_EQ(rows.size(), json["target"].size());
  EXPECT_EQ(rows[0].size(), json["tokens"].size());
  const Json self =
      Ask("attention " + model +
          " --layer 1 --attention decoder --target 'Words have' 'one'");
  EXPECT_EQ(self["maps"][0]["rows"][0].size(), self["target"].size());
  EXPECT_EQ(Ask("next " + model + " 'one person'")["next"].size(), 10u);
  EXPECT_GT(Ask("surprisal " + model + " --target 'Words' 'one person'")["bits"]
                .get<double>(),
            0);
  Refuses("surprisal " + model + " 'one person'", 2, "--target");
  Refuses("attention " + model + " --attention cross 'one'", 2, "--target");
}

TEST_F(CliInspectTest, LayersOfAWord) {
  const std::string model = Model("architectures/llama");
  const std::string file = Write("s.txt",
                                 "# a comment\n"
                                 "a\twe sorted one apple\n"
                                 "a\twe sorted one apple, or two\n\n"
                                 "b\t9,1 is: apple\n"
                                 "b\t9,1 is: apples\n");
  const std::string layers = "layers " + model + " apple --file " + file;
  const Json json = Ask(layers);
  EXPECT_EQ(json["sentences"].size(), 4u);
  EXPECT_EQ(json["sentences"][2]["sense"], "b");
  EXPECT_EQ(json["layers"].size(), 4u);
  EXPECT_NEAR(json["layers"][0]["gap"].get<double>(), 0, 1e-6);
  EXPECT_GT(json["layers"][2]["gap"].get<double>(), 0.001);
  EXPECT_EQ(json["layers"][2]["nearest"], Json({2, 1, 4, 3}));
  const Result text = Run("inspect " + layers);
  EXPECT_EQ(text.status, 0);
  EXPECT_NE(text.out.find("we sorted one apple"), std::string::npos);
  EXPECT_EQ(
      Run("inspect layers " + model + " apple", "", "cat " + file + " |").out,
      text.out);
  ASSERT_EQ(Run("inspect " + layers + " -o " + Path("s.svg")).status, 0);
  EXPECT_NE(ReadFile(Path("s.svg")).find("<circle"), std::string::npos);
  ASSERT_EQ(Run("inspect " + layers + " -o " + Path("s.npz")).status, 0);
  EXPECT_EQ(formats::ReadNpz(Path("s.npz")).at("similarity").shape,
            (Shape{4, 4, 4}));
  Refuses("layers " + model + " pear 'an apple' 'a pear'", 2, "sentence 1");
  Refuses("layers " + model + " pear 'a pear'", 2, "at least 2");
  Refuses("layers " + model + " pear", 2, "at least 2");
  Refuses("layers " + model, 2, "WORD");
  Refuses("layers " + model + " pear 'a pear' 'my pear' --layer 3", 2,
          "0 to 2");
}

TEST_F(CliInspectTest, LensNextAndStates) {
  const std::string model = Model("zoo/gpt2");
  const std::string text = " 'Words have'";
  const Json lens = Ask("lens " + model + " --top 3" + text);
  const size_t n = lens["tokens"].size();
  ASSERT_EQ(lens["layers"].size(), 3u);
  const Json& last = lens["layers"][2]["positions"];
  ASSERT_EQ(last.size(), n);
  EXPECT_EQ(last[0]["next"]["id"], lens["tokens"][1]["id"]);
  EXPECT_FALSE(last[n - 1].contains("next"));
  const Json next = Ask("next " + model + " --top 3" + text);
  EXPECT_EQ(next["next"][0]["id"], last[n - 1]["top"][0]["id"]);
  EXPECT_NEAR(next["next"][0]["probability"].get<double>(),
              last[n - 1]["top"][0]["probability"].get<double>(), 1e-5);
  // The same prediction that run gives.
  const Json run = ParseJson(
      Run("run --raw --json --temperature 0 --max-tokens 1 --logprobs 1 -m " +
          model + text)
          .out,
      "run");
  EXPECT_NEAR(std::log(next["next"][0]["probability"].get<double>()),
              run["token_logprobs"][0].get<double>(), 5e-3)
      << run;
  for (const char* name : {"l.svg", "l.html", "l.json"}) {
    ASSERT_EQ(Run("inspect lens " + model + " -o " + Path(name) + text).status,
              0);
    EXPECT_GT(ReadFile(Path(name)).size(), 500u);
  }
  EXPECT_NE(Run("inspect lens " + model + text).out.find("*"),
            std::string::npos);
  EXPECT_EQ(Run("inspect lens " + model + " --from 2 --to 2" + text).status, 0);
  const Json states = Ask("states " + model + " --from 2 --to 3" + text);
  ASSERT_EQ(states["layers"].size(), 4u);
  EXPECT_EQ(states["layers"][3]["layer"], "norm");
  EXPECT_EQ(states["layers"][0]["vectors"].size(), 2u);
  ASSERT_EQ(
      Run("inspect states " + model + " -o " + Path("h.npz") + text).status, 0);
  EXPECT_EQ(formats::ReadNpz(Path("h.npz")).at("hidden_states").shape[1],
            static_cast<int64_t>(n));
}

TEST_F(CliInspectTest, SurprisalIsWhatEvalSays) {
  const std::string model = Model("architectures/llama");
  std::string text;
  for (int i = 0; i < 40; ++i)
    text += "Words have to be 말모이 " + std::to_string(i) + ".\n";
  const std::string file = Write("t.txt", text);
  const Json json = Ask("surprisal " + model + " --context 64 --file " + file);
  const Json eval = ParseJson(
      Run("eval perplexity " + model + " --context 64 --kv f32 --json " + file)
          .out,
      "eval");
  EXPECT_NEAR(json["perplexity"].get<double>(),
              eval["perplexity"].get<double>(), 1e-4);
  EXPECT_EQ(json["tokens_scored"], eval["tokens"]);
  EXPECT_TRUE(json["tokens"][0]["bits"].is_null());
  // Long: the loudest only, unless a part is asked for.
  const std::string ask = "inspect surprisal " + model + " --context 64 ";
  const auto lines = [&](const std::string& rest) {
    const std::string out = Run(ask + rest + " --file " + file).out;
    return std::count(out.begin(), out.end(), '\n');
  };
  EXPECT_EQ(lines(""), 23);
  EXPECT_LE(lines("--from 1 --to 10"), 13);
  ASSERT_EQ(Run(ask + "-o " + Path("t.html") + " --file " + file).status, 0);
  EXPECT_NE(ReadFile(Path("t.html")).find("말"), std::string::npos);
}

TEST_F(CliInspectTest, BadInput) {
  const std::string llama = Model("architectures/llama");
  const std::string bert = Model("zoo_encoders/bert");
  const std::string mamba = Model("zoo_state_space/mamba");
  Refuses("thoughts " + llama + " a", 2, "surprisal");
  Refuses("attention " + mamba + " a", 8, "state space");
  Refuses("lens " + bert + " a", 8, "encoder");
  Refuses("next " + bert + " a", 8, "encoder");
  Refuses("surprisal " + bert + " a", 8, "encoder");
  Refuses("attention " + llama + " --layer 3 a", 2, "1 to 2");
  Refuses("attention " + llama + " --layer 1 --head 9 a", 2, "1 to 4");
  Refuses("attention " + llama + " --head 1 a", 2, "--layer");
  Refuses("attention " + llama + " --rollout --all a", 2, "--rollout");
  Refuses("attention " + llama + " --target b a", 8, "encoder-decoder");
  Refuses("attention " + llama + " --attention cross a", 8, "cross-attention");
  Refuses("attention " + llama + " ''", 2, "empty");
  Refuses("lens " + llama, 2, "empty");
  Refuses("lens " + llama + " --from 3 --to 2 'Words have'", 2, "out of range");
  Refuses("lens " + llama + " --to 99 'Words'", 2, "within 1 to");
  Refuses("lens " + llama + " --top 0 a", 2, "--top");
  Refuses("lens " + llama + " -o x.png a", 2, ".svg");
  Refuses("lens " + llama + " -o " + Path("none/x.svg") + " a", 3, "none");
  Refuses("next " + llama + " -o x.svg a", 2, ".json");
  Refuses("next " + llama + " --chat a", 8, "chat template");
  Refuses("next " + llama + " --file /dev/null a", 2, "--file");
  Refuses("surprisal " + llama + " --target b a", 8, "encoder-decoder");
  Refuses("lens " + llama + " --rollout a", 2, "--rollout");
  Refuses("surprisal " + llama + " --chat a", 2, "--chat");
  Refuses("attention " + llama + " --center a", 2, "--center");
  const std::string text = Write("long.txt", std::string(40000, 'q'));
  const Result result =
      Run("inspect attention " + llama + " --json --file " + text);
  EXPECT_NE(result.status, 0);
  const Json error = ParseJson(result.err, "stderr")["error"];
  EXPECT_EQ(error["code"], "context_overflow");
  EXPECT_EQ(error["context"]["got"], "40000");
  EXPECT_NE(error["context"]["expected"].get<std::string>().find("at most"),
            std::string::npos);
  // Something like it that works: layers of a state space.
  EXPECT_EQ(Run("inspect states " + mamba + " a").status, 0);
}

}  // namespace
}  // namespace malmoi
