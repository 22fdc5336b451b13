// map: vectors as points in two dimensions, as a picture, a page to explore or
// numbers.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/format.h"
#include "base/partial_file.h"
#include "cli/embedding.h"
#include "cli/generation.h"
#include "cli/map_input.h"
#include "cli/terminal.h"
#include "cli/word2vec.h"
#include "formats/npy.h"
#include "learn/manifold/measures.h"
#include "learn/manifold/pca.h"
#include "learn/manifold/umap.h"
#include "picture/scatter.h"

namespace malmoi::cli {

namespace {

enum class Form { kSvg, kPng, kHtml, kNpy, kJsonl, kCsv };

struct MapOptions {
  bool pca = false;
  learn::UmapOptions umap;
  bool neighbours_given = false;
  Form form = Form::kJsonl;
  std::string output;  // empty: standard output
  double width = 1000, height = 800;
};

double NumberOption(const Invocation& call, const char* name,
                    double otherwise) {
  const double value = call.Number(name).value_or(otherwise);
  if (value >= 0 && value <= 1e6) return value;
  throw Error(ErrorCode::kUsage, {.where = name,
                                  .what = "value out of range",
                                  .expected = "0 to 1000000",
                                  .got = Format("{}", value)});
}

template <typename T>
T Choice(const Invocation& call, const char* name, const char* otherwise,
         const std::map<std::string, T>& choices, const char* expected) {
  const std::string got = call.Text(name).value_or(otherwise);
  const auto found = choices.find(got);
  if (found != choices.end()) return found->second;
  throw Error(ErrorCode::kUsage, {.where = name,
                                  .what = "no such choice",
                                  .expected = expected,
                                  .got = got});
}

void ReadSize(const Invocation& call, MapOptions& options) {
  const auto size = call.Text("--size");
  if (!size) return;
  int width = 0, height = 0;
  char rest = 0;
  if (std::sscanf(size->c_str(), "%dx%d%c", &width, &height, &rest) != 2 ||
      width < 100 || height < 100 || width > 20000 || height > 20000) {
    throw Error(ErrorCode::kUsage, {.where = "--size",
                                    .what = "value out of range",
                                    .expected = "WIDTHxHEIGHT, 100 to 20000",
                                    .got = *size});
  }
  options.width = width;
  options.height = height;
}

// Options that only mean something with another one.
void RefuseIdle(const Invocation& call, bool pca, const MapOptions& options) {
  const auto refuse = [&](bool idle, std::initializer_list<const char*> names,
                          const char* needed) {
    for (const char* name : names) {
      if (idle && (call.Text(name) || call.Flag(name))) {
        ThrowUsage(name, "another option is needed", needed);
      }
    }
  };
  refuse(pca,
         {"--metric", "--min-dist", "--spread", "--epochs", "--negative",
          "--init", "--neighbors", "--seed"},
         "--method umap");
  refuse(!call.Text("--model"), {"--prompt", "--int8", "--bf16", "--truncate"},
         "--model MODEL");
  refuse(options.form != Form::kSvg && options.form != Form::kPng, {"--size"},
         "-o with .svg or .png");
  refuse(options.form != Form::kSvg && options.form != Form::kHtml, {"--title"},
         "-o with .svg or .html");
}

MapOptions ReadMapOptions(const Invocation& call) {
  MapOptions options;
  options.pca = Choice<bool>(call, "--method", "umap",
                             {{"umap", false}, {"pca", true}}, "umap or pca");
  learn::UmapOptions& umap = options.umap;
  umap.metric =
      Choice<learn::Metric>(call, "--metric", "cosine",
                            {{"cosine", learn::Metric::kCosine},
                             {"euclidean", learn::Metric::kEuclidean}},
                            "cosine or euclidean");
  umap.start =
      Choice<learn::MapStart>(call, "--init", "spectral",
                              {{"spectral", learn::MapStart::kSpectral},
                               {"pca", learn::MapStart::kPca},
                               {"random", learn::MapStart::kRandom}},
                              "spectral, pca or random");
  umap.dimensions = IntegerBetween(call, "--dimensions", 2, 1, 16);
  options.neighbours_given = call.Text("--neighbors").has_value();
  umap.neighbours = IntegerBetween(call, "--neighbors", 15, 2, 10000);
  umap.epochs = IntegerBetween(call, "--epochs", 0, 0, 1'000'000);
  umap.negatives =
      static_cast<int>(IntegerBetween(call, "--negative", 5, 0, 1000));
  umap.seed =
      static_cast<uint64_t>(IntegerBetween(call, "--seed", 42, 0, INT64_MAX));
  umap.min_dist = NumberOption(call, "--min-dist", 0.1);
  umap.spread = NumberOption(call, "--spread", 1);
  ReadSize(call, options);
  if (const auto output = call.Text("--output")) {
    options.output = *output;
    const std::string extension =
        std::filesystem::path(*output).extension().string();
    const std::map<std::string, Form> forms = {
        {".svg", Form::kSvg},      {".png", Form::kPng},
        {".html", Form::kHtml},    {".htm", Form::kHtml},
        {".npy", Form::kNpy},      {".jsonl", Form::kJsonl},
        {".ndjson", Form::kJsonl}, {".csv", Form::kCsv}};
    const auto form = forms.find(extension);
    if (form == forms.end()) {
      throw Error(ErrorCode::kUsage,
                  {.where = "--output",
                   .what = "unknown form of a map",
                   .expected = ".svg, .png, .html, .npy, .jsonl or .csv",
                   .got = *output});
    }
    options.form = form->second;
  }
  RefuseIdle(call, options.pca, options);
  const bool picture = options.form == Form::kSvg ||
                       options.form == Form::kPng ||
                       options.form == Form::kHtml;
  if (picture && umap.dimensions != 2) {
    ThrowUsage("--dimensions", "a picture has two dimensions", "2",
               "-o with .npy, .jsonl or .csv");
  }
  return options;
}

// Percent on a terminal; false once Ctrl-C was pressed.
learn::Progress ShowProgress() {
  const bool draw = IsTerminal(STDERR_FILENO);
  return [draw](std::string_view what, double part) {
    if (draw) {
      const std::string text =
          Format("\r{} {:.0f}%\033[K", Translate(what), 100 * part);
      if (write(STDERR_FILENO, text.data(), text.size()) < 0) return false;
    }
    return !InterruptGuard::Interrupted();
  };
}

void EndProgress() {
  if (IsTerminal(STDERR_FILENO)) {
    [[maybe_unused]] const auto done = write(STDERR_FILENO, "\r\033[K", 4);
  }
}

struct Map {
  std::vector<float> places;  // [rows][dimensions]
  int64_t dimensions = 2;
  Json about;
};

Map LayOutPoints(const MapOptions& options, ThreadPool& pool,
                 const learn::Points& points) {
  Map map;
  const auto start = std::chrono::steady_clock::now();
  learn::CheckPoints(points, "map");
  map.dimensions = options.umap.dimensions;
  map.about = {{"points", points.rows}, {"columns", points.columns}};
  if (options.pca) {
    const auto pca = learn::FitPca(pool, points, map.dimensions);
    map.places = pca.Transform(pool, points);
    map.about["method"] = "pca";
    map.about["explained_variance_ratio"] = pca.share;
  } else {
    learn::UmapOptions umap = options.umap;
    if (!options.neighbours_given) {
      umap.neighbours =
          std::clamp<int64_t>(points.rows - 1, 2, umap.neighbours);
    }
    auto found = learn::FitUmap(pool, points, umap, ShowProgress());
    map.places = std::move(found.places);
    map.about["method"] = "umap";
    map.about["neighbors"] = umap.neighbours;
    map.about["exact_neighbors"] = found.exact;
    map.about["components"] = found.components;
    map.about["seed"] = umap.seed;
  }
  map.about["seconds"] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
          .count();
  return map;
}

void AddQuality(const MapOptions& options, ThreadPool& pool,
                const learn::Points& points, Map& map) {
  learn::QualityOptions quality;
  quality.metric =
      options.pca ? learn::Metric::kEuclidean : options.umap.metric;
  quality.neighbours =
      std::min<int64_t>(quality.neighbours, (points.rows - 1) / 2);
  if (quality.neighbours < 1) return;
  const auto found =
      learn::MeasureMap(pool, points, {map.places, points.rows, map.dimensions},
                        quality, ShowProgress());
  map.about["trustworthiness"] = found.trustworthiness;
  map.about["preservation"] = found.preservation;
  map.about["quality_neighbors"] = found.neighbours;
  map.about["quality_points"] = found.rows;
}

// Quoted where RFC 4180 asks for it.
std::string CsvField(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string LinesOf(const Map& map, const MapInput& input, bool csv) {
  std::string out;
  if (csv) {
    for (int64_t d = 0; d < map.dimensions; ++d) {
      out += Format("{}{}", d > 0 ? "," : "",
                    map.dimensions <= 3 ? std::string(1, "xyz"[d])
                                        : Format("x{}", d + 1));
    }
    out += input.texts.empty() ? "" : ",text";
    out += input.labels.empty() ? "\r\n" : ",label\r\n";
  }
  for (int64_t r = 0; r < input.rows; ++r) {
    const auto i = static_cast<size_t>(r);
    const float* place = map.places.data() + r * map.dimensions;
    if (csv) {
      for (int64_t d = 0; d < map.dimensions; ++d) {
        out += Format("{}{}", d > 0 ? "," : "", place[d]);
      }
      if (!input.texts.empty()) out += "," + CsvField(input.texts[i]);
      if (!input.labels.empty()) out += "," + CsvField(input.labels[i]);
      out += "\r\n";
      continue;
    }
    Json object = {
        {"place", std::vector<float>(place, place + map.dimensions)}};
    if (!input.texts.empty()) object["text"] = input.texts[i];
    if (!input.labels.empty()) object["label"] = input.labels[i];
    out += DumpJson(object) + "\n";
  }
  return out;
}

picture::Scatter ScatterOf(const Invocation& call, const MapOptions& options,
                           const Map& map, const MapInput& input) {
  picture::Scatter scatter;
  scatter.title = call.Text("--title").value_or(
      call.positionals[0] == "-"
          ? ""
          : std::filesystem::path(call.positionals[0]).filename().string());
  scatter.width = options.width;
  scatter.height = options.height;
  for (int64_t r = 0; r < input.rows; ++r) {
    scatter.x.push_back(
        static_cast<double>(map.places[static_cast<size_t>(2 * r)]));
    scatter.y.push_back(
        static_cast<double>(map.places[static_cast<size_t>(2 * r + 1)]));
  }
  scatter.texts = input.texts;
  std::map<std::string, int32_t> classes;
  for (const std::string& label : input.labels) classes[label] = 0;
  for (auto& [name, index] : classes) {
    index = static_cast<int32_t>(scatter.class_names.size());
    scatter.class_names.push_back(name);
  }
  for (const std::string& label : input.labels) {
    scatter.classes.push_back(classes[label]);
  }
  return scatter;
}

std::string BytesOf(const Invocation& call, const MapOptions& options,
                    const MapInput& input, Map& map) {
  switch (options.form) {
    case Form::kNpy:
      return formats::NpyBytes(DType::kF32, {input.rows, map.dimensions},
                               std::span<const float>(map.places));
    case Form::kJsonl:
      return LinesOf(map, input, false);
    case Form::kCsv:
      return LinesOf(map, input, true);
    default:
      break;
  }
  const auto scatter = ScatterOf(call, options, map, input);
  Json classes = Json::array();
  for (size_t c = 0; c < scatter.class_names.size(); ++c) {
    const auto index = static_cast<int32_t>(c);
    classes.push_back({{"label", scatter.class_names[c]},
                       {"points", std::count(scatter.classes.begin(),
                                             scatter.classes.end(), index)},
                       {"colour", picture::ClassColour(scatter, index)}});
  }
  if (!classes.empty()) map.about["classes"] = std::move(classes);
  if (options.form == Form::kSvg) return picture::ScatterSvg(scatter);
  if (options.form == Form::kPng) return picture::ScatterPng(scatter);
  return picture::ScatterHtml(scatter, Korean() ? "ko" : "en");
}

void Tell(const Invocation& call, const MapOptions& options, const Map& map) {
  if (call.json()) return PrintJson(map.about);
  std::string line =
      Format("{}: {} {}, {}, {:.2f} s", options.output,
             map.about["points"].get<int64_t>(), Translate("points"),
             map.about["method"].get<std::string>(),
             map.about["seconds"].get<double>());
  if (map.about.contains("trustworthiness")) {
    line += Format(", {} {:.4f}, {} {:.4f}", Translate("trustworthiness"),
                   map.about["trustworthiness"].get<double>(),
                   Translate("neighbours kept"),
                   map.about["preservation"].get<double>());
  }
  Print(line + "\n");
}

int DrawMap(const Invocation& call) {
  const MapOptions options = ReadMapOptions(call);
  // Whether it can be written is known before the work.
  std::optional<PartialFile> file;
  if (!options.output.empty()) file.emplace(options.output);
  const MapInput input = ReadMapInput(call);
  if (InterruptGuard::Interrupted()) return kInterrupted;
  const learn::Points points = {input.values, input.rows, input.columns};
  ThreadPool pool(ThreadsOption(call));
  Map map = LayOutPoints(options, pool, points);
  if (!call.Flag("--no-quality") && file) {
    AddQuality(options, pool, points, map);
  }
  EndProgress();
  const std::string bytes = BytesOf(call, options, input, map);
  if (!file) {
    Print(bytes);
    return 0;
  }
  map.about["output"] = options.output;
  file->Write(bytes);
  file->Finish(/*sync=*/false);
  Tell(call, options, map);
  return 0;
}

}  // namespace

int MapVerb(const Invocation& call) {
  const InterruptGuard guard;
  try {
    return DrawMap(call);
  } catch (const Error& error) {
    EndProgress();
    if (error.code() == ErrorCode::kCancelled &&
        InterruptGuard::Interrupted()) {
      return kInterrupted;
    }
    throw;
  }
}

}  // namespace malmoi::cli
