#include "prompt/canonical-json.h"

#include <cstdint>
#include <cstdlib>

namespace verbatim {

namespace {

void append_utf8(uint32_t code_point, std::string& out) {
  const auto add = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    add(code_point);
  } else if (code_point < 0x800) {
    add(0xc0 | code_point >> 6);
    add(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    add(0xe0 | code_point >> 12);
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  } else {
    add(0xf0 | code_point >> 18);
    add(0x80 | (code_point >> 12 & 0x3f));
    add(0x80 | (code_point >> 6 & 0x3f));
    add(0x80 | (code_point & 0x3f));
  }
}

void append_escaped(uint32_t code_point, std::string& out) {
  switch (code_point) {
  case '"':
    out += "\\\"";
    return;
  case '\\':
    out += "\\\\";
    return;
  case '\b':
    out += "\\b";
    return;
  case '\f':
    out += "\\f";
    return;
  case '\n':
    out += "\\n";
    return;
  case '\r':
    out += "\\r";
    return;
  case '\t':
    out += "\\t";
    return;
  default:
    break;
  }
  if (code_point < 0x20) {
    out += "\\u00";
    out.push_back("0123456789abcdef"[code_point >> 4]);
    out.push_back("0123456789abcdef"[code_point & 15]);
  } else {
    append_utf8(code_point, out);
  }
}

uint32_t hex4(std::string_view json, size_t at) {
  return static_cast<uint32_t>(std::strtoul(std::string(json.substr(at, 4)).c_str(), nullptr, 16));
}

/// Reads the escape sequence at `i`, after its backslash; returns the index behind it.
size_t append_unescaped(std::string_view json, size_t i, std::string& out) {
  switch (json[i]) {
  case 'b':
    out += "\\b";
    return i + 1;
  case 'f':
    out += "\\f";
    return i + 1;
  case 'n':
    out += "\\n";
    return i + 1;
  case 'r':
    out += "\\r";
    return i + 1;
  case 't':
    out += "\\t";
    return i + 1;
  case 'u':
    break;
  default:
    append_escaped(static_cast<unsigned char>(json[i]), out);
    return i + 1;
  }
  uint32_t code_point = hex4(json, i + 1);
  i += 5;
  if (code_point >= 0xd800 && code_point < 0xdc00 && i + 6 <= json.size()) {
    code_point = 0x10000 + ((code_point - 0xd800) << 10) + (hex4(json, i + 2) - 0xdc00);
    i += 6;
  }
  append_escaped(code_point, out);
  return i;
}

} // namespace

std::string canonical_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (in_string && c == '\\' && i + 1 < json.size()) {
      i = append_unescaped(json, i + 1, out);
      continue;
    }
    ++i;
    if (c == '"') in_string = !in_string;
    if (in_string || (c != ' ' && c != '\t' && c != '\n' && c != '\r')) out.push_back(c);
  }
  return out;
}

} // namespace verbatim
