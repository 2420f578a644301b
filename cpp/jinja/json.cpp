#include "jinja/json.h"

#include "jinja/interpreter.h"
#include "jinja/numbers.h"

#include <algorithm>
#include <charconv>

namespace verbatim::jinja {

std::string OriginTable::path(int32_t origin) const {
  std::vector<std::string> parts;
  for (; origin >= 0; origin = nodes_[origin].parent) {
    const Node& node = nodes_[origin];
    if (!node.key) {
      parts.push_back(std::string(1, '[').append(std::to_string(node.index)).append(1, ']'));
      continue;
    }
    const std::string_view key = node.key->view();
    const bool plain =
        !key.empty() && !(key[0] >= '0' && key[0] <= '9') && std::all_of(key.begin(), key.end(), [](char c) {
          return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        });
    if (plain) {
      parts.push_back(std::string(node.parent >= 0 ? 1 : 0, '.').append(key));
      continue;
    }
    std::string quoted = "[\"";
    for (const char c : key) {
      if (c == '"' || c == '\\') quoted.push_back('\\');
      quoted.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    }
    parts.push_back(quoted + "\"]");
  }
  std::string path;
  for (size_t i = parts.size(); i-- > 0;)
    path += parts[i];
  return path;
}

int32_t OriginTable::variable_of(int32_t origin) const {
  while (nodes_[origin].parent >= 0)
    origin = nodes_[origin].parent;
  return origin;
}

namespace {

/// Tells if a member of messages says something: neither a role nor the type of a part.
bool says_something(std::string_view name) {
  return name != "role" && name != "type";
}

} // namespace

bool OriginTable::is_content(int32_t origin, Dict& variables) const {
  std::vector<int32_t> path;
  for (; origin >= 0; origin = nodes_[origin].parent) {
    const String* const key = nodes_[origin].key.get();
    if (key && !says_something(key->view())) return false;
    path.push_back(origin);
  }
  Dict* dict = &variables;
  Value value;
  for (size_t i = path.size(); i-- > 0;) {
    const Node& node = nodes_[path[i]];
    if (node.key) {
      const Dict::Entry* entry = dict ? dict->find(node.key->view()) : nullptr;
      if (!entry) return false;
      value = entry->value;
    } else {
      const auto& items = value.as<List>().items;
      if (node.index >= items.size()) return false;
      value = Value(items[node.index]);
    }
    dict = value.is(Kind::Dict) ? &value.as<Dict>() : nullptr;
  }
  return value.is_string() || (value.is_number() && !value.is(Kind::Bool));
}

namespace {

/// The names of speakers that templates treat as a part of their own syntax.
constexpr std::string_view known_roles[] = {
    "system",        "developer",     "user",        "assistant",
    "tool",          "tools",         "function",    "ipython",
    "model",         "context",       "document",    "documents",
    "environment",   "human",         "gpt",         "bot",
    "observation",   "tool_response", "tool_call",   "tool_calls",
    "tool_result",   "tool_results",  "critique",    "latest_reminder",
    "root",          "thinking",      "control",     "available_tools",
    "code",          "date",          "instruction", "query",
    "response",      "input",         "output",      "function_response",
    "function_call", "chatbot"};

class JsonParser {
 public:
  JsonParser(Interpreter& in, OriginTable& origins, std::string_view text)
      : in_(in), origins_(origins), text_(text) {}

  Ref<Dict> run() {
    const size_t invalid = unicode::find_invalid(text_);
    if (invalid != std::string_view::npos) fail("invalid UTF-8", invalid);
    skip_space();
    if (at_ >= text_.size() || text_[at_] != '{') refuse(template_origin, "must be an object");
    const Value root = parse_object(template_origin, Place::Root);
    skip_space();
    if (at_ < text_.size()) fail("unexpected text after the object", at_);
    return Ref<Dict>(&root.as<Dict>());
  }

 private:
  /// The place of a value, as far as the rule for roles goes.
  enum class Place { Root, Messages, Element, Message, Role, Other };

