// Cuts a template into text, tags and the tokens inside tags, and applies
// Jinja's whitespace rules (trim_blocks, lstrip_blocks, - and +).
#ifndef MALMOI_TEXT_TEMPLATE_LEXER_H_
#define MALMOI_TEXT_TEMPLATE_LEXER_H_

#include <string>
#include <string_view>
#include <vector>

namespace malmoi::text::jinja {

enum class TokenKind {
  kText,
  kBlockBegin,  // {%
  kBlockEnd,
  kPrintBegin,  // {{
  kPrintEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;
  int line = 0;
};

// Throws kCorrupt naming `where` and the line.
std::vector<Token> Lex(std::string_view source, std::string_view where);

[[noreturn]] void SyntaxError(std::string_view where, int line,
                              std::string what, std::string got = "");

}  // namespace malmoi::text::jinja

#endif  // MALMOI_TEXT_TEMPLATE_LEXER_H_
