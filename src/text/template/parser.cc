// Recursive descent over the tokens, by the grammar of Jinja's expressions
// and statements. Depth is bounded before the interpreter ever runs.
#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "base/error.h"
#include "text/template/lexer.h"
#include "text/template/nodes.h"
#include "text/template/token_reader.h"

namespace malmoi::text::jinja {

namespace {

class Parser : private TokenReader {
 public:
  Parser(std::string_view source, std::string_view where, int max_depth)
      : TokenReader(source, where, max_depth) {}

  std::unique_ptr<Block> Run() {
    auto block = std::make_unique<Block>(Statements({}));
    if (Peek().kind != TokenKind::kEnd) {
      Fail("unexpected tag", Peek().text);
    }
    return block;
  }

 private:
  // ---- statements

  // Until one of the tags in `ends`, whose name is left to be read; or the
  // end of the template.
  Block Statements(std::initializer_list<std::string_view> ends) {
    const Deeper deeper(*this);
    Block block;
    while (Peek().kind != TokenKind::kEnd) {
      if (Peek().kind == TokenKind::kText) {
        auto text = New<TextStatement>();
        text->text = Next().text;
        block.statements.push_back(std::move(text));
      } else if (Peek().kind == TokenKind::kPrintBegin) {
        Next();
        auto print = New<PrintStatement>();
        print->value = TupleExpression();
        if (Peek().kind != TokenKind::kPrintEnd) {
          Fail("expected }}", Peek().text);
        }
        Next();
        block.statements.push_back(std::move(print));
      } else {
        const std::string tag = Peek(1).text;
        if (Peek(1).kind == TokenKind::kName &&
            std::find(ends.begin(), ends.end(), tag) != ends.end()) {
          Next();  // {%
          return block;
        }
        Next();
        block.statements.push_back(Tag());
      }
    }
    if (ends.size() > 0) {
      Fail("expected " + std::string(*(ends.end() - 1)), "the end");
    }
    return block;
  }

  // Reads "endfor %}" and the like, optionally with a name.
  void End(std::string_view name) {
    ExpectName(name);
    if (Peek().kind == TokenKind::kName) Next();
    ExpectBlockEnd();
  }

  std::unique_ptr<Statement> Tag() {
    const std::string tag = ExpectAnyName();
    if (tag == "if") return If();
    if (tag == "for") return For();
    if (tag == "set") return Set();
    if (tag == "macro") return Macro();
    if (tag == "call") return CallTag();
    if (tag == "filter") return FilterTag();
    if (tag == "with") return With();
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) Fail(tag + " outside of a loop");
      auto node = New<LoopControl>();
      node->flow = tag == "break" ? Flow::kBreak : Flow::kContinue;
      ExpectBlockEnd();
      return node;
    }
    if (tag == "generation") {
      auto node = New<PassStatement>();
      ExpectBlockEnd();
      node->body = Statements({"endgeneration"});
      End("endgeneration");
      return node;
    }
    Fail("unknown tag", tag);
  }

  std::unique_ptr<Statement> If() {
    auto node = New<IfStatement>();
    while (true) {
      ExpressionPtr condition = TupleExpression();
      ExpectBlockEnd();
      Block body = Statements({"elif", "else", "endif"});
      node->branches.emplace_back(std::move(condition), std::move(body));
      if (AcceptName("elif")) continue;
      if (AcceptName("else")) {
        ExpectBlockEnd();
        node->otherwise = Statements({"endif"});
      }
      End("endif");
      return node;
    }
  }

  std::unique_ptr<Statement> For() {
    auto node = New<ForStatement>();
    node->target = TargetList();
    ExpectName("in");
    node->items = TupleExpression(/*conditional=*/false);
    if (AcceptName("if")) node->condition = ConditionalExpression();
    node->recursive = AcceptName("recursive");
    ExpectBlockEnd();
    ++loops_;
    node->body = Statements({"else", "endfor"});
    --loops_;
    if (AcceptName("else")) {
      ExpectBlockEnd();
      node->otherwise = Statements({"endfor"});
    }
    End("endfor");
    return node;
  }

  Target TargetList() {
    Target first = OneTarget();
    if (!IsOperator(",")) return first;
    Target list;
    list.parts.push_back(std::move(first));
    while (AcceptOperator(",")) {
      if (IsName("in") || IsOperator("=")) break;
      list.parts.push_back(OneTarget());
    }
    return list;
  }
  Target OneTarget() {
    if (AcceptOperator("(")) {
      Target inner = TargetList();
      ExpectOperator(")");
      return inner;
    }
    Target target;
    target.name = ExpectAnyName();
    if (AcceptOperator(".")) target.attribute = ExpectAnyName();
    return target;
  }