  /// Refuses text that is no JSON.
  [[noreturn]] void fail(const std::string& message, size_t at) const {
    refuse(value_, "must be JSON: " + message + " at byte " + std::to_string(at) + " of all variables");
  }
  /// Refuses a value; `reason` reads on from its path.
  [[noreturn]] void refuse(int32_t origin, const std::string& reason) const {
    throw Raise{Failure::Input, reason, {}, -1, origins_.path(origin)};
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool skip(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!skip(c)) fail(at_ < text_.size() ? std::string("expected '") + c + "'" : "unexpected end", at_);
  }
  bool literal(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  Value parse_value(int32_t origin, Place place) {
    value_ = origin;
    skip_space();
    if (at_ >= text_.size()) fail("unexpected end", at_);
    switch (text_[at_]) {
    case '{':
      return parse_object(origin, place == Place::Element ? Place::Message : Place::Other);
    case '[':
      return parse_array(origin, place);
    case '"': {
      Text content(parse_string(origin, "contains"), origin);
      if (place == Place::Role &&
          std::find(std::begin(known_roles), std::end(known_roles), content.bytes) != std::end(known_roles))
        content.origin = template_origin;
      return in_.string(std::move(content));
    }
    case 't':
      if (literal("true")) return Value::boolean(true, origin);
      break;
    case 'f':
      if (literal("false")) return Value::boolean(false, origin);
      break;
    case 'n':
      if (literal("null")) return Value::none(origin);
      break;
    default:
      if (text_[at_] == '-' || (text_[at_] >= '0' && text_[at_] <= '9')) return parse_number(origin);
    }
    fail("unexpected character", at_);
  }

  Value parse_object(int32_t origin, Place place) {
    const Interpreter::Deeper deeper(in_);
    expect('{');
    auto dict = in_.make<Dict>();
    if (!skip('}')) {
      do {
        skip_space();
        if (at_ >= text_.size() || text_[at_] != '"') fail("expected a key", at_);
        const Value key = in_.string(Text(parse_string(origin, "has a name with"), template_origin));
        String& name = key.as<String>();
        if (dict->find(name.view(), name.hash()))
          refuse(origin, "has the key \"" + std::string(name.view()) + "\" twice");
        const int32_t member = origins_.add(origin, &name);
        name.buffer->text.origin = member;
        expect(':');
        Place inside = Place::Other;
        if (place == Place::Root && name.view() == "messages") inside = Place::Messages;
        if (place == Place::Message && name.view() == "role") inside = Place::Role;
        Value value = parse_value(member, inside);
        dict->append(key, std::move(value), name.hash());
      } while (skip(','));
      expect('}');
    }
    dict->settle();
    return Value(dict, origin);
  }

  Value parse_array(int32_t origin, Place place) {
    const Interpreter::Deeper deeper(in_);
    expect('[');
    std::vector<Value> items;
    if (!skip(']')) {
      do {
        items.push_back(parse_value(origins_.add(origin, static_cast<uint32_t>(items.size())),
                                    place == Place::Messages ? Place::Element : Place::Other));
      } while (skip(','));
      expect(']');
    }
    return in_.list(std::move(items), origin);
  }

  uint32_t parse_hex() {
    if (at_ + 4 > text_.size()) fail("incomplete \\u escape", at_);
    uint32_t value = 0;
    const auto result = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, value, 16);
    if (result.ptr != text_.data() + at_ + 4) fail("invalid \\u escape", at_);
    at_ += 4;
    return value;
  }

  /// `has` begins the refusal of a lone surrogate, and reads on from the path of `origin`.
  std::string parse_string(int32_t origin, const char* has) {
    const size_t begin = at_++;
    std::string out;
    for (;;) {
      // Take everything up to the next character that needs a look.
      size_t stop = at_;
      while (stop < text_.size() && text_[stop] != '"' && text_[stop] != '\\' &&
             static_cast<unsigned char>(text_[stop]) >= 0x20)
        ++stop;
      out.append(text_.substr(at_, stop - at_));
      at_ = stop;
      if (at_ >= text_.size()) fail("unterminated string", begin);
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c != '\\') fail("control character in a string", at_);
      if (!parse_escape(out))
        refuse(origin, std::string(has) + " a lone surrogate, which is not valid Unicode");
    }
  }

