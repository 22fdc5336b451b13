// pull, ls, show, rm: models on this machine.
#include "base/error.h"
#include "base/format.h"
#include "cli/generation.h"
#include "cli/terminal.h"
#include "hub/pull.h"
#include "represent/static/token_embedder.h"
#include "represent/static/vector_files.h"
#include "represent/static/word_embedder.h"
#include "text/tokenize/tokenizer.h"

namespace malmoi::cli {

namespace {

Json LocalJson(const hub::LocalModel& model) {
  return {{"name", model.name},
          {"path", model.path.string()},
          {"source", model.source},
          {"licence", model.licence},
          {"bytes", model.bytes}};
}

Json RecordJson(const models::QuantizeRecord& record) {
  Json json = {{"source_type", record.source_type},
               {"type", record.type},
               {"rms_error", record.rms_error},
               {"rms_errors", record.rms_errors},
               {"importance", record.importance}};
  if (record.importance) {
    json["importance_tokens"] = record.importance_tokens;
  }
  return json;
}

std::string RecordText(const models::QuantizeRecord& record) {
  std::string types;
  for (const auto& [type, error] : record.rms_errors) {
    types +=
        Format("{}{} {:.2f} %", types.empty() ? "" : ", ", type, 100 * error);
  }
  std::string text =
      Format("{} -> {}, {} {:.2f} %", record.source_type, record.type,
             Translate("RMS error of the weights"), 100 * record.rms_error);
  if (record.rms_errors.size() > 1) text += Format(" ({})", types);
  if (record.importance) {
    text += Format(", {} {} {}", Translate("importance from"),
                   record.importance_tokens, Translate("tokens"));
  }
  return text;
}

// "30 layers of width 576, 9 heads, 3 for keys and values; 49152 tokens".
std::string ShapeText(const generate::ModelInfo& info) {
  if (info.layers == 0) return "-";
  std::string text = std::to_string(info.layers);
  if (info.decoder_layers > 0) text += Format(" + {}", info.decoder_layers);
  text += Format(" {} {}", Translate("layers of width"), info.width);
  if (info.heads > 0) {
    text += Format(", {} {}", info.heads, Translate("heads"));
    if (info.kv_heads != info.heads) {
      text +=
          Format(" ({} {})", info.kv_heads, Translate("of keys and values"));
    }
  }
  return text + Format(", {} {}", info.vocabulary, Translate("tokens"));
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text.empty() ? "-" : text;
}

// Of vectors that a table holds: of tokens or of words.
struct TableInfo {
  std::string kind, quantization, tokenizer;
  int64_t rows = 0, dimensions = 0, vocabulary = 0, context = 0;
};

TableInfo DescribeTokens(const std::filesystem::path& path) {
  const auto table = represent::TokenTable::Open(path);
  const auto tokenizer = text::Tokenizer::FromFolder(table.folder);
  return {.kind = "static vectors of tokens",
          .quantization = std::string(Info(table.rows.dtype).name),
          .tokenizer = tokenizer->Describe(),
          .rows = table.rows.rows(),
          .dimensions = table.rows.columns(),
          .vocabulary = tokenizer->vocab_size(),
          .context = table.max_tokens};
}

TableInfo DescribeWords(const std::filesystem::path& path) {
  const auto vectors = represent::ReadVectors(path);
  return {.kind = vectors.has_subwords() ? "word vectors with subwords"
                                         : "word vectors",
          .quantization = "F32",
          .tokenizer = "",
          .rows = vectors.size(),
          .dimensions = vectors.dimensions(),
          .vocabulary = vectors.size()};
}

int ShowTable(const Invocation& call, const hub::LocalModel& local,
              const TableInfo& info) {
  const std::string licence = local.licence.empty() ? "-" : local.licence;
  if (call.json()) {
    PrintJson({{"name", local.name},
               {"path", local.path.string()},
               {"architecture", info.kind},
               {"parameters", info.rows * info.dimensions},
               {"quantization", info.quantization},
               {"context", info.context},
               {"license", local.licence},
               {"tasks", {"embed"}},
               {"shape",
                {{"width", info.dimensions},
                 {"rows", info.rows},
                 {"vocabulary", info.vocabulary}}},
               {"tokenizer", info.tokenizer}});
    return 0;
  }
  const auto row = [](std::string_view key, const std::string& value) {
    Print(Format("{:<14} {}\n", Translate(key), value));
  };
  row("name", local.name);
  row("path", local.path.string());
  row("architecture", info.kind);
  row("parameters", std::to_string(info.rows * info.dimensions));
  row("quantization", info.quantization);
  row("shape", Format("{} {}, {} {}", info.rows, Translate("vectors"),
                      info.dimensions, Translate("dimensions")));
  row("context", info.context > 0 ? std::to_string(info.context) : "-");
  row("license", licence);
  row("tasks", "embed");
  row("tokenizer", info.tokenizer.empty() ? "-" : info.tokenizer);
  row("size", FormatBytes(local.bytes));
  return 0;
}

}  // namespace

int PullVerb(const Invocation& call) {
  const InterruptGuard guard;
  TerminalProgress progress;
  const hub::LocalModel model =
      hub::Resolve(hub::ParseModelRef(call.positionals[0]),
                   hub::HubOptions::FromEnvironment(), progress);
  if (call.json()) {
    PrintJson(LocalJson(model));
  } else {
    Print(model.path.string() + "\n");
  }
  return 0;
}

int ListVerb(const Invocation& call) {
  const auto models = hub::ListLocal(hub::HubOptions::FromEnvironment());
  if (call.json()) {
    Json list = Json::array();
    for (const auto& model : models) list.push_back(LocalJson(model));
    PrintJson(list);
    return 0;
  }
  if (models.empty()) {
    Note(Translate("no models here yet; try: malmoi pull smollm2"));
    return 0;
  }
  for (const auto& model : models) {
    Print(Format("{:<40} {:>10}  {:<8} {}\n", model.name,
                 FormatBytes(model.bytes), model.source, model.path.string()));
  }
  return 0;
}

int ShowVerb(const Invocation& call) {
  const std::string& name = call.positionals[0];
  const auto local = hub::FindLocal(hub::ParseModelRef(name),
                                    hub::HubOptions::FromEnvironment());
  if (!local) {
    throw Error(ErrorCode::kNotFound,
                {.where = name,
                 .what = "the model is not on this machine",
                 .hint = "malmoi pull " + name});
  }
  if (represent::IsTokenTable(local->path)) {
    return ShowTable(call, *local, DescribeTokens(local->path));
  }
  if (represent::IsWordVectors(local->path)) {
    return ShowTable(call, *local, DescribeWords(local->path));
  }
  const generate::ModelInfo info = generate::DescribeModel(local->path);
  const std::string licence =
      local->licence.empty() ? info.license : local->licence;
  if (call.json()) {
    Json json = {{"name", info.name},
                 {"path", info.path.string()},
                 {"architecture", info.architecture},
                 {"parameters", info.parameters},
                 {"quantization", info.quantization},
                 {"context", info.context},
                 {"license", licence},
                 {"tasks", info.tasks},
                 {"shape",
                  {{"layers", info.layers},
                   {"decoder_layers", info.decoder_layers},
                   {"width", info.width},
                   {"heads", info.heads},
                   {"kv_heads", info.kv_heads},
                   {"vocabulary", info.vocabulary}}},
                 {"languages", info.languages},
                 {"tokenizer", info.tokenizer}};
    if (info.quantized) json["quantized"] = RecordJson(*info.quantized);
    PrintJson(json);
    return 0;
  }
  const auto row = [](std::string_view key, const std::string& value) {
    Print(Format("{:<14} {}\n", Translate(key), value));
  };
  row("name", info.name);
  row("path", info.path.string());
  row("architecture", info.architecture);
  row("parameters", std::to_string(info.parameters));
  row("quantization", info.quantization);
  if (info.quantized) row("quantized", RecordText(*info.quantized));
  row("shape", ShapeText(info));
  row("context", info.context > 0 ? std::to_string(info.context) : "-");
  row("license", licence.empty() ? "-" : licence);
  row("tasks", Joined(info.tasks));
  row("languages", Joined(info.languages));
  row("tokenizer", info.tokenizer.empty() ? "-" : info.tokenizer);
  row("size", FormatBytes(info.file_bytes));
  return 0;
}

int RemoveVerb(const Invocation& call) {
  const uint64_t freed =
      hub::RemoveLocal(hub::ParseModelRef(call.positionals[0]),
                       hub::HubOptions::FromEnvironment());
  if (call.json()) {
    PrintJson({{"name", call.positionals[0]}, {"bytes", freed}});
  } else {
    Note(FormatBytes(freed));
  }
  return 0;
}

}  // namespace malmoi::cli
