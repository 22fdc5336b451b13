// What the parser reads from: tokens with look-ahead, and its depth.
#ifndef MALMOI_TEXT_TEMPLATE_TOKEN_READER_H_
#define MALMOI_TEXT_TEMPLATE_TOKEN_READER_H_

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "text/template/lexer.h"

namespace malmoi::text::jinja {

class TokenReader {
 protected:
  TokenReader(std::string_view source, std::string_view where, int max_depth)
      : where_(where), tokens_(Lex(source, where)), max_depth_(max_depth) {}

  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token Next() {
    Token token = Peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  [[noreturn]] void Fail(std::string what, std::string got = "") const {
    SyntaxError(where_, Peek().line, std::move(what), std::move(got));
  }
  bool IsOperator(std::string_view text, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kOperator && Peek(ahead).text == text;
  }
  bool IsName(std::string_view text, size_t ahead = 0) const {
    return Peek(ahead).kind == TokenKind::kName && Peek(ahead).text == text;
  }
  bool AcceptOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Next();
    return true;
  }
  bool AcceptName(std::string_view text) {
    if (!IsName(text)) return false;
    Next();
    return true;
  }
  void ExpectOperator(std::string_view text) {
    if (!AcceptOperator(text)) {
      Fail("expected " + std::string(text), Peek().text);
    }
  }
  void ExpectName(std::string_view text) {
    if (!AcceptName(text)) {
      Fail("expected " + std::string(text), Peek().text);
    }
  }
  std::string ExpectAnyName() {
    if (Peek().kind != TokenKind::kName) Fail("expected a name", Peek().text);
    return Next().text;
  }
  void ExpectBlockEnd() {
    if (Peek().kind != TokenKind::kBlockEnd) {
      Fail("expected %}", Peek().text);
    }
    Next();
  }
  struct Deeper {
    explicit Deeper(TokenReader& parser) : parser(parser) {
      if (++parser.depth_ > parser.max_depth_) {
        throw Error(ErrorCode::kLimit,
                    {.where = std::string(parser.where_),
                     .what = "the template is nested too deeply",
                     .expected = std::to_string(parser.max_depth_)});
      }
    }
    ~Deeper() { --parser.depth_; }
    TokenReader& parser;
  };
  template <typename Node>
  std::unique_ptr<Node> New() const {
    auto node = std::make_unique<Node>();
    node->line = Peek().line;
    return node;
  }

  std::string_view where_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
  int max_depth_;
};

}  // namespace malmoi::text::jinja

#endif  // MALMOI_TEXT_TEMPLATE_TOKEN_READER_H_
