// What inspect reads of models: against transformers (tools/
// make_golden_inspect.py and the golden models' own values), against what the
// same models give elsewhere, and against what must hold.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numeric>

#include "apps/inspect/attention_maps.h"
#include "apps/inspect/hidden_states.h"
#include "apps/inspect/lens.h"
#include "apps/inspect/surprisal.h"
#include "apps/inspect/token_labels.h"
#include "apps/testing/inspected.h"
#include "base/error.h"
#include "formats/safetensors.h"
#include "models/testing/reference.h"

namespace malmoi::apps {
namespace {

const std::string kGolden = MALMOI_SOURCE_DIR "/tests/golden";

ErrorCode CodeOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kIo;
}

class InspectTest : public ::testing::Test {
 protected:
  InspectedModel Load(const std::string& model, bool head = false) {
    InspectOptions options;
    options.precision = models::Precision::kExact;
    options.threads = 2;
    options.head = head;
    return InspectedModel(folders_.With(model), options);
  }
  static std::vector<float> Golden(const std::string& model,
                                   const std::string& tensor) {
    const auto file = formats::SafetensorsFile::Open(kGolden + "/inspect/" +
                                                     model + ".safetensors");
    const Tensor& found = file.tensors.at(tensor);
    const auto* values = reinterpret_cast<const float*>(found.data.data());
    return {values, values + found.elements()};
  }

