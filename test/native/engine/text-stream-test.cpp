#include "engine/text-stream.h"

#include "check.h"
#include "support.h"

#include <algorithm>

using namespace verbatim;
using support::pick;

namespace {

const std::string replacement = "\xef\xbf\xbd";

/// "UTF-8 decoder" of the WHATWG Encoding Standard, straight from its text: code points, not copied bytes.
std::string reference_decode(const std::string& bytes) {
  std::string out;
  const auto emit = [&](uint32_t code_point) {
    const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code_point < 0x80) {
      put(code_point);
    } else if (code_point < 0x800) {
      put(0xc0 | code_point >> 6), put(0x80 | (code_point & 0x3f));
    } else if (code_point < 0x10000) {
      put(0xe0 | code_point >> 12), put(0x80 | (code_point >> 6 & 0x3f)), put(0x80 | (code_point & 0x3f));
    } else {
      put(0xf0 | code_point >> 18), put(0x80 | (code_point >> 12 & 0x3f));
      put(0x80 | (code_point >> 6 & 0x3f)), put(0x80 | (code_point & 0x3f));
    }
  };
  uint32_t code_point = 0, seen = 0, needed = 0, lower = 0x80, upper = 0xbf;
  for (size_t i = 0; i < bytes.size();) {
    const uint32_t byte = static_cast<unsigned char>(bytes[i]);
    if (needed == 0) {
      ++i;
      if (byte <= 0x7f) {
        emit(byte);
      } else if (byte >= 0xc2 && byte <= 0xdf) {
        needed = 1, code_point = byte & 0x1f;
      } else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte == 0xe0) lower = 0xa0;
        if (byte == 0xed) upper = 0x9f;
        needed = 2, code_point = byte & 0xf;
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte == 0xf0) lower = 0x90;
        if (byte == 0xf4) upper = 0x8f;
        needed = 3, code_point = byte & 0x7;
      } else {
        emit(0xfffd);
      }
      continue;
    }
    const bool fits = byte >= lower && byte <= upper;
    lower = 0x80, upper = 0xbf;
    if (!fits) {
      code_point = seen = needed = 0;
      emit(0xfffd);
      continue;
    }
    ++i;
    code_point = code_point << 6 | (byte & 0x3f);
    if (++seen != needed) continue;
    emit(code_point);
    code_point = seen = needed = 0;
  }
  if (needed != 0) emit(0xfffd);
  return out;
}

/// Random bytes with many interesting ones.
std::string random_bytes(std::mt19937_64& random, size_t most) {
  static const unsigned char pool[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                       0xc1, 0xc2, 0xdf, 0xe0, 0xe2, 0x82, 0xac, 0xed, 0xef, 0xbd,
                                       0xf0, 0x9f, 0x98, 0x80, 0xf3, 0xf4, 0xf5, 0xff};
  std::string bytes(pick<size_t>(random, 0, most), '\0');
  for (char& byte : bytes)
    byte = static_cast<char>(random() % 4 == 0 ? random() : pool[random() % sizeof pool]);
  return bytes;
}

std::string decode_cut(const std::string& bytes, size_t first, size_t second) {
  Utf8Decoder decoder;
  std::string out;
  decoder.decode(std::string_view(bytes).substr(0, first), out);
  decoder.decode(std::string_view(bytes).substr(first, second - first), out);
  decoder.decode(std::string_view(bytes).substr(second), out);
  decoder.finish(out);
  return out;
}

struct Shown {
  std::string text;
  bool stopped = false;
  friend bool operator==(const Shown&, const Shown&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Shown& shown) {
    return out << '"' << shown.text << (shown.stopped ? "\" stopped" : "\"");
  }
};

/// Returns all text shown when the bytes arrive in these pieces.
Shown show(const std::vector<std::string>& pieces, const std::vector<std::string>& stops) {
  TextStream stream(stops);
  Shown shown;
  for (const auto& piece : pieces)
    if (stream.append(piece, shown.text)) return {shown.text, true};
  shown.stopped = stream.finish(shown.text);
  return shown;
}

