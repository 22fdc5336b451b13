#include "text/template/lexer.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "base/format.h"
#include "text/unicode/utf8.h"

namespace malmoi::text::jinja {

void SyntaxError(std::string_view where, int line, std::string what,
                 std::string got) {
  throw Error(ErrorCode::kCorrupt,
              {.where = Format("{}, line {}", where, line),
               .what = "template syntax error: " + std::move(what),
               .got = std::move(got)});
}

namespace {

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view where) : where_(where) {
    for (size_t i = 0; i < source.size(); ++i) {  // newlines become \n
      if (source[i] == '\r') {
        source_ += '\n';
        if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      } else {
        source_ += source[i];
      }
    }
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Token> Run() {
    while (at_ < source_.size()) {
      if (!NextTag()) break;
    }
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  void Add(TokenKind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), line_});
  }
  void Advance(size_t to) {
    line_ += static_cast<int>(
        std::count(source_.begin() + static_cast<long>(at_),
                   source_.begin() + static_cast<long>(to), '\n'));
    at_ = to;
  }
  bool At(std::string_view text, size_t at) const {
    return std::string_view(source_).substr(at).starts_with(text);
  }

  // Text up to the next tag, and the tag.
  bool NextTag() {
    size_t tag = at_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        tag = source_.size();
        break;
      }
      const char next = source_[tag + 1];
      if (next == '%' || next == '{' || next == '#') break;
      ++tag;
    }
    std::string text = source_.substr(at_, tag - at_);
    if (tag == source_.size()) {
      EmitText(std::move(text));
      Advance(tag);
      return false;
    }
    const char kind = source_[tag + 1];
    const char control = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (control == '-') {
      StripRight(text);
    } else if (control != '+' && kind != '{') {
      StripIndent(text);
    }
    EmitText(std::move(text));
    Advance(tag + 2 + (control == '-' || control == '+' ? 1 : 0));
    if (kind == '#') {
      Comment();
    } else if (kind == '{') {
      Add(TokenKind::kPrintBegin, "{{");
      Inside("}}", TokenKind::kPrintEnd);
    } else if (!Raw()) {
      Add(TokenKind::kBlockBegin, "{%");
      Inside("%}", TokenKind::kBlockEnd);
    }
    return true;
  }

  void EmitText(std::string text) {
    if (!text.empty()) Add(TokenKind::kText, std::move(text));
  }
  static bool Space(char c) {
    return std::isspace(static_cast<unsigned char>(c)) != 0;
  }
  static void StripRight(std::string& text) {
    while (!text.empty() && Space(text.back())) text.pop_back();
  }
  // lstrip_blocks: blanks between the line's start and the tag.
  void StripIndent(std::string& text) const {
    const size_t newline = text.rfind('\n');
    const size_t start = newline == std::string::npos ? 0 : newline + 1;
    if (newline == std::string::npos && !LineStart()) return;
    if (std::all_of(text.begin() + static_cast<long>(start), text.end(),
                    Space)) {
      text.erase(start);
    }
  }
  // Whether the text that begins here begins a line.
  bool LineStart() const { return at_ == 0 || source_[at_ - 1] == '\n'; }

  // After a tag's end: `-` strips all whitespace, trim_blocks one newline.
  void AfterTag(char control, bool block) {
    size_t to = at_;
    if (control == '-') {
      while (to < source_.size() && Space(source_[to])) ++to;
    } else if (block && control != '+' && to < source_.size() &&
               source_[to] == '\n') {
      ++to;
    }
    Advance(to);
  }

  void Comment() {
    const size_t end = source_.find("#}", at_);
    if (end == std::string::npos) {
      SyntaxError(where_, line_, "a comment without an end");
    }
    const char control = end > at_ ? source_[end - 1] : '\0';
    Advance(end + 2);
    AfterTag(control, true);
  }

  // {% raw %} ... {% endraw %}
  bool Raw() {
    size_t at = SkipBlanks(at_);
    if (!At("raw", at)) return false;
    at = SkipBlanks(at + 3);
    const char control = source_[at] == '-' ? '-' : '\0';
    if (control == '-') ++at;
    if (!At("%}", at)) return false;
    Advance(at + 2);
    AfterTag(control, true);
    size_t tag = at_;
    while (true) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) {
        SyntaxError(where_, line_, "raw without endraw");
      }
      size_t inner = tag + 2;
      char before = '\0';
      if (inner < source_.size() &&
          (source_[inner] == '-' || source_[inner] == '+')) {
        before = source_[inner++];
      }
      inner = SkipBlanks(inner);
      if (!At("endraw", inner)) {
        tag += 2;
        continue;
      }
      inner = SkipBlanks(inner + 6);
      char after = '\0';
      if (inner < source_.size() &&
          (source_[inner] == '-' || source_[inner] == '+')) {
        after = source_[inner++];
      }
      if (!At("%}", inner)) SyntaxError(where_, line_, "a cut endraw");
      std::string text = source_.substr(at_, tag - at_);
      if (before == '-') {
        StripRight(text);
      } else if (before != '+') {
        StripIndent(text);
      }
      EmitText(std::move(text));
      Advance(inner + 2);
      AfterTag(after, true);
      return true;
    }
  }
  size_t SkipBlanks(size_t at) const {
    while (at < source_.size() && Space(source_[at])) ++at;
    return at;
  }

  void Inside(std::string_view close, TokenKind end_kind) {
    int depth = 0;  // of brackets: }} may close two dicts
    while (true) {
      Advance(SkipBlanks(at_));
      if (at_ >= source_.size()) {
        SyntaxError(where_, line_, "a tag without an end");
      }
      const char c = source_[at_];
      if (depth == 0) {
        const bool control = (c == '-' || c == '+') && At(close, at_ + 1);
        if (control || At(close, at_)) {
          const bool block = end_kind == TokenKind::kBlockEnd;
          if (!(c == '+' && !block)) {
            Add(end_kind, std::string(close));
            Advance(at_ + (control ? 3 : 2));
            AfterTag(control ? c : '\0', block);
            return;
          }
        }
      }
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') depth = std::max(0, depth - 1);
      OneToken();
    }
  }

  void OneToken() {
    const char c = source_[at_];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\'') {
      String(c);
    } else if (std::isdigit(byte)) {
      Number();
    } else if (std::isalpha(byte) || c == '_' || byte >= 0x80) {
      size_t end = at_;
      while (end < source_.size() &&
             (std::isalnum(static_cast<unsigned char>(source_[end])) ||
              source_[end] == '_' ||
              static_cast<unsigned char>(source_[end]) >= 0x80)) {
        ++end;
      }
      Add(TokenKind::kName, source_.substr(at_, end - at_));
      Advance(end);
    } else {
      static constexpr std::string_view kOperators[] = {
          "**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
          "/",  "%",  "~",  "<",  ">",  "=",  "(", ")", "[",
          "]",  "{",  "}",  ",",  ":",  ".",  "|", ";"};
      for (std::string_view op : kOperators) {
        if (At(op, at_)) {
          Add(TokenKind::kOperator, std::string(op));
          Advance(at_ + op.size());
          return;
        }
      }
      SyntaxError(where_, line_, "unexpected character", std::string(1, c));
    }
  }

  void Number() {
    size_t end = at_;
    bool is_float = false;
    const auto digits = [&] {
      while (end < source_.size() &&
             (std::isdigit(static_cast<unsigned char>(source_[end])) ||
              source_[end] == '_')) {
        ++end;
      }
    };
    const auto digit_at = [&](size_t at) {
      return at < source_.size() &&
             std::isdigit(static_cast<unsigned char>(source_[at]));
    };
    digits();
    if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
      is_float = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() &&
          (source_[exponent] == '+' || source_[exponent] == '-')) {
        ++exponent;
      }
      if (digit_at(exponent)) {
        is_float = true;
        end = exponent;
        digits();
      }
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    Add(is_float ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    Advance(end);
  }

  // \uXXXX and the like: `digits` hexadecimal digits at `at`.
  char32_t Hex(size_t at, size_t digits) {
    char32_t value = 0;
    for (size_t i = at; i < at + digits; ++i) {
      if (i >= source_.size() ||
          !std::isxdigit(static_cast<unsigned char>(source_[i]))) {
        SyntaxError(where_, line_, "a bad escape in a string");
      }
      const char c = static_cast<char>(std::tolower(source_[i]));
      value =
          value * 16 + static_cast<char32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return value;
  }

  void String(char quote) {
    std::string text;
    size_t at = at_ + 1;
    while (true) {
      if (at >= source_.size()) {
        SyntaxError(where_, line_, "a string without an end");
      }
      const char c = source_[at];
      if (c == quote) break;
      if (c != '\\' || at + 1 >= source_.size()) {
        text += c;
        ++at;
        continue;
      }
      const char next = source_[at + 1];
      at += 2;
      switch (next) {
        case 'n':
          text += '\n';
          break;
        case 't':
          text += '\t';
          break;
        case 'r':
          text += '\r';
          break;
        case 'b':
          text += '\b';
          break;
        case 'f':
          text += '\f';
          break;
        case 'v':
          text += '\v';
          break;
        case 'a':
          text += '\a';
          break;
        case '\n':
          break;
        case '\\':
        case '\'':
        case '"':
          text += next;
          break;
        case '0':
          text += '\0';
          break;
        case 'x':
          AppendUtf8(text, Hex(at, 2));
          at += 2;
          break;
        case 'u':
          AppendUtf8(text, Hex(at, 4));
          at += 4;
          break;
        default:
          text += {'\\', next};
      }
    }
    Add(TokenKind::kString, std::move(text));
    Advance(at + 1);
  }

  std::string source_;
  std::string where_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

std::vector<Token> Lex(std::string_view source, std::string_view where) {
  return Lexer(source, where).Run();
}

}  // namespace malmoi::text::jinja
