// malmoi inspect layers: a word's uses in several sentences, layer by layer.
#include <unistd.h>

#include <algorithm>

#include "apps/inspect/token_labels.h"
#include "apps/inspect/word_senses.h"
#include "base/error.h"
#include "base/file.h"
#include "base/format.h"
#include "cli/inspect.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "formats/npy.h"
#include "text/unicode/utf8.h"

namespace malmoi::cli {

namespace {

using apps::LayerSenses;
using apps::WordSenses;

// The positionals, --file or standard input: a sentence each, with its sense in
// front of a tab where there is one. Blank lines and those after # are none.
std::vector<apps::SenseSentence> Sentences(const Invocation& call) {
  std::vector<std::string> lines(call.positionals.begin() + 3,
                                 call.positionals.end());
  if (const auto file = call.Text("--file")) {
    if (!lines.empty()) {
      throw Error(ErrorCode::kUsage, {.where = "--file",
                                      .what = "sentences and a file of them",
                                      .expected = "either"});
    }
    ReadFromFile(*file);
  }
  if (lines.empty()) {
    while (auto line = ReadLine()) lines.push_back(*line);
  }
  std::vector<apps::SenseSentence> sentences;
  for (std::string& line : lines) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos || line[0] == '#') {
      continue;
    }
    RequireUtf8(line, "sentences");
    sentences.push_back(apps::ParseSenseSentence(line));
  }
  return sentences;
}

Json SensesJson(const std::string& model, const WordSenses& senses) {
  const size_t n = senses.sentences.size();
  Json sentences = Json::array(), layers = Json::array();
  for (size_t i = 0; i < n; ++i) {
    sentences.push_back({{"text", senses.sentences[i].text},
                         {"sense", senses.sentences[i].sense},
                         {"begin", senses.places[i].first},
                         {"end", senses.places[i].second},
                         {"tokens", senses.tokens[i]}});
  }
  for (const LayerSenses& layer : senses.layers) {
    Json matrix = Json::array(), map = Json::array(), nearest = Json::array();
    for (size_t i = 0; i < n; ++i) {
      Json row = Json::array();
      for (size_t j = 0; j < n; ++j) {
        row.push_back(Digits(layer.similarity[i * n + j]));
      }
      matrix.push_back(std::move(row));
      map.push_back({Digits(layer.map[i][0]), Digits(layer.map[i][1])});
      nearest.push_back(apps::NearestUses(layer, i)[0] + 1);
    }
    Json one = {{"layer", layer.name},
                {"similarity", std::move(matrix)},
                {"nearest", std::move(nearest)},
                {"map", std::move(map)},
                {"explained",
                 {Digits(layer.explained[0]), Digits(layer.explained[1])}}};
    if (senses.compared) {
      one["same"] = Digits(layer.same);
      one["different"] = Digits(layer.different);
      one["gap"] = Digits(layer.gap());
      one["nearest_same"] = Digits(layer.nearest_same);
    }
    layers.push_back(std::move(one));
  }
  return {{"model", model},
          {"word", senses.word},
          {"sentences", std::move(sentences)},
          {"layers", std::move(layers)}};
}

void WriteNpz(const WordSenses& senses, const std::string& path) {
  std::vector<float> vectors;
  std::vector<double> similarity;
  for (const LayerSenses& layer : senses.layers) {
    vectors.insert(vectors.end(), layer.vectors.begin(), layer.vectors.end());
    similarity.insert(similarity.end(), layer.similarity.begin(),
                      layer.similarity.end());
  }
  const auto layers = std::ssize(senses.layers);
  const auto n = std::ssize(senses.sentences);
  const std::vector<formats::NpzItem> items = {
      {"vectors", formats::NpyBytes<float>(DType::kF32,
                                           {layers, n, senses.width}, vectors)},
      {"similarity",
       formats::NpyBytes<double>(DType::kF64, {layers, n, n}, similarity)}};
  formats::WriteNpz(path, items);
}

std::string Bar(double value) {
  const int eighths = std::clamp(static_cast<int>(value * 240), 0, 240);
  static constexpr const char* kParts[] = {"",  "▏", "▎", "▍",
                                           "▌", "▋", "▊", "▉"};
  std::string bar;
  for (int i = 0; i < eighths / 8; ++i) bar += "█";
  return bar + kParts[eighths % 8];
}

void PrintMatrix(const LayerSenses& layer, size_t n) {
  constexpr size_t kMost = 16;
  if (n > kMost) {
    Print(Format("({} × {}: --json)\n", n, n));
    return;
  }
  std::string line = "     ";
  for (size_t j = 0; j < n; ++j) line += Format("{:>6}", j + 1);
  Print(line + "\n");
  for (size_t i = 0; i < n; ++i) {
    line = Format("{:>4} ", i + 1);
    for (size_t j = 0; j < n; ++j) {
      const double value = layer.similarity[i * n + j];
      const char* code = value >= 0.75 ? "1" : value < 0.5 ? "2" : "";
      const std::string cell = Format("{:>6.2f}", value);
      line += i == j          ? "     ·"
              : *code != '\0' ? Paint(code, cell, STDOUT_FILENO)
                              : cell;
    }
    Print(line + "\n");
  }
}

