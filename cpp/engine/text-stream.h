#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

/// Turns bytes that arrive in any pieces into whole UTF-8 code points. Invalid bytes become U+FFFD, one
/// per maximal subpart (WHATWG Encoding Standard, "UTF-8 decoder"), so that the result never depends on
/// where the pieces were cut.
class Utf8Decoder {
 public:
  /// Appends what is complete to `out`.
  void decode(std::string_view bytes, std::string& out);
  /// The end: an unfinished code point becomes U+FFFD.
  void finish(std::string& out);

 private:
  void reset();

  std::string partial_;
  int needed_ = 0;
  unsigned char lower_ = 0x80;
  unsigned char upper_ = 0xbf;
};

/// The text of a generation as it may be shown: whole code points only, and never a part of something
/// that may still turn out to be a stop string.
class TextStream {
 public:
  explicit TextStream(std::vector<std::string> stop_strings);

  /// Adds the bytes of a token; appends what may be shown to `out`. True when a stop string was
  /// completed: the text before it is in `out`, it and what follows are gone.
  bool append(std::string_view bytes, std::string& out);

  /// The end of the tokens: what was held back is appended to `out`. True when the last bytes, now that
  /// they are final, complete a stop string after all.
  bool finish(std::string& out);

 private:
  bool scan(std::string& out);

  std::vector<std::string> stop_strings_;
  Utf8Decoder decoder_;
  std::string held_; ///< decoded, not yet shown
};

} // namespace verbatim