  std::unique_ptr<Statement> Set() {
    auto node = New<SetStatement>();
    node->target = TargetList();
    if (AcceptOperator("=")) {
      node->value = TupleExpression();
      ExpectBlockEnd();
      return node;
    }
    node->filters = FilterChain();
    ExpectBlockEnd();
    node->body = Statements({"endset"});
    End("endset");
    return node;
  }

  // | name(args) | name ...
  std::vector<std::unique_ptr<ApplyFilter>> FilterChain() {
    std::vector<std::unique_ptr<ApplyFilter>> filters;
    while (AcceptOperator("|")) filters.push_back(OneFilter());
    return filters;
  }
  // Unknown names are errors where they are used: templates ask for filters
  // of other programs in branches that do not run elsewhere.
  std::unique_ptr<ApplyFilter> OneFilter() {
    auto filter = New<ApplyFilter>();
    filter->name = ExpectAnyName();
    while (AcceptOperator(".")) filter->name += "." + ExpectAnyName();
    if (AcceptOperator("(")) filter->arguments = ParseArguments();
    return filter;
  }

  void Parameters(MacroStatement& macro) {
    ExpectOperator("(");
    while (!IsOperator(")")) {
      std::string name = ExpectAnyName();
      ExpressionPtr value;
      if (AcceptOperator("=")) value = ConditionalExpression();
      macro.parameters.emplace_back(std::move(name), std::move(value));
      if (!AcceptOperator(",")) break;
    }
    ExpectOperator(")");
  }

  // Loop control does not reach out of a macro's body.
  Block BodyOutsideLoops(std::initializer_list<std::string_view> ends) {
    const int loops = std::exchange(loops_, 0);
    Block body = Statements(ends);
    loops_ = loops;
    return body;
  }

  std::unique_ptr<Statement> Macro() {
    auto node = New<MacroStatement>();
    node->name = ExpectAnyName();
    Parameters(*node);
    ExpectBlockEnd();
    node->body = BodyOutsideLoops({"endmacro"});
    End("endmacro");
    return node;
  }

  std::unique_ptr<Statement> CallTag() {
    auto node = New<CallBlockStatement>();
    node->caller.name = "caller";
    if (IsOperator("(")) Parameters(node->caller);
    node->call = ConditionalExpression();
    if (dynamic_cast<Call*>(node->call.get()) == nullptr) {
      Fail("expected a call");
    }
    ExpectBlockEnd();
    node->caller.body = BodyOutsideLoops({"endcall"});
    End("endcall");
    return node;
  }

  std::unique_ptr<Statement> FilterTag() {
    auto node = New<FilterStatement>();
    node->filters.push_back(OneFilter());
    for (auto& filter : FilterChain()) {
      node->filters.push_back(std::move(filter));
    }
    ExpectBlockEnd();
    node->body = Statements({"endfilter"});
    End("endfilter");
    return node;
  }

  std::unique_ptr<Statement> With() {
    auto node = New<WithStatement>();
    while (Peek().kind != TokenKind::kBlockEnd) {
      Target target = OneTarget();
      ExpectOperator("=");
      node->values.emplace_back(std::move(target), ConditionalExpression());
      if (!AcceptOperator(",")) break;
    }
    ExpectBlockEnd();
    node->body = Statements({"endwith"});
    End("endwith");
    return node;
  }

  // ---- expressions

  ExpressionPtr TupleExpression(bool conditional = true) {
    const auto one = [&] {
      return conditional ? ConditionalExpression() : Or();
    };
    auto tuple = New<ListLiteral>();
    tuple->tuple = true;
    ExpressionPtr first = one();
    if (!IsOperator(",")) return first;
    tuple->items.push_back(std::move(first));
    while (AcceptOperator(",")) {
      if (TupleEnds()) break;
      tuple->items.push_back(one());
    }
    return tuple;
  }
  bool TupleEnds() const {
    return Peek().kind == TokenKind::kBlockEnd ||
           Peek().kind == TokenKind::kPrintEnd || IsOperator(")");
  }

  ExpressionPtr ConditionalExpression() {
    const Deeper deeper(*this);
    ExpressionPtr value = Or();
    while (IsName("if")) {
      auto node = New<Conditional>();
      Next();
      node->condition = Or();
      node->yes = std::move(value);
      if (AcceptName("else")) node->no = ConditionalExpression();
      value = std::move(node);
    }
    return value;
  }

