#pragma once

#include "jinja/ast.h"
#include "jinja/lexer.h"

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace verbatim::jinja {

/// Measures the native stack from where it was made, so that recursion stops before the stack does.
class StackGuard {
 public:
  explicit StackGuard(size_t limit) : base_(here()), limit_(limit) {}
  void check() const {
    const uintptr_t now = here();
    if ((base_ > now ? base_ - now : now - base_) > limit_)
      raise_limit("stack_bytes", "the template nests too deeply for the stack");
  }

 private:
  static uintptr_t here() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }
  uintptr_t base_;
  size_t limit_;
};

/// Builds the syntax tree of a template.
class Parser {
 public:
  Parser(Program& program, const Limits& limits);
  void parse();

 private:
  using EndTags = std::vector<std::string_view>;

  // Lexemes
  const Lexeme& current() const { return lexemes_[at_]; }
  const Lexeme& ahead() const { return lexemes_[at_ + 1 < lexemes_.size() ? at_ + 1 : at_]; }
  const Lexeme& take() { return lexemes_[at_ + 1 < lexemes_.size() ? at_++ : at_]; }
  bool skip_name(std::string_view name);
  bool skip_operator(std::string_view symbol);
  const Lexeme& expect_name();
  void expect_name(std::string_view name);
  void expect_operator(std::string_view symbol);
  void expect(LexemeKind kind);
  [[noreturn]] void fail(std::string message) const { raise_syntax(std::move(message), current().position); }
  [[noreturn]] void fail_expected(std::string_view what) const;
  [[noreturn]] void fail_tag(const Lexeme* tag) const;
  static std::string describe(const Lexeme& lexeme);

  // Nodes
  template <class T, class... Rest> T* make(Rest&&... rest) {
    auto node = std::make_unique<T>(std::forward<Rest>(rest)...);
    T* raw = node.get();
    program_.nodes.push_back(std::move(node));
    return raw;
  }
  /// Registers a child, and with it the depth of the expression.
  Expression* under(Node* parent, Expression* child);
  StringId intern(std::string_view text);
  const std::string& text(StringId id) const { return program_.strings[id]; }

  // Statements
  Body parse_body(const EndTags& ends);
  Body parse_block_body(const EndTags& ends, bool drop_end);
  Statement* parse_statement();
  Statement* parse_for();
  Statement* parse_if();
  Statement* parse_set();
  Statement* parse_with();
  Statement* parse_autoescape();
  Statement* parse_block();
  Statement* parse_macro();
  Statement* parse_call_block();
  Statement* parse_generation();
  Statement* parse_filter_block();
  Statement* parse_print();
  void parse_signature(Macro& macro);
  Name* parse_name_target(Name::Use use);
  Expression* parse_target(bool until_in);
  void make_target(Expression* target, Name::Use use);

  // Expressions
  Expression* parse_expression(bool with_conditional = true);
  Expression* parse_conditional();
  Expression* parse_logic(int level);
  Expression* parse_not();
  Expression* parse_compare();
  Expression* parse_arithmetic(int level);
  Expression* parse_unary(bool with_filter);
  Expression* parse_primary();
  Expression* parse_number();
  Expression* parse_tuple(bool simple, bool with_conditional, std::string_view end_name, bool parenthesised);
  Expression* parse_list();
  Expression* parse_dict();
  Expression* parse_postfix(Expression* node);
  Expression* parse_filter_expression(Expression* node);
  Expression* parse_subscript(Expression* node);
  Expression* parse_subscript_item();
  Expression* parse_call(Expression* node);
  Application* parse_filter(Expression* node, bool start_inline);
  Expression* parse_test(Expression* node);
  void parse_arguments(Node* owner, CallArguments& arguments);

  struct Nesting {
    explicit Nesting(Parser& owner);
    ~Nesting() { --parser.nesting_; }
    Parser& parser;
  };

  Program& program_;
  const Limits& limits_;
  StackGuard stack_;
  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  uint32_t nesting_ = 0;
  std::unordered_map<std::string, StringId> interned_;
  std::vector<std::string> open_tags_;
  std::vector<const EndTags*> open_ends_;
};

} // namespace verbatim::jinja
