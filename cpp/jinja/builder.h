#pragma once

#include "jinja/interpreter.h"

namespace verbatim::jinja {

/// Builds a string within the render's memory. Every operation that makes text of unknown size goes through
/// it.
class Builder {
 public:
  explicit Builder(Interpreter& in) : in_(in), room_(in.room()) {}

  void append(std::string_view content, int32_t origin) {
    reserve(content.size());
    text_.append(content, origin);
  }
  void append(const Text& text, size_t begin, size_t end) {
    reserve(end - begin);
    text_.append(text, begin, end);
  }
  void append(const String& string) { append(string.text(), string.begin, string.end); }
  void append(const Value& string) { append(string.as<String>()); }
  /// Appends a code point.
  void append(char32_t c, int32_t origin) {
    char bytes[4];
    std::string encoded;
    if (c < 0x80) {
      bytes[0] = static_cast<char>(c);
      append(std::string_view(bytes, 1), origin);
    } else {
      unicode::encode(encoded, c);
      append(encoded, origin);
    }
  }
  /// Appends `content` `count` times.
  void repeat(std::string_view content, size_t count, int32_t origin);
  size_t size() const { return text_.bytes.size(); }
  bool empty() const { return text_.bytes.empty(); }
  Text take() {
    in_.step(text_.bytes.size() / 64);
    return std::move(text_);
  }
  const Text& text() const { return text_; }
  /// The finished str value.
  Value finish(bool markup = false) { return in_.string(take(), markup); }
  Interpreter& interpreter() { return in_; }

 private:
  void reserve(size_t more) {
    if (text_.bytes.size() + more > room_) in_.fail_memory();
  }

  Interpreter& in_;
  size_t room_;
  Text text_;
};

} // namespace verbatim::jinja