  template <typename Operand>
  ExpressionPtr LeftToRight(std::initializer_list<std::string_view> ops,
                            bool names, Operand&& operand) {
    ExpressionPtr left = operand();
    int chain = 0;
    while (true) {
      const auto found =
          std::find_if(ops.begin(), ops.end(), [&](std::string_view op) {
            return names ? IsName(op) : IsOperator(op);
          });
      if (found == ops.end()) {
        depth_ -= chain;
        return left;
      }
      auto node = New<Binary>();
      node->op = Next().text;
      node->left = std::move(left);
      node->right = operand();
      left = std::move(node);
      // A long chain makes a deep tree.
      if (++depth_ > max_depth_) {
        throw Error(ErrorCode::kLimit,
                    {.where = std::string(where_),
                     .what = "the template is nested too deeply"});
      }
      ++chain;
    }
  }

  ExpressionPtr Or() {
    return LeftToRight({"or"}, true, [&] { return And(); });
  }
  ExpressionPtr And() {
    return LeftToRight({"and"}, true, [&] { return Not(); });
  }
  ExpressionPtr Not() {
    if (!IsName("not")) return Compare();
    const Deeper deeper(*this);
    auto node = New<Unary>();
    node->op = Next().text;
    node->operand = Not();
    return node;
  }
  ExpressionPtr Compare() {
    auto node = New<Comparison>();
    ExpressionPtr first = Sum();
    while (true) {
      std::string op;
      for (std::string_view known : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (AcceptOperator(known)) op = known;
      }
      if (op.empty() && AcceptName("in")) op = "in";
      if (op.empty() && IsName("not") && IsName("in", 1)) {
        Next();
        Next();
        op = "not in";
      }
      if (op.empty()) break;
      node->rest.emplace_back(op, Sum());
    }
    if (node->rest.empty()) return first;
    node->first = std::move(first);
    return node;
  }
  ExpressionPtr Sum() {
    return LeftToRight({"+", "-"}, false, [&] { return Concat(); });
  }
  ExpressionPtr Concat() {
    return LeftToRight({"~"}, false, [&] { return Product(); });
  }
  ExpressionPtr Product() {
    return LeftToRight({"*", "//", "/", "%"}, false, [&] { return Power(); });
  }
  ExpressionPtr Power() {
    return LeftToRight({"**"}, false, [&] { return UnaryExpression(true); });
  }
  ExpressionPtr UnaryExpression(bool with_filter) {
    const Deeper deeper(*this);
    ExpressionPtr value;
    if (IsOperator("-") || IsOperator("+")) {
      auto node = New<Unary>();
      node->op = Next().text;
      node->operand = UnaryExpression(false);
      value = std::move(node);
    } else {
      value = Primary();
    }
    return Postfix(std::move(value), with_filter);
  }

  ExpressionPtr Primary() {
    const Token token = Peek();
    if (token.kind == TokenKind::kName) {
      Next();
      const std::string& text = token.text;
      if (text == "true" || text == "True") return Constant(true);
      if (text == "false" || text == "False") return Constant(false);
      if (text == "none" || text == "None") return Constant(nullptr);
      auto node = New<Name>();
      node->line = token.line;
      node->name = text;
      return node;
    }
    if (token.kind == TokenKind::kString) {
      std::string text;
      while (Peek().kind == TokenKind::kString) text += Next().text;
      return Constant(std::move(text));
    }
    if (token.kind == TokenKind::kInteger) {
      Next();
      int64_t value = 0;
      const char* end = token.text.data() + token.text.size();
      const auto result = std::from_chars(token.text.data(), end, value);
      if (result.ec != std::errc() || result.ptr != end) {
        Fail("a number that is too large", token.text);
      }
      return Constant(value);
    }
    if (token.kind == TokenKind::kFloat) {
      Next();
      return Constant(std::stod(token.text));
    }
    if (AcceptOperator("(")) {
      if (AcceptOperator(")")) return Constant(Value::FromList({}, true));
      ExpressionPtr inner = TupleExpression();
      ExpectOperator(")");
      return inner;
    }
    if (AcceptOperator("[")) {
      auto node = New<ListLiteral>();
      while (!IsOperator("]")) {
        node->items.push_back(ConditionalExpression());
        if (!AcceptOperator(",")) break;
      }
      ExpectOperator("]");
      return node;
    }
    if (AcceptOperator("{")) {
      auto node = New<DictLiteral>();
      while (!IsOperator("}")) {
        ExpressionPtr key = ConditionalExpression();
        ExpectOperator(":");
        node->items.emplace_back(std::move(key), ConditionalExpression());
        if (!AcceptOperator(",")) break;
      }
      ExpectOperator("}");
      return node;
    }
    Fail("unexpected token", token.text);
  }
  ExpressionPtr Constant(Value value) const {
    auto node = New<Literal>();
    node->value = std::move(value);
    return node;
  }

