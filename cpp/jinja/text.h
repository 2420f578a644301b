#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

/// The origin of what the template itself wrote. Other origins are indices into a Render's origin table.
inline constexpr int32_t template_origin = -1;

/// A stretch of a Text that has one origin; it begins where the previous one ends.
struct Run {
  size_t end;
  int32_t origin;
};

/// UTF-8 bytes that know where every character comes from. (Lone surrogates are kept in three bytes each.)
struct Text {
  std::string bytes;
  std::vector<Run> runs;            ///< Empty when the whole text has one origin.
  int32_t origin = template_origin; ///< The origin when runs is empty.

  Text() = default;
  Text(std::string content, int32_t text_origin) : bytes(std::move(content)), origin(text_origin) {}

  /// Appends bytes of one origin.
  void append(std::string_view content, int32_t content_origin);
  /// Appends bytes [begin, end) of another text (or of this one).
  void append(const Text& other, size_t begin, size_t end);
  /// The origin of the character at a byte offset (of the text itself when that is empty).
  int32_t origin_at(size_t offset) const;
  /// The first origin in [begin, end) that is not the template's, otherwise the template's.
  int32_t caller_origin(size_t begin, size_t end) const;
  /// The index of the run that covers a byte offset; only when there are runs.
  size_t run_index(size_t offset) const;
};

} // namespace verbatim::jinja
