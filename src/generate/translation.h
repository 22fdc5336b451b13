// How a translator is told its languages: by tokens around the text and before
// the translation, by a token before the text, or in words.
#ifndef MALMOI_GENERATE_TRANSLATION_H_
#define MALMOI_GENERATE_TRANSLATION_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "generate/seq2seq.h"

namespace malmoi::generate {

// Special tokens that name a language: "__de__", "de_DE", "deu_Latn".
std::map<std::string, int32_t, std::less<>> LanguageTokens(
    const text::Tokenizer& tokenizer);

class Translation {
 public:
  // From one language to another, each as the model names it ("deu_Latn",
  // "de_DE", "__de__"), by its code ("de") where that means one of these, or,
  // for models that read words, by name ("German"). Empty: as the model's
  // tokenizer has it, or the one it knows. Throws kInvalidArgument, with the
  // model's languages, for one it does not know or needs to be told.
  Translation(const Seq2Seq& model, const std::string& from,
              const std::string& to);

  // Greedy or beams, as the model's settings have it for these languages.
  const Seq2SeqOptions& options() const { return options_; }
  // What the encoder reads.
  std::vector<int32_t> Encode(const std::string& text) const;

 private:
  using Languages = std::map<std::string, int32_t, std::less<>>;
  void UseTokens(const std::string& from, const std::string& to);
  void UseDirection(const std::string& from, const std::string& to);
  void FindTargets(const std::string& to);
  void UseWords(const std::string& from, const std::string& to);

  const Seq2Seq& model_;
  Seq2SeqOptions options_;
  std::string prefix_;           // in words
  std::vector<int32_t> before_;  // tokens before the text
  // Those that a text may begin with, of a model from one language into
  // several: ">>deu<<".
  std::vector<std::string> targets_;
  Languages known_;
  int32_t source_ = -1;  // takes the place of the tokenizer's language
  bool first_ = false;   // which goes to the front
};

}  // namespace malmoi::generate

#endif  // MALMOI_GENERATE_TRANSLATION_H_