std::string CenterNote(bool center) {
  return center ? ", " + Translate("less the mean over the sentences") : "";
}

void PrintSenses(const std::string& model, const WordSenses& senses,
                 const LayerSenses& shown, bool center) {
  const size_t n = senses.sentences.size();
  Print(Format("\"{}\" {} {} ({}){}\n", senses.word, n, Translate("sentences"),
               model, CenterNote(center)));
  if (senses.compared) {
    Print("\n" +
          Translate("mean cosine of the word's vectors: same sense, other "
                    "sense, and the gap; the share of uses whose nearest "
                    "is of the same sense") +
          "\n");
    Print(Format("{:>6} {:>7} {:>7} {:>7} {:>8}\n", Translate("layer"),
                 Translate("same"), Translate("other"), Translate("gap"),
                 Translate("nearest")));
    for (const LayerSenses& layer : senses.layers) {
      Print(Format("{:>6} {:>7.3f} {:>7.3f} {:>+7.3f} {:>7.0f}%  {}\n",
                   layer.name, layer.same, layer.different, layer.gap(),
                   100 * layer.nearest_same,
                   Paint("36", Bar(layer.gap()), STDOUT_FILENO)));
    }
  }
  Print(Format("\n{} {}\n", Translate("nearest uses at layer"), shown.name));
  int sense_width = 0;
  for (const auto& sentence : senses.sentences) {
    sense_width = std::max(sense_width, text::DisplayWidth(sentence.sense));
  }
  for (size_t i = 0; i < n; ++i) {
    const auto& sentence = senses.sentences[i];
    std::string line = Format("{:>4} ", i + 1);
    if (sense_width > 0) {
      line += apps::PadToWidth(sentence.sense, sense_width) + "  ";
    }
    const int room = std::max(20, TerminalColumns() - sense_width - 44);
    line += apps::PadToWidth(sentence.text, std::min(room, 56));
    const auto nearest = apps::NearestUses(shown, i);
    line += " →";
    for (size_t k = 0; k < std::min<size_t>(3, nearest.size()); ++k) {
      line += Format(" {:>2} {:.2f}", nearest[k] + 1,
                     shown.similarity[i * n + nearest[k]]);
    }
    Print(line + "\n");
  }
  Print(Format("\n{} {}\n", Translate("cosines at layer"), shown.name));
  PrintMatrix(shown, n);
}

}  // namespace

int InspectLayers(const Invocation& call) {
  const InspectOutput output(call, ".svg .html .json .npz");
  if (call.positionals.size() < 3) {
    throw Error(ErrorCode::kUsage, {.where = "malmoi inspect layers",
                                    .what = "an argument is missing",
                                    .expected = "MODEL WORD [SENTENCE...]",
                                    .hint = "malmoi inspect --help"});
  }
  const std::string& word = call.positionals[2];
  RequireUtf8(word, "word");
  const auto sentences = Sentences(call);
  const auto model = OpenInspected(call, false);
  const int64_t layers = model->shape().layers;
  const int64_t wanted = call.Integer("--layer").value_or(layers);
  if (wanted < 0 || wanted > layers) {
    throw Error(ErrorCode::kInvalidArgument,
                {.where = "--layer",
                 .what = "value out of range",
                 .expected = Format("0 to {}", layers),
                 .got = std::to_string(wanted)});
  }
  const InterruptGuard guard;
  apps::SenseOptions options;
  options.center = call.Flag("--center");
  options.progress = [](int64_t, int64_t) {
    if (InterruptGuard::Interrupted()) {
      throw Error(ErrorCode::kCancelled,
                  {.where = "malmoi inspect", .what = "interrupted"});
    }
  };
  const WordSenses senses =
      apps::ReadWordSenses(*model, word, sentences, options);
  const std::string& name = call.positionals[1];
  if (output.json()) {
    output.Write(SensesJson(name, senses));
  } else if (output.Is(".npz")) {
    WriteNpz(senses, output.path());
  } else if (!output.text()) {
    const apps::PictureText words = PictureWords(
        Format("“{}”, {}", word, Translate("layer by layer")),
        Format("{} · {}{}", name,
               Translate("each map: the first two principal components of the "
                         "word's vectors in these sentences"),
               CenterNote(options.center)));
    output.WritePicture(words, apps::SensesSvg(words, senses),
                        output.Is(".html") ? SensesJson(name, senses) : Json());
  } else {
    PrintSenses(name, senses, senses.layers[static_cast<size_t>(wanted)],
                options.center);
  }
  return 0;
}

}  // namespace malmoi::cli