std::vector<std::string> random_pieces(std::mt19937_64& random, const std::string& bytes, size_t longest) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < bytes.size(); at += pieces.back().size())
    pieces.push_back(bytes.substr(at, pick<size_t>(random, 1, longest)));
  return pieces;
}

/// The definition: of the matches in the decoded text the one that ends first, and of those the longest.
Shown reference_show(const std::string& bytes, const std::vector<std::string>& stops) {
  const std::string text = reference_decode(bytes);
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const auto& stop : stops)
      if (stop.size() <= end && text.compare(end - stop.size(), stop.size(), stop) == 0)
        longest = std::max(longest, stop.size());
    if (longest > 0) return {text.substr(0, end - longest), true};
  }
  return {text, false};
}

} // namespace

TEST(utf8_decoder_equals_the_standard_for_all_cuts) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 4000; ++round) {
    const std::string bytes = random_bytes(random, 12);
    const std::string expected = reference_decode(bytes);
    for (size_t first = 0; first <= bytes.size(); ++first)
      for (size_t second = first; second <= bytes.size(); ++second)
        CHECK_EQ(decode_cut(bytes, first, second), expected);
    Utf8Decoder by_byte;
    std::string out;
    for (const char byte : bytes)
      by_byte.decode(std::string_view(&byte, 1), out);
    by_byte.finish(out);
    CHECK_EQ(out, expected);
  }
}