  /// Returns false for a lone surrogate.
  bool parse_escape(std::string& out) {
    const size_t begin = at_;
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    at_ += 2;
    constexpr std::string_view simple = "\"\\/bfnrt", meaning = "\"\\/\b\f\n\r\t";
    if (const size_t found = simple.find(c); c && found != std::string_view::npos) {
      out.push_back(meaning[found]);
      return true;
    }
    if (c != 'u') fail("invalid escape", begin);
    char32_t code = parse_hex();
    if (code >= 0xDC00 && code < 0xE000) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      if (text_.substr(at_, 2) != "\\u") return false;
      at_ += 2;
      const char32_t low = parse_hex();
      if (low < 0xDC00 || low >= 0xE000) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    unicode::encode(out, code);
    return true;
  }

  void skip_digits() {
    const size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9')
      ++at_;
    if (at_ == begin) fail("invalid number", at_);
  }

  Value parse_number(int32_t origin) {
    const size_t begin = at_;
    const bool negative = text_[at_] == '-';
    if (negative) ++at_;
    const size_t digits = at_;
    skip_digits();
    if (text_[digits] == '0' && at_ > digits + 1) fail("leading zero in a number", digits);
    const size_t digits_end = at_;
    bool real = false;
    if (at_ < text_.size() && text_[at_] == '.') {
      real = true;
      ++at_;
      skip_digits();
    }
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      real = true;
      ++at_;
      if (at_ < text_.size() && (text_[at_] == '+' || text_[at_] == '-')) ++at_;
      skip_digits();
    }
    if (real) return Value::real(parse_float_literal(text_.substr(begin, at_ - begin)), origin);
    if (digits_end - digits > 4300) refuse(origin, "has more than 4300 digits");
    int64_t small = 0;
    const auto result = std::from_chars(text_.data() + begin, text_.data() + at_, small);
    if (result.ec == std::errc()) return Value::integer(small, origin);
    const BigInt magnitude = BigInt::from_digits(text_.substr(digits, digits_end - digits), 10);
    return in_.big(negative ? -magnitude : magnitude, origin);
  }

  Interpreter& in_;
  OriginTable& origins_;
  std::string_view text_;
  size_t at_ = 0;
  int32_t value_ = template_origin; ///< the origin of the value that was begun last
};

} // namespace

Ref<Dict> parse_variables(Interpreter& in, OriginTable& origins, std::string_view json) {
  return JsonParser(in, origins, json).run();
}

std::vector<std::optional<std::string>> message_roles(Dict& variables) {
  std::vector<std::optional<std::string>> roles;
  const Dict::Entry* messages = variables.find("messages");
  if (!messages || !messages->value.is(Kind::List)) return roles;
  for (const Value& message : messages->value.as<List>().items) {
    const Dict::Entry* role = message.is(Kind::Dict) ? message.as<Dict>().find("role") : nullptr;
    roles.emplace_back();
    if (role && role->value.is_string()) roles.back() = role->value.as<String>().view();
  }
  return roles;
}

namespace {

bool is_white_space(std::string_view text) {
  for (size_t at = 0; at < text.size();)
    if (!unicode::is_space(unicode::decode(text, at))) return false;
  return true;
}

/// @param scalars true where None, True and False are blank, too
/// @param counts tells if a member of this name is looked at
template <class Filter> bool is_blank(const Value& value, bool scalars, const Filter& counts) {
  switch (value.kind()) {
  case Kind::String:
    return is_white_space(value.as<String>().view());
  case Kind::List:
    return std::ranges::all_of(value.as<List>().items,
                               [&](const Value& item) { return is_blank(item, scalars, counts); });
  case Kind::Dict:
    return std::ranges::all_of(value.as<Dict>().entries, [&](const Dict::Entry& entry) {
      return !counts(entry.key.as<String>().view()) || is_blank(entry.value, scalars, counts);
    });
  default:
    return scalars && (!value.is_number() || value.is(Kind::Bool));
  }
}

} // namespace

bool messages_are_blank(Dict& variables) {
  const Dict::Entry* messages = variables.find("messages");
  return !messages || is_blank(messages->value, true, says_something);
}

bool is_blank(const Value& value) {
  return is_blank(value, false, [](std::string_view) { return true; });
}

} // namespace verbatim::jinja
