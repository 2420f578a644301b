#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

/// Decodes UTF-8 that arrives in pieces into whole code points. Invalid bytes become U+FFFD, one per maximal
/// subpart (WHATWG Encoding Standard, "UTF-8 decoder"), wherever the pieces were cut.
class Utf8Decoder {
 public:
  /// Appends the code points that are complete to `out`.
  void decode(std::string_view bytes, std::string& out);
  /// Ends the text. An unfinished code point becomes U+FFFD.
  void finish(std::string& out);

 private:
  void reset();

  std::string partial_;
  int needed_ = 0;
  unsigned char lower_ = 0x80;
  unsigned char upper_ = 0xbf;
};

/// The text of a request that may be shown: whole code points, and nothing that may become a stop string.
class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stop_strings);

  /// Adds the bytes of a token, and appends text that may be shown to `out`. True when a stop string is
  /// complete: `out` has the text before it, the rest is dropped.
  bool append(std::string_view bytes, std::string& out);

  /// Ends the text, and appends what was held back to `out`. True when the last bytes, now final, complete a
  /// stop string.
  bool finish(std::string& out);

 private:
  bool scan(std::string& out);

  std::vector<std::string> stop_strings_;
  Utf8Decoder decoder_;
  std::string held_; ///< decoded, not yet shown
};

} // namespace verbatim
