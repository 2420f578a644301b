#pragma once

// Just enough JSON for tests: objects in rows, with their values as text or strings.

#include <cstdio>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace jsonl {

inline std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    char escaped[8];
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
      out += escaped;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/// An object with its values as JSON text.
class Row {
 public:
  explicit Row(std::string_view text) : text_(text) {
    skip('{');
    if (peek() == '}') return;
    do {
      const std::string key = unquote(value());
      skip(':');
      values_[key] = value();
    } while (next(','));
    skip('}');
  }

  bool has(const std::string& key) const { return values_.count(key) > 0; }
  std::string raw(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) throw std::runtime_error("no " + key);
    return std::string(found->second);
  }
  std::string string(const std::string& key) const { return unquote(raw(key)); }

  static std::string unquote(std::string_view quoted) {
    std::string out;
    for (size_t i = 1; i + 1 < quoted.size(); ++i) {
      if (quoted[i] != '\\') {
        out += quoted[i];
        continue;
      }
      const char c = quoted[++i];
      constexpr std::string_view letters = "nrtbf", meaning = "\n\r\t\b\f";
      if (const size_t found = letters.find(c); found != std::string_view::npos) {
        out += meaning[found];
      } else if (c != 'u') {
        out += c;
      } else {
        unsigned code = hex(quoted, i + 1);
        i += 4;
        if (code >= 0xD800 && code < 0xDC00 && i + 6 < quoted.size() && quoted[i + 1] == '\\') {
          code = 0x10000 + ((code - 0xD800) << 10) + (hex(quoted, i + 3) - 0xDC00);
          i += 6;
        }
        encode(out, code);
      }
    }
    return out;
  }

 private:
  static unsigned hex(std::string_view text, size_t at) {
    return static_cast<unsigned>(std::stoul(std::string(text.substr(at, 4)), nullptr, 16));
  }
  static void encode(std::string& out, unsigned c) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += static_cast<char>(0xC0 | c >> 6);
      out += static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      out += static_cast<char>(0xE0 | c >> 12);
      out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (c & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | c >> 18);
      out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
      out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
      out += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool next(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void skip(char c) {
    if (!next(c)) throw std::runtime_error("malformed row");
  }
  std::string_view value() {
    peek();
    const size_t begin = at_;
    int depth = 0;
    bool quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quoted) {
        if (c == '\\')
          ++at_;
        else if (c == '"')
          quoted = false;
        if (!quoted && depth == 0) {
          ++at_;
          break;
        }
        continue;
      }
      if (c == '"') quoted = true;
      if ((c == '}' || c == ']' || c == ',') && depth == 0) break;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
    }
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  size_t at_ = 0;
  std::map<std::string, std::string_view> values_;
};

} // namespace jsonl
