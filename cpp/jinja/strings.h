#pragma once

#include "jinja/builder.h"
#include "jinja/operations.h"

namespace verbatim::jinja {

/// A search through the code points of a str, as methods take it: text[start:end] with Python's indices.
struct Section {
  size_t begin; ///< Byte offsets in the buffer.
  size_t end;
  int64_t first; ///< The code point index of begin.
  bool valid;    ///< start is not behind the end of the string.
};
Section section_of(Interpreter& in, String& string, const Value& start, const Value& end);

/// Python's str.replace; a negative `count` replaces all.
Value replace_text(Interpreter& in, const String& string, const String& old, const String& replacement,
                   int64_t count, bool markup);
enum class Side { Both, Left, Right };
/// Python's str.strip; Missing or None for `characters` strips white space.
Value strip_text(Interpreter& in, const Value& string, const Value& characters, Side side, bool markup);
/// The byte range of a line in the buffer of its string.
struct Line {
  size_t begin, end;
  size_t next; ///< Behind the line end.
};
std::vector<Line> split_lines(Interpreter& in, const String& string);
/// The words between white space.
std::vector<std::pair<size_t, size_t>> split_words(Interpreter& in, const String& string);
Value change_case(Interpreter& in, const String& string, unicode::Case to, bool markup);
Value capitalize_text(Interpreter& in, const String& string, bool markup);
/// str.center (`side` 0), ljust (-1) or rjust (1).
Value align_text(Interpreter& in, const Value& string, int64_t width, const String* fill, int side,
                 bool markup);
/// separator.join(items): every item must be a string, unless `convert` makes it one.
Value join_text(Interpreter& in, const String& separator, const Value& items, bool markup,
                Value (*convert)(Interpreter&, const Value&));
bool is_line_end(char32_t c);

} // namespace verbatim::jinja