  ExpressionPtr Postfix(ExpressionPtr value, bool with_filter) {
    int chain = 0;
    while (true) {
      if (IsOperator(".") || IsOperator("[")) {
        value = Subscript(std::move(value));
      } else if (AcceptOperator("(")) {
        auto node = New<Call>();
        node->function = std::move(value);
        node->arguments = ParseArguments();
        value = std::move(node);
      } else if (with_filter && AcceptOperator("|")) {
        auto filter = OneFilter();
        filter->input = std::move(value);
        value = std::move(filter);
      } else if (with_filter && IsName("is")) {
        value = TestExpression(std::move(value));
      } else {
        depth_ -= chain;
        return value;
      }
      ++chain;
      if (++depth_ > max_depth_) {
        throw Error(ErrorCode::kLimit,
                    {.where = std::string(where_),
                     .what = "the template is nested too deeply"});
      }
    }
  }

  ExpressionPtr Subscript(ExpressionPtr object) {
    if (AcceptOperator(".")) {
      if (Peek().kind == TokenKind::kInteger) {
        auto node = New<GetItem>();
        node->object = std::move(object);
        node->key = Primary();
        return node;
      }
      auto node = New<GetAttribute>();
      node->object = std::move(object);
      node->name = ExpectAnyName();
      return node;
    }
    ExpectOperator("[");
    ExpressionPtr start;
    if (!IsOperator(":")) start = TupleExpression();
    if (!IsOperator(":")) {
      ExpectOperator("]");
      auto node = New<GetItem>();
      node->object = std::move(object);
      node->key = std::move(start);
      return node;
    }
    auto node = New<GetSlice>();
    node->object = std::move(object);
    node->start = std::move(start);
    ExpectOperator(":");
    if (!IsOperator(":") && !IsOperator("]")) {
      node->stop = ConditionalExpression();
    }
    if (AcceptOperator(":") && !IsOperator("]")) {
      node->step = ConditionalExpression();
    }
    ExpectOperator("]");
    return node;
  }

  // After the opening parenthesis.
  CallArguments ParseArguments() {
    CallArguments arguments;
    while (!IsOperator(")")) {
      if (AcceptOperator("**")) {
        arguments.double_star = ConditionalExpression();
      } else if (AcceptOperator("*")) {
        arguments.star = ConditionalExpression();
      } else if (Peek().kind == TokenKind::kName && IsOperator("=", 1)) {
        std::string name = Next().text;
        Next();
        arguments.named.emplace_back(std::move(name), ConditionalExpression());
      } else {
        if (!arguments.named.empty()) {
          Fail("a positional argument after a named one");
        }
        arguments.positional.push_back(ConditionalExpression());
      }
      if (!AcceptOperator(",")) break;
    }
    ExpectOperator(")");
    return arguments;
  }

  ExpressionPtr TestExpression(ExpressionPtr input) {
    auto node = New<ApplyTest>();
    ExpectName("is");
    node->negated = AcceptName("not");
    node->input = std::move(input);
    node->name = ExpectAnyName();
    if (AcceptOperator("(")) {
      node->arguments = ParseArguments();
      return node;
    }
    const TokenKind kind = Peek().kind;
    const bool operand =
        (kind == TokenKind::kName && !IsName("else") && !IsName("or") &&
         !IsName("and") && !IsName("is") && !IsName("if") && !IsName("not") &&
         !IsName("in") && !IsName("recursive")) ||
        kind == TokenKind::kString || kind == TokenKind::kInteger ||
        kind == TokenKind::kFloat || IsOperator("[") || IsOperator("{");
    if (operand) {
      node->arguments.positional.push_back(Postfix(Primary(), false));
    }
    return node;
  }

  int loops_ = 0;
};

}  // namespace

std::unique_ptr<Block> Parse(std::string_view source, std::string_view where,
                             const TemplateLimits& limits) {
  return Parser(source, where, limits.max_depth).Run();
}

}  // namespace malmoi::text::jinja
