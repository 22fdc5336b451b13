// The node types of templates, made by the parser.
#ifndef MALMOI_TEXT_TEMPLATE_NODES_H_
#define MALMOI_TEXT_TEMPLATE_NODES_H_

#include "text/template/ast.h"

namespace malmoi::text::jinja {

struct Literal : Expression {
  Value value;
  Value Compute(Interpreter&) const override { return value; }
};
struct Name : Expression {
  std::string name;
  Value Compute(Interpreter& run) const override;
};
struct ListLiteral : Expression {
  std::vector<ExpressionPtr> items;
  bool tuple = false;
  Value Compute(Interpreter& run) const override;
};
struct DictLiteral : Expression {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> items;
  Value Compute(Interpreter& run) const override;
};
struct GetAttribute : Expression {
  ExpressionPtr object;
  std::string name;
  Value Compute(Interpreter& run) const override;
};
struct GetItem : Expression {
  ExpressionPtr object, key;
  Value Compute(Interpreter& run) const override;
};
struct GetSlice : Expression {
  ExpressionPtr object, start, stop, step;  // all but object may be null
  Value Compute(Interpreter& run) const override;
};
struct Call : Expression {
  ExpressionPtr function;
  CallArguments arguments;
  Value Compute(Interpreter& run) const override;
};
struct ApplyFilter : Expression {
  ExpressionPtr input;  // null: the text of a filter block
  std::string name;
  CallArguments arguments;
  Value Compute(Interpreter& run) const override;
  Value Apply(Interpreter& run, Value value) const;
};
struct ApplyTest : Expression {
  ExpressionPtr input;
  std::string name;
  CallArguments arguments;
  bool negated = false;
  Value Compute(Interpreter& run) const override;
};
struct Unary : Expression {
  std::string op;  // "not", "-", "+"
  ExpressionPtr operand;
  Value Compute(Interpreter& run) const override;
};
struct Binary : Expression {
  std::string op;
  ExpressionPtr left, right;
  Value Compute(Interpreter& run) const override;
};
struct Comparison : Expression {  // a < b <= c
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;
  Value Compute(Interpreter& run) const override;
};
struct Conditional : Expression {
  ExpressionPtr condition, yes, no;  // `no` may be null
  Value Compute(Interpreter& run) const override;
};

struct TextStatement : Statement {
  std::string text;
  Flow Execute(Interpreter& run) const override;
};
struct PrintStatement : Statement {
  ExpressionPtr value;
  Flow Execute(Interpreter& run) const override;
};
struct IfStatement : Statement {
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block otherwise;
  Flow Execute(Interpreter& run) const override;
};
struct ForStatement : Statement {
  Target target;
  ExpressionPtr items, condition;
  bool recursive = false;
  Block body, otherwise;
  Flow Execute(Interpreter& run) const override;
  Flow Loop(Interpreter& run, const Value& over, int depth) const;
};
struct SetStatement : Statement {
  Target target;
  ExpressionPtr value;  // null: the block's text
  Block body;
  std::vector<std::unique_ptr<ApplyFilter>> filters;
  Flow Execute(Interpreter& run) const override;
};
struct MacroStatement : Statement {
  std::string name;
  std::vector<std::pair<std::string, ExpressionPtr>> parameters;
  Block body;
  Flow Execute(Interpreter& run) const override;
};
struct CallBlockStatement : Statement {
  MacroStatement caller;
  ExpressionPtr call;
  Flow Execute(Interpreter& run) const override;
};
struct FilterStatement : Statement {
  std::vector<std::unique_ptr<ApplyFilter>> filters;
  Block body;
  Flow Execute(Interpreter& run) const override;
};
struct WithStatement : Statement {
  std::vector<std::pair<Target, ExpressionPtr>> values;
  Block body;
  Flow Execute(Interpreter& run) const override;
};
struct LoopControl : Statement {
  Flow flow = Flow::kNext;
  Flow Execute(Interpreter&) const override { return flow; }
};
struct PassStatement : Statement {  // generation ... endgeneration
  Block body;
  Flow Execute(Interpreter& run) const override { return body.Execute(run); }
};

}  // namespace malmoi::text::jinja

#endif  // MALMOI_TEXT_TEMPLATE_NODES_H_
