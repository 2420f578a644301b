#include "jinja/lexer.h"

#include "jinja/unicode.h"

#include <algorithm>

namespace verbatim::jinja {

void raise_syntax(std::string message, uint32_t position) {
  throw Raise{Failure::Syntax, std::move(message), {}, position};
}

std::string normalize_source(std::string_view source) {
  std::string result;
  result.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      result.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      result.push_back(source[i]);
    }
  }
  if (!result.empty() && result.back() == '\n') result.pop_back();
  return result;
}

std::string unescape_literal(std::string_view text, uint32_t position);

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Lexeme> run() {
    while (at_ < source_.size())
      read_data();
    add(LexemeKind::End, at_, {});
    return std::move(lexemes_);
  }

 private:
  void add(LexemeKind kind, size_t position, std::string_view text) {
    lexemes_.push_back({kind, static_cast<uint32_t>(position), std::string(text)});
  }
  bool starts(std::string_view text, size_t at) const { return source_.substr(at, text.size()) == text; }

  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      size_t next = at;
      if (!unicode::is_space(unicode::decode(source_, next))) break;
      at = next;
    }
    return at;
  }

  /// Moves to after a match; Jinja2 remembers whether that ended a line.
  void advance(size_t to) {
    if (to > at_) line_starting_ = source_[to - 1] == '\n';
    at_ = to;
  }

  /// Text up to a tag, whose sign (or lstrip_blocks) may take white space off its end.
  std::string_view strip_before_tag(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') {
      while (!text.empty()) {
        size_t last = text.size();
        if (!unicode::is_space(unicode::decode_back(text, last))) break;
        text = text.substr(0, last);
      }
    } else if (sign != '+' && !is_variable) {
      const size_t newline = text.rfind('\n');
      const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      if (line > 0 || line_starting_) {
        size_t at = line;
        while (at < text.size() && unicode::is_space(unicode::decode(text, at))) {
          if (at == text.size()) return text.substr(0, line);
        }
      }
    }
    return text;
  }

  static char sign_of(std::string_view source, size_t at) {
    return at < source.size() && (source[at] == '-' || source[at] == '+') ? source[at] : '\0';
  }

  /// The end of `{% raw %}` if there is one at the offset, otherwise 0.
  size_t match_raw_begin(size_t at) const {
    at += 2;
    if (sign_of(source_, at)) ++at;
    at = skip_space(at);
    if (!starts("raw", at)) return 0;
    at = skip_space(at + 3);
    if (starts("-%}", at)) return skip_space(at + 3);
    return starts("%}", at) ? at + 2 : 0;
  }

  void read_data() {
    size_t tag = at_;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) {
        add(LexemeKind::Data, at_, source_.substr(at_));
        advance(source_.size());
        return;
      }
      const char c = source_[tag + 1];
      if (c == '{' || c == '%' || c == '#') break;
    }
    const char type = source_[tag + 1];
    const char sign = sign_of(source_, tag + 2);
    const auto text = strip_before_tag(source_.substr(at_, tag - at_), sign, type == '{');
    if (!text.empty()) add(LexemeKind::Data, at_, text);
    if (type == '%') {
      if (const size_t raw = match_raw_begin(tag)) {
        advance(raw);
        read_raw(tag);
        return;
      }
    }
    advance(tag + 2 + (sign ? 1 : 0));
    if (type == '#') {
      read_comment(tag);
    } else {
      add(type == '{' ? LexemeKind::VariableBegin : LexemeKind::BlockBegin, tag, {});
      read_tag(type == '%', tag);
    }
  }

  /// After a closing mark: - takes white space, + nothing, otherwise a line end (unless it prints).
  size_t end_of_tag(size_t close, char sign, bool trims) const {
    if (sign == '-') return skip_space(close);
    return trims && sign != '+' && close < source_.size() && source_[close] == '\n' ? close + 1 : close;
  }

  void read_comment(size_t begin) {
    if (at_ >= source_.size()) return; // As in Jinja2, nothing is missing at the very end.
    const size_t close = source_.find("#}", at_);
    if (close == std::string_view::npos) raise_syntax("Missing end of comment tag", begin);
    advance(end_of_tag(close + 2, close > at_ ? sign_of(source_, close - 1) : '\0', true));
  }

  void read_raw(size_t begin) {
    if (at_ >= source_.size()) return;
    for (size_t tag = source_.find("{%", at_); tag != std::string_view::npos;
         tag = source_.find("{%", tag + 1)) {
      const char sign = sign_of(source_, tag + 2);
      size_t at = skip_space(tag + (sign ? 3 : 2));
      if (!starts("endraw", at)) continue;
      at = skip_space(at + 6);
      const char end_sign = sign_of(source_, at);
      if (end_sign) ++at;
      if (!starts("%}", at)) continue;
      const auto text = strip_before_tag(source_.substr(at_, tag - at_), sign, false);
      if (!text.empty()) add(LexemeKind::Data, at_, text);
      advance(end_of_tag(at + 2, end_sign, true));
      return;
    }
    raise_syntax("Missing end of raw directive", begin);
  }

  bool read_tag_end(bool block) {
    const std::string_view close = block ? "%}" : "}}";
    const char sign = sign_of(source_, at_);
    if (sign == '+' && !block) return false;
    const size_t mark = at_ + (sign ? 1 : 0);
    if (!starts(close, mark)) return false;
    add(block ? LexemeKind::BlockEnd : LexemeKind::VariableEnd, at_, {});
    advance(end_of_tag(mark + 2, sign, block));
    return true;
  }

  void read_tag(bool block, size_t begin) {
    std::string closers;
    for (;;) {
      if (closers.empty() && read_tag_end(block)) return;
      if (at_ >= source_.size()) {
        raise_syntax(std::string("unexpected end of template, expected 'end of ") +
                         (block ? "statement block'" : "print statement'"),
                     static_cast<uint32_t>(closers.empty() ? begin : at_));
      }
      if (const size_t after = skip_space(at_); after > at_) {
        advance(after);
      } else if (is_digit(source_[at_])) {
        read_number();
      } else if (!read_name() && !read_string()) {
        read_operator(closers);
      }
    }
  }

  /// Digits that may be separated by single underscores; the end of them.
  size_t skip_digits(size_t at, std::string_view allowed) const {
    while (at < source_.size()) {
      if (allowed.find(source_[at]) != std::string_view::npos)
        ++at;
      else if (source_[at] == '_' && at + 1 < source_.size() &&
               allowed.find(source_[at + 1]) != std::string_view::npos)
        ++at;
      else
        break;
    }
    return at;
  }

  size_t match_float() const {
    constexpr std::string_view decimal = "0123456789";
    if (at_ > 0 && source_[at_ - 1] == '.') return 0;
    size_t at = skip_digits(at_, decimal);
    bool fraction = false;
    if (at + 1 < source_.size() && source_[at] == '.' && is_digit(source_[at + 1])) {
      at = skip_digits(at + 1, decimal);
      fraction = true;
    }
    if (at < source_.size() && (source_[at] == 'e' || source_[at] == 'E')) {
      size_t exponent = at + 1;
      if (sign_of(source_, exponent)) ++exponent;
      if (exponent < source_.size() && is_digit(source_[exponent])) return skip_digits(exponent, decimal);
    }
    return fraction ? at : 0;
  }

  void add_number(LexemeKind kind, size_t end) {
    std::string digits(source_.substr(at_, end - at_));
    std::erase(digits, '_');
    add(kind, at_, digits);
    advance(end);
  }

  void read_number() {
    if (const size_t end = match_float()) {
      add_number(LexemeKind::Float, end);
      return;
    }
    size_t end = at_ + 1;
    if (source_[at_] == '0') {
      const char base = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
      const std::string_view allowed = base == 'x'   ? "0123456789abcdefABCDEF"
                                       : base == 'o' ? "01234567"
                                       : base == 'b' ? "01"
                                                     : "";
      const size_t prefixed = allowed.empty() ? 0 : skip_digits(at_ + 2, allowed);
      end = prefixed > at_ + 2 ? prefixed : skip_digits(at_ + 1, "0");
    } else {
      end = skip_digits(at_, "0123456789");
    }
    add_number(LexemeKind::Integer, end);
  }

  bool read_name() {
    size_t end = at_;
    bool valid = true;
    while (end < source_.size()) {
      size_t next = end;
      const char32_t c = unicode::decode(source_, next);
      const uint16_t flags = unicode::flags(c);
      if (!(flags & unicode::XidContinue) && !unicode::is_word(c)) break;
      valid = valid &&
              (end == at_ ? c == '_' || (flags & unicode::XidStart) : (flags & unicode::XidContinue) != 0);
      end = next;
    }
    if (end == at_) return false;
    if (!valid) raise_syntax("Invalid character in identifier", static_cast<uint32_t>(at_));
    add(LexemeKind::Name, at_, source_.substr(at_, end - at_));
    advance(end);
    return true;
  }

  bool read_string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote)
      end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    add(LexemeKind::String, at_,
        unescape_literal(source_.substr(at_ + 1, end - at_ - 1), static_cast<uint32_t>(at_)));
    advance(end + 1);
    return true;
  }

  void read_operator(std::string& closers) {
    static constexpr std::string_view symbols[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                   "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                   ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto* found = std::find_if(std::begin(symbols), std::end(symbols),
                                     [&](std::string_view symbol) { return starts(symbol, at_); });
    if (found == std::end(symbols)) {
      size_t next = at_;
      unicode::decode(source_, next);
      raise_syntax("unexpected char '" + std::string(source_.substr(at_, next - at_)) + "'",
                   static_cast<uint32_t>(at_));
    }
    const char c = found->front();
    if (c == '{' || c == '(' || c == '[') closers.push_back(c == '{' ? '}' : c == '(' ? ')' : ']');
    if (c == '}' || c == ')' || c == ']') {
      if (closers.empty()) raise_syntax(std::string("unexpected '") + c + "'", static_cast<uint32_t>(at_));
      if (closers.back() != c)
        raise_syntax(std::string("unexpected '") + c + "', expected '" + closers.back() + "'",
                     static_cast<uint32_t>(at_));
      closers.pop_back();
    }
    add(LexemeKind::Operator, at_, *found);
    advance(at_ + found->size());
  }

  std::string_view source_;
  std::vector<Lexeme> lexemes_;
  size_t at_ = 0;
  bool line_starting_ = true;
};

} // namespace

std::vector<Lexeme> lex(std::string_view source) {
  return Lexer(source).run();
}

} // namespace verbatim::jinja