TEST(utf8_decoder_knows_the_examples_of_the_standard) {
  const auto whole = [](const std::string& bytes) { return decode_cut(bytes, bytes.size(), bytes.size()); };
  CHECK_EQ(whole("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  CHECK_EQ(whole("\xc0\x80"), replacement + replacement);                   // overlong
  CHECK_EQ(whole("\xed\xa0\x80"), replacement + replacement + replacement); // surrogate
  CHECK_EQ(whole("\xf4\x90\x80\x80"), replacement + replacement + replacement + replacement);
  CHECK_EQ(whole("\xf0\x9f\x98"), replacement); // one for the whole subpart
  CHECK_EQ(whole("\xf0\x9f\x41"), replacement + "A");
  CHECK_EQ(whole("\xe2\xe2\x82\xac"), replacement + "\xe2\x82\xac");
}

TEST(utf8_decoder_can_be_used_again_after_the_end) {
  Utf8Decoder decoder;
  std::string out;
  decoder.decode("\xe0", out);
  decoder.finish(out);
  CHECK_EQ(out, replacement);
  decoder.decode("\xe1\x80\x80", out); // would be refused with the bounds that 0xe0 left
  decoder.finish(out);
  CHECK_EQ(out, replacement + "\xe1\x80\x80");
}

TEST(text_stream_without_stop_strings_shows_at_once) {
  TextStream stream({});
  std::string out;
  CHECK(!stream.append("ab\xe2\x82", out));
  CHECK_EQ(out, "ab");
  CHECK(!stream.append("\xac"
                       "c",
                       out));
  CHECK_EQ(out, "ab\xe2\x82\xac"
                "c");
  CHECK(!stream.append("\xf0", out));
  CHECK(!stream.finish(out));
  CHECK_EQ(out, "ab\xe2\x82\xac"
                "c" +
                    replacement);
}

TEST(text_stream_holds_back_exactly_what_may_become_a_stop_string) {
  TextStream stream({"END"});
  std::string out;
  CHECK(!stream.append("xE", out));
  CHECK_EQ(out, "x");
  CHECK(!stream.append("E", out)); // the first E is plain text now, the second may begin the stop string
  CHECK_EQ(out, "xE");
  CHECK(!stream.append("N", out));
  CHECK_EQ(out, "xE");
  CHECK(!stream.append("d", out));
  CHECK_EQ(out, "xEENd");
  CHECK(!stream.append("EN", out));
  CHECK(stream.append("D and more", out));
  CHECK_EQ(out, "xEENd");
}

TEST(text_stream_begins_a_stop_string_inside_held_text) {
  CHECK_EQ(show({"a", "a", "a", "b"}, {"aab"}), (Shown{"a", true}));
  CHECK_EQ(show({"abab", "ac"}, {"ababc"}), (Shown{"ababac", false}));
  CHECK_EQ(show({"aba", "babc"}, {"ababc"}), (Shown{"ab", true}));
}

TEST(text_stream_takes_the_stop_string_that_ends_first) {
  CHECK_EQ(show({"xabcd"}, {"abcd", "bc"}), (Shown{"xa", true}));
  CHECK_EQ(show({"xa", "b", "c", "d"}, {"abcd", "bc"}), (Shown{"xa", true}));
  CHECK_EQ(show({"xabc"}, {"bc", "abc", "c"}), (Shown{"x", true})); // ending together: the longest
  CHECK_EQ(show({"one two three"}, {"three", "two"}), (Shown{"one ", true}));
}

TEST(text_stream_matches_replaced_bytes_and_the_end) {
  CHECK_EQ(show({"a\xff", "b"}, {replacement + "b"}), (Shown{"a", true}));
  CHECK_EQ(show({"a\xf0\x9f"}, {replacement}), (Shown{"a", true})); // only the end makes it U+FFFD
  CHECK_EQ(show({"a", "\xe2", "\x82", "\xac", "b"}, {"\xe2\x82\xac"}), (Shown{"a", true}));
  CHECK_EQ(show({"the en"}, {"end"}), (Shown{"the en", false}));
  CHECK_EQ(show({"ab\xe2\x82"}, {"b" + replacement + "c"}), (Shown{"ab" + replacement, false}));
}

TEST(text_stream_does_not_depend_on_the_cuts) {
  std::mt19937_64 random(2);
  const std::vector<std::string> alphabet = {"a", "b", "\xc3\xa9", "\xe2\x82\xac", "\xff", "\xe2\x82"};
  const auto word = [&](size_t most) {
    std::string text;
    for (size_t i = pick<size_t>(random, 1, most); i > 0; --i)
      text += alphabet[random() % alphabet.size()];
    return text;
  };
  int stopped = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string bytes = word(14);
    std::vector<std::string> stops;
    for (size_t i = pick<size_t>(random, 1, 3); i > 0; --i)
      stops.push_back(reference_decode(word(4))); // callers can only pass valid UTF-8
    const Shown expected = reference_show(bytes, stops);
    stopped += expected.stopped;
    CHECK_EQ(show({bytes}, stops), expected);
    CHECK_EQ(show(random_pieces(random, bytes, 1), stops), expected);
    CHECK_EQ(show(random_pieces(random, bytes, 4), stops), expected);
  }
  CHECK(stopped > 4000 && stopped < 16000);
}

TEST(text_stream_never_leaks_a_part_of_a_stop_string) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string bytes, stop;
    for (size_t i = pick<size_t>(random, 0, 30); i > 0; --i)
      bytes.push_back("ab"[random() % 2]);
    for (size_t i = pick<size_t>(random, 2, 6); i > 0; --i)
      stop.push_back("ab"[random() % 2]);
    const Shown expected = reference_show(bytes, {stop});
    TextStream stream({stop});
    std::string seen, out;
    for (const auto& piece : random_pieces(random, bytes, 3)) {
      if (stream.append(piece, out)) break;
      CHECK(expected.text.starts_with(out));
      seen += piece;
      size_t held = std::min(seen.size(), stop.size() - 1);
      while (seen.substr(seen.size() - held) != stop.substr(0, held))
        --held;
      CHECK_EQ(out, seen.substr(0, seen.size() - held)); // nothing more is held back, and nothing less
    }
  }
}
