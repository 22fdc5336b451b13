// A small random encoder-decoder with words for tests: a folder of
// tests/golden/zoo_seq2seq and a tokenizer.json whose words are w0, w1 ...
#ifndef MALMOI_GENERATE_TESTING_SEQ2SEQ_FOLDER_H_
#define MALMOI_GENERATE_TESTING_SEQ2SEQ_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace malmoi::generate {

inline Json SpecialPiece(const std::string& token) {
  return {{"SpecialToken", {{"id", token}, {"type_id", 0}}}};
}

struct Seq2SeqFolder {
  std::string model;  // "m2m-100"
  // Spellings of ids that are no words, special ones.
  std::vector<std::pair<int32_t, std::string>> special;
  // What the tokenizer puts before and behind a text.
  std::vector<std::string> before, behind;
  Json config = Json::object();      // over config.json
  Json generation = Json::object();  // over generation_config.json

  void WriteTo(const std::filesystem::path& folder) const {
    namespace fs = std::filesystem;
    const fs::path golden =
        fs::path(MALMOI_SOURCE_DIR "/tests/golden/zoo_seq2seq") / model;
    fs::create_directories(folder);
    fs::copy_file(golden / "model.safetensors", folder / "model.safetensors",
                  fs::copy_options::overwrite_existing);
    for (const auto& [file, more] :
         {std::pair{"config.json", config},
          std::pair{"generation_config.json", generation}}) {
      Json json = ReadJson(golden / file);
      json.update(more);
      std::ofstream(folder / file) << json.dump();
    }
    std::ofstream(folder / "tokenizer.json") << Tokenizer().dump();
  }

  Json Tokenizer() const {
    constexpr int32_t kVocab = 300;
    std::vector<std::string> words;
    for (int32_t id = 0; id < kVocab; ++id) {
      words.push_back("w" + std::to_string(id));
    }
    Json added = Json::array(), vocab = Json::object(), ids = Json::object();
    for (const auto& [id, token] : special) {
      words[static_cast<size_t>(id)] = token;
      added.push_back({{"id", id},
                       {"content", token},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
      ids[token] = {{"id", token}, {"ids", {id}}, {"tokens", {token}}};
    }
    for (int32_t id = 0; id < kVocab; ++id) {
      vocab[words[static_cast<size_t>(id)]] = id;
    }
    Json single = Json::array();
    for (const auto& token : before) single.push_back(SpecialPiece(token));
    single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
    for (const auto& token : behind) single.push_back(SpecialPiece(token));
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", added},
            {"normalizer", nullptr},
            {"pre_tokenizer", {{"type", "WhitespaceSplit"}}},
            {"post_processor",
             {{"type", "TemplateProcessing"},
              {"single", single},
              {"pair", single},
              {"special_tokens", ids}}},
            {"decoder", nullptr},
            {"model",
             {{"type", "WordLevel"}, {"vocab", vocab}, {"unk_token", "w3"}}}};
  }
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_TESTING_SEQ2SEQ_FOLDER_H_
