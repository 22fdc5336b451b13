// The verbs that measure, plan and convert models, as a user meets them.
#include <cmath>
#include <string>

#include "base/json.h"
#include "cli/terminal.h"
#include "cli/verbs.h"
#include "formats/gguf.h"
#include "formats/testing/gguf_writer.h"
#include "generate/testing/toy_model.h"
#include "tests/cli_fixture.h"

namespace malmoi {
namespace {

class CliModelsTest : public CliTest {};

TEST_F(CliModelsTest, QuantizeWritesAModelAndRefusesWhatItCannot) {
  formats::GgufWriter writer;
  writer.String("general.architecture", "toy");
  writer.Strings("toy.words", {"one", "two"});
  writer.F32Tensor("token_embd.weight", {2, 256},
                   std::vector<float>(512, 0.25f));
  writer.F32Tensor("output_norm.weight", {256}, std::vector<float>(256, 1));
  const std::string in = Write("toy.gguf", writer.Finish());
  const std::string out = (folder_ / "toy-q4.gguf").string();
  const std::string both = in + " " + out;
  EXPECT_EQ(Run("quantize " + both).status, 2);
  Result result = Run("quantize --type Q9 " + both);
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("no such quantization; expected Q4_0, "),
            std::string::npos)
      << result.err;
  EXPECT_EQ(Run("quantize --type Q4_0 /nonexistent.gguf " + out).status, 3);
  EXPECT_EQ(Run("quantize --type Q4_0 " + in + " /no/folder.gguf").status, 3);
  EXPECT_EQ(Run("quantize --type Q4_0 " + in + " " + folder_.string()).status,
            2);
  fs::create_directories(folder_ / "hf");
  Write("hf/config.json", "{\"model_type\":\"toy\"}");
  Write("hf/model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  result = Run("quantize --type Q4_0 " + (folder_ / "hf").string() + " " + out);
  EXPECT_EQ(result.status, 8) << result.err;
  EXPECT_NE(result.err.find("only GGUF files"), std::string::npos);
  EXPECT_FALSE(fs::exists(out));

  result = Run("quantize --json --type q4_k_m " + both);
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = ParseJson(result.out, "stdout");
  EXPECT_EQ(json["type"], "Q4_K_M");
  EXPECT_EQ(json["bytes"], fs::file_size(out));
  // The embedding is also the head.
  EXPECT_EQ(json["tensors"], Json({{"F32", 1}, {"Q6_K", 1}}));
  const auto file = formats::GgufFile::Open(out);
  EXPECT_EQ(file->GetInt("general.file_type"), 15);
  EXPECT_EQ(file->GetStrings("toy.words")->at(1), "two");

  result = Run("quantize --type Q8_0 " + both);
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find("the file exists already; try --force"),
            std::string::npos)
      << result.err;
  EXPECT_EQ(Run("quantize --force --type Q8_0 " + both).status, 0);
  EXPECT_FALSE(fs::exists(out + ".partial"));
  const float nan = std::nanf("");
  formats::GgufWriter bad;
  bad.F32Tensor("a.weight", {2, 32}, std::vector<float>(64, nan));
  result = Run("quantize --type Q8_0 " + Write("bad.gguf", bad.Finish()) + " " +
               out + "2");
  EXPECT_EQ(result.status, 7) << result.err;
  EXPECT_FALSE(fs::exists(out + "2.partial"));
}

TEST_F(CliModelsTest, ImportanceComesFromATextOrAFile) {
  const std::string in = Write("toy.gguf", generate::ToyGguf(3));
  const std::string text = Write("text", std::string(50, 'a') + "bcdefgabcd");
  const auto out = [&](const char* name) { return (folder_ / name).string(); };
  const std::string saved = out("saved.gguf");
  const std::string four = "quantize --type Q4_0 " + in + " ";
  Result result = Run(four + out("a.gguf") + " --json --importance " + text +
                      " --save-importance " + saved);
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = ParseJson(result.out, "stdout");
  EXPECT_GE(json["importance"]["tokens"].get<int>(), 60);
  EXPECT_EQ(json["importance"]["weighed"], 2 * 7 + 1);
  EXPECT_EQ(json["importance"]["unweighed"], 0);
  // The file gives the same, and another than no importance.
  EXPECT_EQ(Run(four + out("b.gguf") + " --importance " + saved).status, 0);
  EXPECT_EQ(ReadFile(out("b.gguf")), ReadFile(out("a.gguf")));
  EXPECT_EQ(Run(four + out("c.gguf")).status, 0);
  const auto bytes = [](const formats::GgufFile& file) {
    return file.tensors().at("blk.0.attn_q.weight").data;
  };
  const auto with = formats::GgufFile::Open(out("a.gguf"));
  const auto without = formats::GgufFile::Open(out("c.gguf"));
  EXPECT_FALSE(std::equal(bytes(*with).begin(), bytes(*with).end(),
                          bytes(*without).begin()));

  const Json show = ParseJson(Run("show --json " + out("a.gguf")).out, "show");
  EXPECT_EQ(show["quantized"]["source_type"], "Q8_0");
  EXPECT_EQ(show["quantized"]["type"], "Q4_0");
  EXPECT_EQ(show["quantized"]["importance"], true);
  EXPECT_EQ(show["quantized"]["importance_tokens"],
            json["importance"]["tokens"]);
  EXPECT_NEAR(show["quantized"]["rms_error"], json["rms_error"], 1e-6);
  EXPECT_GT(show["quantized"]["rms_errors"]["Q4_0"].get<double>(), 0.02);
  EXPECT_NE(Run("show " + out("c.gguf")).out.find("Q8_0 -> Q4_0, RMS error"),
            std::string::npos);
  EXPECT_FALSE(
      ParseJson(Run("show --json " + in).out, "show").contains("quantized"));
}

TEST_F(CliModelsTest, ImportanceThatIsNoneIsRefused) {
  const std::string in = Write("toy.gguf", generate::ToyGguf(3));
  const std::string text = Write("text", "abcdefgabcd");
  const std::string out = " " + (folder_ / "out.gguf").string() + " ";
  const auto refused = [&](const std::string& options, int status,
                           const std::string& message) {
    const Result result = Run("quantize " + in + out + options);
    EXPECT_EQ(result.status, status) << options << "\n" << result.err;
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_FALSE(fs::exists(folder_ / "out.gguf"));
  };
  refused("--type Q8_0 --importance " + text, 2, "no use for importance");
  refused("--type Q4_0 --importance /nonexistent", 3, "/nonexistent");
  refused("--type Q4_0 --importance " + in, 2, "not an importance file");
  refused("--type Q4_0 --importance " + Write("b", std::string("\1\0\xff", 3)),
          2, "neither a text nor an importance file");
  refused("--type Q4_0 --save-importance x.gguf", 2,
          "another option is needed");
  refused("--type Q4_0 --importance-tokens 7 --importance " + text, 2,
          "value out of range");
  // Of a model with one more layer.
  const std::string other = Write("other.gguf", generate::ToyGguf(3, 3));
  const std::string saved = (folder_ / "saved.gguf").string();
  ASSERT_EQ(Run("quantize --type Q4_0 " + other + " " + other + ".out" +
                " --importance " + text + " --save-importance " + saved)
                .status,
            0);
  refused("--type Q4_0 --importance " + saved, 2,
          "the importance is of another model");
  // An earlier result is not replaced unasked.
  refused("--type Q4_0 --importance " + text + " --save-importance " + saved, 2,
          "the file exists already");
}

TEST_F(CliModelsTest, QuantizedModelsPredictAsTheSourceDoes) {
  REQUIRE_MODEL();
  const std::string text = Write(
      "text",
      "The lighthouse keeper climbed the stairs every evening at dusk. He lit "
      "the lamp, wound the clockwork, and wrote the weather into his book. On "
      "clear nights he could see the harbour and the fishing boats coming "
      "home; on foggy ones he heard only the bell and the slow sea.\n");
  const auto measure = [&](const std::string& model,
                           const std::string& options) {
    const Result result = Run("eval perplexity --json --context 64 " + model +
                              " " + text + options);
    EXPECT_EQ(result.status, 0) << result.err;
    return ParseJson(result.out, "stdout");
  };
  const std::string reference = " --reference " + Model();
  const Json same = measure(Model(), reference);
  EXPECT_EQ(same["kl_max"], 0.0);
  EXPECT_EQ(same["same_top"], 1.0);
  const double source = measure(Model(), "")["perplexity"];
  EXPECT_NEAR(source, same["perplexity"], 1e-9 * source);
  EXPECT_NEAR(source, same["reference_perplexity"], 1e-9 * source);

  const std::string q8 = (folder_ / "q8.gguf").string();
  ASSERT_EQ(Run("quantize --type Q8_0 " + Model() + " " + q8).status, 0);
  const Json eight = measure(q8, reference);
  // Activations are rounded to int8 in both, by other kernels: F16 against
  // the source has a KL of 0.0035 and 0.36 % in perplexity over 2,216 tokens,
  // this file 0.0062 and 0.46 %. A text as short as this one is noisier.
  EXPECT_NEAR(eight["perplexity"], source, 0.02 * source);
  EXPECT_LT(eight["kl_mean"], 0.01);
  EXPECT_GT(eight["same_top"], 0.85);  // of 58 tokens

  const std::string q4 = (folder_ / "q4.gguf").string();
  const Result four = Run("quantize --type Q4_K_M " + Model() + " " + q4);
  ASSERT_EQ(four.status, 0);
  EXPECT_NE(four.err.find("notice: Q4_K:"), std::string::npos) << four.err;
  const Json mixed = measure(q4, reference);
  EXPECT_LT(eight["kl_mean"], mixed["kl_mean"]);
  EXPECT_LT(mixed["kl_mean"], 0.1);
  EXPECT_LE(mixed["kl_p99"], mixed["kl_max"]);
}

TEST_F(CliModelsTest, FitPredictsFromTheHeader) {
  const std::string path = Write("toy.gguf", generate::ToyGguf(3));
  const Result result = Run("fit --threads 1 --context 64 --json " + path);
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = ParseJson(result.out, "stdout");
  EXPECT_EQ(json["architecture"], "llama");
  EXPECT_EQ(json["quantization"], "Q8_0");
  EXPECT_EQ(json["context"], 64);
  EXPECT_EQ(json["threads"], 1);
  const Json& memory = json["memory"];
  // A page of 64 positions: keys and values of 2 heads of 16 in 2 layers, f16.
  EXPECT_EQ(memory["kv_bytes"], 64 * 2 * 2 * 2 * 16 * 2);
  EXPECT_EQ(memory["total_bytes"].get<uint64_t>(),
            memory["weights_bytes"].get<uint64_t>() +
                memory["kv_bytes"].get<uint64_t>() +
                memory["scratch_bytes"].get<uint64_t>());
  EXPECT_EQ(memory["fits"], true);
  EXPECT_GT(json["roofs"]["int8_ops_per_s"], 1e8);
  EXPECT_GT(json["speed"]["prompt_tokens_per_s"], 0);
  EXPECT_EQ(json["choice"]["type"], "Q8_0");
  EXPECT_EQ(json["choice"]["reason"], "source");
  const Json& options = json["quantizations"];
  ASSERT_GE(options.size(), 2u);
  EXPECT_EQ(options[0]["source"], true);
  for (const char* key : {"type", "file_bytes", "memory_bytes", "fits",
                          "prompt_tokens_per_s", "decode_tokens_per_s"}) {
    EXPECT_TRUE(options[1].contains(key)) << key;
  }
  const Result text = Run("fit --threads 1 " + path);
  EXPECT_NE(text.out.find("* Q8_0 (as it is)"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("with room"), std::string::npos);

  EXPECT_EQ(Run("fit " + path + " --context 513").status, 2);
  EXPECT_EQ(Run("fit " + path + " --context 0").status, 2);
  EXPECT_EQ(Run("fit /nonexistent.gguf").status, 3);
  EXPECT_EQ(Run("fit " + Write("letter.gguf", "Dear reader\n")).status, 8);
}

TEST_F(CliModelsTest, FitSaysWhatItCannotKnowBeforeADownload) {
  const Result result = Run("fit smollm2 --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const Json json = ParseJson(result.out, "stdout");
  EXPECT_GT(json["download_bytes"], 90'000'000);
  EXPECT_TRUE(json["speed"].is_null());
  EXPECT_NE(json["missing"].get<std::string>().find("malmoi pull smollm2"),
            std::string::npos);
  const Result text = Run("fit smollm2");
  EXPECT_NE(text.err.find("smollm2: keys and values, quantizations and speed "
                          "cannot be predicted; expected the model's header"),
            std::string::npos)
      << text.err;
  // A repository must be asked.
  EXPECT_EQ(Run("fit org/repo:Q4_0").status, 4);
  EXPECT_EQ(Run("fit org/repo:Q4_0", "HF_HUB_OFFLINE=1").status, 3);
}

TEST_F(CliModelsTest, BenchPrintsPredictionAndMeasurement) {
  const std::string path = Write("toy.gguf", generate::ToyGguf(3));
  const std::string bench = "bench " + path +
                            " --prompt 40 --decode 8 --repetitions 1 "
                            "--threads 1 --json";
  const auto works = [&](const std::string& options) {
    const Result result = Run(bench + options);
    EXPECT_EQ(result.status, 0) << result.err;
    return ParseJson(result.out, "stdout")["results"];
  };
  const Json plain = works("");
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[0]["work"], "prompt 40");
  EXPECT_EQ(plain[1]["work"], "decode 8");
  for (const Json& result : plain) {
    EXPECT_GT(result["tokens_per_s"], 0);
    EXPECT_GT(result["share_of_roof"], 0);
    double seconds = 0;
    for (const auto& part : result["predicted_s"])
      seconds += part.get<double>();
    const double tokens = result["work"] == "prompt 40" ? 40 : 8;
    EXPECT_NEAR(result["predicted_tokens_per_s"].get<double>() * seconds,
                tokens, 1e-9 * tokens);
  }
  EXPECT_EQ(works(" --depth 300")[1]["work"], "decode 8 @300");
  EXPECT_EQ(works(" --depth 70 --sequences 3")[1]["work"], "decode 8 @70 x3");
  EXPECT_EQ(Run(bench + " --depth 505").status, 9);
  EXPECT_EQ(Run(bench + " --sequences 0").status, 2);
}

}  // namespace
}  // namespace malmoi
