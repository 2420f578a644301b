#include "jinja/text.h"

#include <algorithm>

namespace verbatim::jinja {

void Text::append(std::string_view content, int32_t content_origin) {
  if (content.empty()) return;
  if (bytes.empty()) {
    origin = content_origin;
    runs.clear();
  } else if (runs.empty()) {
    if (origin != content_origin) {
      runs.push_back({bytes.size(), origin});
      runs.push_back({bytes.size() + content.size(), content_origin});
    }
  } else if (runs.back().origin == content_origin) {
    runs.back().end += content.size();
  } else {
    runs.push_back({bytes.size() + content.size(), content_origin});
  }
  bytes.append(content);
}

void Text::append(const Text& other, size_t begin, size_t end) {
  if (begin >= end) {
    // An empty text keeps the origin of what made it: str('') of the caller is the caller's.
    if (bytes.empty() && runs.empty() && origin == template_origin) origin = other.caller_origin(begin, end);
    return;
  }
  if (&other == this) {
    Text copy;
    copy.append(other, begin, end);
    append(copy, 0, copy.bytes.size());
    return;
  }
  const std::string_view content(other.bytes);
  if (other.runs.empty()) {
    append(content.substr(begin, end - begin), other.origin);
    return;
  }
  for (size_t i = other.run_index(begin); begin < end; ++i) {
    const size_t stop = std::min(end, other.runs[i].end);
    append(content.substr(begin, stop - begin), other.runs[i].origin);
    begin = stop;
  }
}

size_t Text::run_index(size_t offset) const {
  const auto found = std::upper_bound(runs.begin(), runs.end(), offset,
                                      [](size_t value, const Run& run) { return value < run.end; });
  return std::min<size_t>(found - runs.begin(), runs.size() - 1);
}

int32_t Text::origin_at(size_t offset) const {
  return runs.empty() ? origin : runs[run_index(offset)].origin;
}

int32_t Text::caller_origin(size_t begin, size_t end) const {
  if (runs.empty()) return origin;
  for (size_t i = run_index(begin); i < runs.size() && begin < end; ++i) {
    if (runs[i].origin != template_origin) return runs[i].origin;
    begin = runs[i].end;
  }
  return template_origin;
}

} // namespace verbatim::jinja
