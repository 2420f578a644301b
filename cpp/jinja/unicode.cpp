#include "jinja/unicode.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace verbatim::jinja::unicode {

namespace {

uint16_t look_up(char32_t c) {
  const Property* found =
      std::upper_bound(properties, properties + property_count, c,
                       [](char32_t value, const Property& property) { return value < property.first; });
  return found[-1].flags;
}

const std::array<uint16_t, 256>& latin_flags() {
  static const std::array<uint16_t, 256> table = [] {
    std::array<uint16_t, 256> filled{};
    for (char32_t c = 0; c < 256; ++c)
      filled[c] = look_up(c);
    return filled;
  }();
  return table;
}

struct CaseTable {
  const CaseRange* ranges;
  size_t range_count;
  const CaseSpecial* specials;
  size_t special_count;
};

CaseTable table_of(Case to) {
  switch (to) {
  case Case::Upper:
    return {upper_ranges, upper_range_count, upper_specials, upper_special_count};
  case Case::Lower:
    return {lower_ranges, lower_range_count, lower_specials, lower_special_count};
  case Case::Title:
    return {title_ranges, title_range_count, title_specials, title_special_count};
  case Case::Fold:
    break;
  }
  return {casefold_ranges, casefold_range_count, casefold_specials, casefold_special_count};
}

} // namespace

uint16_t flags(char32_t c) {
  return c < 256 ? latin_flags()[c] : look_up(c);
}

int decimal_value(char32_t c) {
  if (c >= '0' && c <= '9') return static_cast<int>(c - '0');
  if (c < 128 || !has(c, Decimal)) return -1;
  const char32_t* above = std::upper_bound(decimal_zeros, decimal_zeros + decimal_zero_count, c);
  return static_cast<int>(c - above[-1]);
}

int map_case(char32_t c, Case to, char32_t out[3]) {
  if (c < 128) {
    const bool up = to == Case::Upper || to == Case::Title;
    out[0] = up ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c);
    return 1;
  }
  const CaseTable table = table_of(to);
  const CaseSpecial* special =
      std::lower_bound(table.specials, table.specials + table.special_count, c,
                       [](const CaseSpecial& item, char32_t value) { return item.from < value; });
  if (special != table.specials + table.special_count && special->from == c) {
    int written = 0;
    while (written < 3 && special->to[written]) {
      out[written] = special->to[written];
      ++written;
    }
    return written;
  }
  const CaseRange* range =
      std::upper_bound(table.ranges, table.ranges + table.range_count, c,
                       [](char32_t value, const CaseRange& item) { return value < item.first; });
  out[0] = c;
  if (range != table.ranges) {
    --range;
    if (c <= range->last && (c - range->first) % range->step == 0) out[0] = c + range->delta;
  }
  return 1;
}

void encode(std::string& out, char32_t c) {
  const auto push = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

size_t count(std::string_view text) {
  size_t continuation = 0;
  for (const char c : text)
    continuation += static_cast<signed char>(c) < -64;
  return text.size() - continuation;
}

bool is_ascii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080u) return false;
  }
  for (; i < text.size(); ++i)
    if (text[i] & 0x80) return false;
  return true;
}

size_t find_invalid(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto continues = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  for (size_t i = 0; i < text.size();) {
    const unsigned char lead = byte(i);
    if (lead < 0x80) {
      // Skip ASCII eight bytes at a time.
      while (i + 8 <= text.size() && is_ascii(text.substr(i, 8)))
        i += 8;
      while (i < text.size() && byte(i) < 0x80)
        ++i;
      continue;
    }
    if (lead < 0xC2 || lead > 0xF4 || !continues(i + 1)) return i;
    const unsigned char second = byte(i + 1);
    if (lead < 0xE0) {
      i += 2;
    } else if (lead < 0xF0) {
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || !continues(i + 2)) return i;
      i += 3;
    } else {
      if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F) || !continues(i + 2) ||
          !continues(i + 3))
        return i;
      i += 4;
    }
  }
  return std::string_view::npos;
}

} // namespace verbatim::jinja::unicode
