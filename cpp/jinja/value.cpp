#include "jinja/value.h"

#include "jinja/unicode.h"

#include <algorithm>
#include <cstring>

namespace verbatim::jinja {

namespace {
constexpr size_t mark_bytes = 256;
constexpr size_t small_dict = 8;
} // namespace

bool Buffer::ascii() {
  if (ascii_ && ascii_checked_ < text.bytes.size()) {
    ascii_ = unicode::is_ascii(std::string_view(text.bytes).substr(ascii_checked_));
    ascii_checked_ = text.bytes.size();
  }
  return ascii_;
}

void Buffer::extend_marks() {
  if (marks_.empty()) marks_.push_back(0);
  const std::string_view all(text.bytes);
  while (marks_.size() * mark_bytes <= all.size())
    marks_.push_back(marks_.back() +
                     unicode::count(all.substr((marks_.size() - 1) * mark_bytes, mark_bytes)));
}

size_t Buffer::index_of(size_t offset) {
  if (ascii()) return offset;
  const std::string_view all(text.bytes);
  if (offset < mark_bytes) return unicode::count(all.substr(0, offset));
  extend_marks();
  const size_t mark = offset / mark_bytes;
  return marks_[mark] + unicode::count(all.substr(mark * mark_bytes, offset % mark_bytes));
}

size_t Buffer::offset_of(size_t index) {
  if (ascii()) return index;
  extend_marks();
  const auto above = std::upper_bound(marks_.begin(), marks_.end(), index);
  size_t offset = (above - marks_.begin() - 1) * mark_bytes;
  size_t left = index - above[-1];
  const std::string_view all(text.bytes);
  // Find the (left + 1)-th lead byte from here, or the end.
  for (; offset < all.size(); ++offset) {
    if ((static_cast<unsigned char>(all[offset]) & 0xC0) == 0x80) continue;
    if (left-- == 0) break;
  }
  return offset;
}

size_t String::length() {
  if (length_ == SIZE_MAX)
    length_ =
        end - begin <= mark_bytes ? unicode::count(view()) : buffer->index_of(end) - buffer->index_of(begin);
  return length_;
}

size_t String::offset_of(size_t index) {
  if (index >= length()) return end;
  if (ascii()) return begin + index;
  if (end - begin <= mark_bytes) {
    const std::string_view all = view();
    size_t at = 0;
    while (index-- > 0)
      unicode::decode(all, at);
    return begin + at;
  }
  return buffer->offset_of(buffer->index_of(begin) + index);
}

uint64_t String::hash() {
  if (hash_ == 0) hash_ = hash_bytes(view()) | 1;
  return hash_;
}

uint64_t hash_bytes(std::string_view bytes) {
  // Seeded by where the program was loaded, so that nobody can prepare keys that collide.
  static const char anchor = 0;
  uint64_t state = reinterpret_cast<uintptr_t>(&anchor) * 0x9E3779B97F4A7C15u ^ bytes.size();
  const auto mix = [&](uint64_t word) {
    state = (state ^ word) * 0xD6E8FEB86659FD93u;
    state ^= state >> 32;
  };
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + i, 8);
    mix(word);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes.data() + i, bytes.size() - i);
  mix(rest);
  mix(0x2545F4914F6CDD1Du);
  return state | 1;
}

Dict::Entry* Dict::find(std::string_view key, uint64_t hash) {
  return probe(hash, [&](const Entry& entry) {
    return entry.key.is_string() && entry.key.as<String>().view() == key;
  });
}

Dict::Entry* Dict::find(std::string_view key) {
  return find(key, hash_bytes(key));
}

void Dict::link(size_t index) {
  const size_t mask = table_.size() - 1;
  size_t at = entries[index].hash & mask;
  while (table_[at])
    at = (at + 1) & mask;
  table_[at] = static_cast<uint32_t>(index + 1);
}

void Dict::append(Value key, Value value, uint64_t hash) {
  entries.push_back({std::move(key), std::move(value), hash});
  if (entries.size() <= small_dict) return;
  if (entries.size() * 2 > table_.size()) {
    table_.assign(std::max<size_t>(32, table_.size() * 2), 0);
    for (size_t i = 0; i < entries.size(); ++i)
      link(i);
  } else {
    link(entries.size() - 1);
  }
}

Value Arguments::take(std::string_view name) {
  for (auto it = named.begin(); it != named.end(); ++it) {
    if (it->first.as<String>().view() != name) continue;
    Value value = std::move(it->second);
    named.erase(it);
    return value;
  }
  return {};
}

} // namespace verbatim::jinja