  ModelFolders folders_{kGolden};
};

TEST_F(InspectTest, HiddenStatesAreTheReferences) {
  for (const char* name :
       {"zoo/gpt2", "architectures/gemma3", "zoo_encoders/bert",
        "zoo_encoders/modernbert", "zoo_state_space/mamba"}) {
    SCOPED_TRACE(name);
    const models::Expected expected(kGolden + "/" + name);
    const auto model = Load(name);
    std::string prompt;  // one whose layers were kept, of one text
    for (const char* each : {"2.", "1.", "0."}) {
      const std::string types = std::string(each) + "types";
      if (!expected.Has(std::string(each) + "layers")) continue;
      if (expected.Has(types)) {
        const auto all = expected.Ids(types);
        if (std::count(all.begin(), all.end(), 0) != std::ssize(all)) continue;
      }
      prompt = each;
    }
    const auto ids = expected.Ids(prompt + "ids");
    const HiddenStates states = ReadHiddenStates(model, ids, {});
    const auto layers = expected.Floats(prompt + "layers");
    const size_t size = ids.size() * static_cast<size_t>(states.width);
    ASSERT_EQ((states.layers.size() - 1) * size, layers.size());
    EXPECT_LT(models::Difference(states.layers[0],
                                 expected.Floats(prompt + "embedding")),
              1e-5);
    for (size_t i = 1; i < states.layers.size(); ++i) {
      EXPECT_LT(models::Difference(states.layers[i], std::span(layers).subspan(
                                                         (i - 1) * size, size)),
                1e-4);
    }
    // Positions alone are the same bits.
    const HiddenStates part = ReadHiddenStates(model, ids, {}, {2, 4});
    const auto width = static_cast<size_t>(states.width);
    for (size_t i = 0; i < states.layers.size(); ++i) {
      const auto whole = std::span(states.layers[i]);
      EXPECT_TRUE(std::equal(part.layers[i].begin(), part.layers[i].end(),
                             whole.begin() + static_cast<long>(2 * width)));
    }
  }
}

TEST_F(InspectTest, TheLastNormIsShownWhereThereIsOne) {
  const models::Expected expected(kGolden + "/zoo_encoders/modernbert");
  const auto modern = Load("zoo_encoders/modernbert");
  EXPECT_LT(models::Difference(
                ReadHiddenStates(modern, expected.Ids("0.ids"), {}).normed,
                expected.Floats("0.last_hidden")),
            1e-4);
  EXPECT_TRUE(
      ReadHiddenStates(Load("zoo_encoders/bert"), expected.Ids("0.ids"), {})
          .normed.empty());
}

TEST_F(InspectTest, MapsAndRolloutAreTheReferences) {
  const struct {
    const char *model, *name, *prompt;
    int64_t layers, heads;
  } cases[] = {{"architectures/llama", "llama", "", 2, 4},
               {"zoo/gpt_oss", "gpt_oss", "0.", 2, 4},
               {"zoo_encoders/bert", "bert", "2.", 2, 5}};
  for (const auto& item : cases) {
    SCOPED_TRACE(item.model);
    const models::Expected expected(kGolden + "/" + item.model);
    const std::string prompt =
        expected.Has(std::string(item.prompt) + "ids") ? item.prompt : "0.";
    if (expected.Has(prompt + "types")) {
      // Inspect reads one text; the reference's has a second.
      const auto types = expected.Ids(prompt + "types");
      if (std::count(types.begin(), types.end(), 0) != std::ssize(types)) {
        continue;
      }
    }
    const auto ids = expected.Ids(prompt + "ids");
    const auto model = Load(item.model);
    const auto want = Golden(item.name, "attention");
    const AttentionMaps all = ReadAttention(model, ids, {}, {});
    ASSERT_EQ(std::ssize(all.maps), item.layers * item.heads);
    const size_t size = ids.size() * ids.size();
    for (size_t m = 0; m < all.maps.size(); ++m) {
      EXPECT_EQ(all.maps[m].layer, static_cast<int64_t>(m) / item.heads + 1);
      EXPECT_EQ(all.maps[m].head, static_cast<int64_t>(m) % item.heads + 1);
      for (size_t i = 0; i < size; ++i) {
        ASSERT_NEAR(all.maps[m].values[i], want[m * size + i], 1e-4);
      }
    }
    const AttentionMaps one =
        ReadAttention(model, ids, {}, {.layer = 2, .head = 3});
    ASSERT_EQ(one.maps.size(), 1u);
    EXPECT_EQ(one.maps[0].values,
              all.maps[static_cast<size_t>(item.heads + 2)].values);
    const AttentionMaps mean =
        ReadAttention(model, ids, {}, {.layer = 1, .mean = true});
    float sum = 0;
    for (int64_t h = 0; h < item.heads; ++h) {
      sum += all.maps[static_cast<size_t>(h)].values[size - 1];
    }
    EXPECT_NEAR(mean.maps[0].values[size - 1],
                sum / static_cast<float>(item.heads), 1e-6);
    const auto flow = ReadRollout(model, ids, {}, AttentionKind::kEncoder);
    const auto rollout = Golden(item.name, "rollout");
    for (size_t i = 0; i < size; ++i) ASSERT_NEAR(flow[i], rollout[i], 1e-5);
  }
}

// 1,100 tokens come in pieces; rows still sum to 1 and the past is whole.
TEST_F(InspectTest, LongTextsComeInPieces) {
  const auto model = Load("zoo/qwen3");
  const int64_t count = model.max_tokens();
  ASSERT_GT(count, 0);
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (size_t i = 0; i < ids.size(); ++i) {
    ids[i] = static_cast<int32_t>((i * 7) % 290);
  }
  const AttentionMaps maps =
      ReadAttention(model, ids, {}, {.layer = 1, .mean = true});
  for (int64_t r = 0; r < count; ++r) {
    const float* row = maps.maps[0].values.data() + r * count;
    EXPECT_NEAR(std::accumulate(row, row + r + 1, 0.0), 1.0, 1e-4);
    EXPECT_EQ(std::accumulate(row + r + 1, row + count, 0.0), 0.0);
  }
}

TEST_F(InspectTest, HeadsInAFewNumbers) {
  const auto model = Load("zoo/gpt2");
  const std::vector<int32_t> ids = {5, 9, 30, 2, 77, 8};
  const AttentionMaps all = ReadAttention(model, ids, {}, {});
  const auto heads = SummarizeHeads(model, ids, {}, AttentionKind::kEncoder);
  ASSERT_EQ(heads.size(), all.maps.size());
  for (size_t m = 0; m < heads.size(); ++m) {
    double entropy = 0, self = 0, previous = 0, first = 0;
    for (size_t r = 1; r < ids.size(); ++r) {
      const float* row = all.maps[m].values.data() + r * ids.size();
      for (size_t p = 0; p <= r; ++p) {
        const double share = static_cast<double>(row[p]);
        if (share > 0) entropy -= share * std::log2(share) / 5;
      }
      self += static_cast<double>(row[r]) / 5;
      previous += static_cast<double>(row[r - 1]) / 5;
      first += static_cast<double>(row[0]) / 5;
    }
    EXPECT_NEAR(heads[m].entropy, entropy, 1e-5);
    EXPECT_NEAR(heads[m].self, self, 1e-6);
    EXPECT_NEAR(heads[m].previous, previous, 1e-6);
    EXPECT_NEAR(heads[m].first, first, 1e-6);
    EXPECT_EQ(heads[m].next, 0);
  }
}

TEST_F(InspectTest, RefusesWhatIsNotThere) {
  const std::vector<int32_t> ids = {5, 9, 30};
  const auto gpt = Load("zoo/gpt2");
  const auto ask = [&](const InspectedModel& model, AttentionChoice choice) {
    return CodeOf([&] { ReadAttention(model, ids, {}, choice); });
  };
  EXPECT_EQ(ask(gpt, {.layer = 3}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ask(gpt, {.layer = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ask(gpt, {.layer = 1, .head = 5}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(ask(gpt, {.kind = AttentionKind::kCross}), ErrorCode::kUnsupported);
  EXPECT_EQ(ask(Load("zoo_state_space/mamba"), {}), ErrorCode::kUnsupported);
  // LFM2: convolutions, and attention in one layer of three.
  const auto hybrid = Load("zoo/lfm2");
  const auto attends = hybrid.shape().attends;
  const auto without = std::find(attends.begin(), attends.end(), false);
  const auto with = std::find(attends.begin(), attends.end(), true);
  EXPECT_EQ(ask(hybrid, {.layer = without - attends.begin() + 1}),
            ErrorCode::kUnsupported);
  EXPECT_EQ(ReadAttention(hybrid, ids, {},
                          {.layer = with - attends.begin() + 1, .mean = true})
                .maps.size(),
            1u);
  EXPECT_EQ(
      CodeOf([&] { ReadRollout(hybrid, ids, {}, AttentionKind::kEncoder); }),
      ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf([&] { Load("zoo_encoders/bert", true); }),
            ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf([&] { ReadHiddenStates(gpt, ids, {}, {1, 4}); }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { gpt.Read("", "text"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf([&] { gpt.Read(std::string(3000, 'q'), "text"); }),
            ErrorCode::kContextOverflow);
  EXPECT_EQ(CodeOf([&] { gpt.ReadTarget("a", "--target"); }),
            ErrorCode::kUnsupported);
}

TEST_F(InspectTest, CrossAttentionOfAnEncoderDecoder) {
  const models::Expected expected(kGolden + "/zoo_seq2seq/t5");
  const auto model = Load("zoo_seq2seq/t5");
  const auto ids = expected.Ids("1.ids");
  const auto target = expected.Ids("1.decoder_ids");
  const struct {
    AttentionKind kind;
    const char* name;
  } kinds[] = {{AttentionKind::kEncoder, "encoder"},
               {AttentionKind::kDecoder, "decoder"},
               {AttentionKind::kCross, "cross"}};
  for (const auto& [kind, name] : kinds) {
    const AttentionMaps maps =
        ReadAttention(model, ids, target, {.kind = kind});
    std::vector<float> all;
    for (const AttentionMap& map : maps.maps) {
      all.insert(all.end(), map.values.begin(), map.values.end());
    }
    EXPECT_LT(models::Difference(all, Golden("t5", name)), 1e-4) << name;
  }
  EXPECT_EQ(CodeOf([&] {
              ReadAttention(model, ids, {}, {.kind = AttentionKind::kCross});
            }),
            ErrorCode::kInvalidArgument);
  // The decoder's stream, and what comes of its last layer.
  const Lens lens = ReadLens(model, ids, target, 3);
  EXPECT_EQ(lens.layers.size(), 3u);
  const Prediction next = PredictNext(model, ids, target, 3);
  EXPECT_EQ(lens.layers.back().back().top[0].id, next.top[0].id);
  EXPECT_NEAR(lens.layers.back().back().top[0].probability,
              next.top[0].probability, 1e-6);
}

TEST_F(InspectTest, TheLensEndsWithWhatTheModelSays) {
  for (const char* name : {"zoo/gemma2", "zoo/granite", "zoo/cohere2"}) {
    SCOPED_TRACE(name);
    const auto model = Load(name, true);
    const std::vector<int32_t> ids = {5, 9, 30, 2, 77, 8};
    const Lens lens = ReadLens(model, ids, {}, 300);
    std::vector<float> logits;
    model.Run(ids, {}, {}, [&](int64_t, std::span<const float> rows) {
      logits.insert(logits.end(), rows.begin(), rows.end());
    });
    for (size_t i = 0; i < ids.size(); ++i) {
      const Prediction& cell = lens.layers.back()[i];
      const auto row = std::span<const float>(logits).subspan(i * 300, 300);
      double total = 0, mass = 0;
      for (const float logit : row)
        total += std::exp(static_cast<double>(logit));
      for (const auto& one : cell.top) {
        mass += one.probability;
        EXPECT_NEAR(
            one.probability,
            std::exp(static_cast<double>(row[static_cast<size_t>(one.id)])) /
                total,
            1e-6);
      }
      EXPECT_NEAR(mass, 1.0, 1e-6);
      ASSERT_EQ(cell.next.has_value(), i + 1 < ids.size());
      if (!cell.next) continue;
      EXPECT_EQ(*cell.next, ids[i + 1]);
      EXPECT_EQ(cell.top[static_cast<size_t>(cell.rank - 1)].id, *cell.next);
    }
    // The logits of every layer's last position are the reference's.
  }
}

TEST(SummarizeTest, RanksAndEntropy) {
  const float logits[] = {0, std::log(2.0f), 0, -INFINITY};
  const Prediction prediction = Summarize(logits, 3, 2);
  EXPECT_EQ(prediction.top[0].id, 1);
  EXPECT_EQ(prediction.top[1].id, 0);  // a tie: the lower id
  EXPECT_NEAR(prediction.top[0].probability, 0.5, 1e-6);
  EXPECT_EQ(prediction.rank, 3);
  EXPECT_NEAR(prediction.probability, 0.25, 1e-6);
  EXPECT_NEAR(prediction.entropy, 1.5, 1e-6);
}

TEST_F(InspectTest, SurprisalIsPerplexityTokenByToken) {
  const auto model = Load("architectures/llama", true);
  const std::string text =
      "Words have to be gathered, weighed and sorted. 말모이, 1911: the first "
      "dictionary of a language is rarely written by one person.";
  for (const int64_t context : {int64_t{0}, int64_t{32}}) {
    const Surprisal surprisal = MeasureSurprisal(model, text, context);
    generate::EvalOptions options;
    options.context = context;
    options.kv_type = models::KvType::kF32;
    const auto want =
        generate::EvaluatePerplexity(model.language(), text, options);
    EXPECT_EQ(surprisal.scored, want.tokens);
    EXPECT_NEAR(surprisal.bits, want.nll / std::log(2.0), 1e-6);
    EXPECT_NEAR(surprisal.perplexity, want.perplexity, 1e-9 * want.perplexity);
    EXPECT_EQ(surprisal.bytes, static_cast<int64_t>(text.size()));
    EXPECT_FALSE(surprisal.tokens[0].bits.has_value());
  }
}

TEST_F(InspectTest, PiecesOfACharacterAreToldTogether) {
  const auto model = Load("architectures/llama");
  const ReadText read = model.Read("é쾌\n q", "text");
  std::string joined;
  for (const auto& label : read.labels) joined += "[" + label + "]";
  // Two bytes, three bytes, a newline, a space and a letter.
  EXPECT_EQ(joined.substr(0, 12), std::string("[é 1/2][é 2/2]").substr(0, 12));
  EXPECT_NE(joined.find("[쾌 1/3][쾌 2/3][쾌 3/3]"), std::string::npos)
      << joined;
  EXPECT_NE(joined.find("␊"), std::string::npos) << joined;
  EXPECT_NE(joined.find("▁"), std::string::npos) << joined;
  size_t covered = 0;
  for (const auto& [first, count] : read.units) {
    EXPECT_EQ(first, covered);
    covered += count;
  }
  EXPECT_EQ(covered, read.ids.size());
}

TEST(LabelTest, WidthsAreThoseOfATerminal) {
  EXPECT_EQ(CutToWidth("말모이 사전", 6), "말모…");
  EXPECT_EQ(PadToWidth("말", 4), "말  ");
  EXPECT_EQ(PadToWidth("abcdef", 4), "abc…");
}

}  // namespace
}  // namespace malmoi::apps
