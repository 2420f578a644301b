#include "jinja/search.h"

#include <algorithm>
#include <vector>

namespace verbatim::jinja {

namespace {

/// Up to this length the standard search, which compares at every place, is fast enough.
constexpr size_t short_length = 32;

/// Knuth, Morris and Pratt's search over the characters that `text(i)` and `wanted(i)` give; the index of a
/// match or npos.
template <class TextAt, class WantedAt>
size_t search(size_t text_size, const TextAt& text, size_t wanted_size, const WantedAt& wanted) {
  std::vector<size_t> fallback(wanted_size, 0);
  for (size_t i = 1, matched = 0; i < wanted_size; ++i) {
    while (matched > 0 && wanted(i) != wanted(matched))
      matched = fallback[matched - 1];
    if (wanted(i) == wanted(matched)) ++matched;
    fallback[i] = matched;
  }
  for (size_t i = 0, matched = 0; i < text_size; ++i) {
    while (matched > 0 && text(i) != wanted(matched))
      matched = fallback[matched - 1];
    if (text(i) == wanted(matched)) ++matched;
    if (matched == wanted_size) return i + 1 - wanted_size;
  }
  return std::string_view::npos;
}

} // namespace

size_t find_text(std::string_view text, std::string_view wanted, size_t from) {
  if (wanted.size() <= short_length) return text.find(wanted, from);
  if (from > text.size() || wanted.size() > text.size() - from) return std::string_view::npos;
  const size_t found = search(
      text.size() - from, [&](size_t i) { return text[from + i]; }, wanted.size(),
      [&](size_t i) { return wanted[i]; });
  return found == std::string_view::npos ? found : from + found;
}

size_t find_last_text(std::string_view text, std::string_view wanted, size_t from) {
  if (wanted.size() <= short_length) return text.rfind(wanted, from);
  if (wanted.size() > text.size()) return std::string_view::npos;
  // The same search, backwards from the end of the last possible match.
  const size_t end = std::min(from, text.size() - wanted.size()) + wanted.size();
  const size_t found = search(
      end, [&](size_t i) { return text[end - 1 - i]; }, wanted.size(),
      [&](size_t i) { return wanted[wanted.size() - 1 - i]; });
  return found == std::string_view::npos ? found : end - found - wanted.size();
}

} // namespace verbatim::jinja
