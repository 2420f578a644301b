#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

using unicode::Case;

constexpr char32_t capital_sigma = 0x3A3;

/// True if the capital sigma at a byte offset ends a word, so that its lower case is the final form.
bool is_final_sigma(std::string_view text, size_t begin, size_t end, size_t at) {
  size_t before = at;
  bool letter_before = false;
  while (before > begin) {
    const char32_t c = unicode::decode_back(text, before);
    if (unicode::has(c, unicode::CaseIgnorable)) continue;
    letter_before = unicode::has(c, unicode::Cased);
    break;
  }
  if (!letter_before) return false;
  size_t after = at;
  unicode::decode(text, after);
  while (after < end) {
    const char32_t c = unicode::decode(text, after);
    if (unicode::has(c, unicode::CaseIgnorable)) continue;
    return !unicode::has(c, unicode::Cased);
  }
  return true;
}

/// Maps each code point by choose(flags), which names the case to use, or nothing to keep it.
template <class Choose> Value map_text(Interpreter& in, const String& string, bool markup, Choose choose) {
  in.step((string.end - string.begin) / 8);
  Builder out(in);
  const Text& text = string.text();
  const std::string_view bytes(text.bytes);
  std::string mapped;
  for (size_t at = string.begin; at < string.end;) {
    const size_t run_index = text.runs.empty() ? 0 : text.run_index(at);
    const size_t stop = text.runs.empty() ? string.end : std::min(string.end, text.runs[run_index].end);
    const int32_t origin = text.runs.empty() ? text.origin : text.runs[run_index].origin;
    mapped.clear();
    while (at < stop) {
      const size_t here = at;
      const char32_t c = unicode::decode(bytes, at);
      const std::optional<Case> to = choose(c);
      if (!to) {
        unicode::encode(mapped, c);
      } else if (c == capital_sigma && *to == Case::Lower) {
        unicode::encode(mapped, is_final_sigma(bytes, string.begin, string.end, here) ? 0x3C2 : 0x3C3);
      } else {
        char32_t result[3];
        const int count = unicode::map_case(c, *to, result);
        for (int i = 0; i < count; ++i)
          unicode::encode(mapped, result[i]);
      }
    }
    out.append(mapped, origin);
  }
  if (string.begin == string.end) out.append(text, string.begin, string.end);
  return out.finish(markup);
}

} // namespace

Value change_case(Interpreter& in, const String& string, Case to, bool markup) {
  return map_text(in, string, markup, [&](char32_t) { return std::optional<Case>(to); });
}

Value capitalize_text(Interpreter& in, const String& string, bool markup) {
  bool first = true;
  return map_text(in, string, markup, [&](char32_t) {
    const Case to = first ? Case::Title : Case::Lower;
    first = false;
    return std::optional<Case>(to);
  });
}

namespace {

Value title_text(Interpreter& in, const String& string, bool markup) {
  bool inside = false;
  return map_text(in, string, markup, [&](char32_t c) {
    const Case to = inside ? Case::Lower : Case::Title;
    inside = unicode::has(c, unicode::Lower | unicode::Upper | unicode::Title);
    return std::optional<Case>(to);
  });
}

Value swap_case(Interpreter& in, const String& string, bool markup) {
  return map_text(in, string, markup, [](char32_t c) -> std::optional<Case> {
    if (unicode::has(c, unicode::Upper)) return Case::Lower;
    if (unicode::has(c, unicode::Lower)) return Case::Upper;
    return std::nullopt;
  });
}

template <Case to, bool keeps_markup>
Value case_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("str case method", arguments, 0, 0, nullptr);
  const auto& string = self.as<String>();
  return change_case(in, string, to, keeps_markup && string.markup);
}

template <Value (*change)(Interpreter&, const String&, bool)>
Value whole_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("str case method", arguments, 0, 0, nullptr);
  const auto& string = self.as<String>();
  return change(in, string, string.markup);
}

/// True if there are characters and each has one of the flags.
template <uint16_t flags> Value all_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("str predicate", arguments, 0, 0, nullptr);
  const std::string_view text = self.as<String>().view();
  in.step(text.size() / 16);
  for (size_t at = 0; at < text.size();)
    if (!unicode::has(unicode::decode(text, at), flags)) return Value::boolean(false);
  return Value::boolean(!text.empty() || flags == unicode::Printable);
}

/// islower and isupper: a character with the flag, and none of the other cases.
template <uint16_t flag> Value one_case_method(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("str predicate", arguments, 0, 0, nullptr);
  const std::string_view text = self.as<String>().view();
  in.step(text.size() / 16);
  constexpr uint16_t others = (unicode::Lower | unicode::Upper | unicode::Title) & ~flag;
  bool found = false;
  for (size_t at = 0; at < text.size();) {
    const uint16_t flags = unicode::flags(unicode::decode(text, at));
    if (flags & others) return Value::boolean(false);
    found = found || (flags & flag);
  }
  return Value::boolean(found);
}

Value istitle(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("istitle", arguments, 0, 0, nullptr);
  const std::string_view text = self.as<String>().view();
  in.step(text.size() / 16);
  bool found = false, inside = false;
  for (size_t at = 0; at < text.size();) {
    const uint16_t flags = unicode::flags(unicode::decode(text, at));
    if (flags & (unicode::Upper | unicode::Title)) {
      if (inside) return Value::boolean(false);
      inside = found = true;
    } else if (flags & unicode::Lower) {
      if (!inside) return Value::boolean(false);
      found = true;
    } else {
      inside = false;
    }
  }
  return Value::boolean(found);
}

Value isidentifier(Interpreter& in, const Value& self, Arguments& arguments) {
  bind_positional("isidentifier", arguments, 0, 0, nullptr);
  const std::string_view text = self.as<String>().view();
  in.step(text.size() / 16);
  for (size_t at = 0; at < text.size();) {
    const bool first = at == 0;
    const char32_t c = unicode::decode(text, at);
    if (first ? c != '_' && !unicode::has(c, unicode::XidStart) : !unicode::has(c, unicode::XidContinue))
      return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

Value isascii(Interpreter&, const Value& self, Arguments& arguments) {
  bind_positional("isascii", arguments, 0, 0, nullptr);
  return Value::boolean(unicode::is_ascii(self.as<String>().view()));
}

} // namespace

void add_case_methods(MethodTable& table) {
  using namespace unicode;
  const MethodSpec methods[] = {
      {"upper", case_method<Case::Upper, true>},
      {"lower", case_method<Case::Lower, true>},
      {"casefold", case_method<Case::Fold, false>},
      {"capitalize", whole_method<capitalize_text>},
      {"title", whole_method<title_text>},
      {"swapcase", whole_method<swap_case>},
      {"isalpha", all_method<Alpha>},
      {"isalnum", all_method<Alpha | Decimal | Digit | Numeric>},
      {"isdecimal", all_method<Decimal>},
      {"isdigit", all_method<Digit>},
      {"isnumeric", all_method<Numeric>},
      {"isspace", all_method<Space>},
      {"isprintable", all_method<Printable>},
      {"islower", one_case_method<Lower>},
      {"isupper", one_case_method<Upper>},
      {"istitle", istitle},
      {"isidentifier", isidentifier},
      {"isascii", isascii},
  };
  for (const MethodSpec& method : methods)
    table.emplace(method.name, method);
}

} // namespace verbatim::jinja
