#include "engine/text-stream.h"

#include <algorithm>

namespace verbatim {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd"; // U+FFFD

} // namespace

void Utf8Decoder::reset() {
  partial_.clear();
  needed_ = 0;
  lower_ = 0x80;
  upper_ = 0xbf;
}

void Utf8Decoder::decode(std::string_view bytes, std::string& out) {
  for (size_t i = 0; i < bytes.size();) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (needed_ > 0) {
      if (byte < lower_ || byte > upper_) {
        // The subpart so far is invalid; this byte is looked at again as the start of something new.
        out += replacement;
        reset();
        continue;
      }
      lower_ = 0x80;
      upper_ = 0xbf;
      partial_.push_back(static_cast<char>(byte));
      if (--needed_ == 0) {
        out += partial_;
        reset();
      }
    } else if (byte < 0x80) {
      out.push_back(static_cast<char>(byte));
    } else if (byte >= 0xc2 && byte <= 0xf4) {
      needed_ = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
      // Overlong forms, surrogates and values above U+10FFFF are excluded by the second byte.
      if (byte == 0xe0) lower_ = 0xa0;
      if (byte == 0xed) upper_ = 0x9f;
      if (byte == 0xf0) lower_ = 0x90;
      if (byte == 0xf4) upper_ = 0x8f;
      partial_.push_back(static_cast<char>(byte));
    } else {
      out += replacement;
    }
    ++i;
  }
}

void Utf8Decoder::finish(std::string& out) {
  if (needed_ > 0) out += replacement;
  reset();
}

TextStream::TextStream(std::vector<std::string> stop_strings) : stop_strings_(std::move(stop_strings)) {
}

bool TextStream::append(std::string_view bytes, std::string& out) {
  if (stop_strings_.empty()) {
    decoder_.decode(bytes, out);
    return false;
  }
  decoder_.decode(bytes, held_);
  return scan(out);
}

bool TextStream::finish(std::string& out) {
  if (stop_strings_.empty()) {
    decoder_.finish(out);
    return false;
  }
  decoder_.finish(held_);
  if (scan(out)) return true;
  out += held_;
  held_.clear();
  return false;
}

bool TextStream::scan(std::string& out) {
  // The stop string that ends first wins, so that the result does not depend on how tokens cut the text.
  size_t best_end = std::string::npos, best_begin = 0;
  for (const auto& stop : stop_strings_) {
    const size_t begin = held_.find(stop);
    if (begin == std::string::npos) continue;
    const size_t end = begin + stop.size();
    if (end < best_end || (end == best_end && begin < best_begin)) {
      best_end = end;
      best_begin = begin;
    }
  }
  if (best_end != std::string::npos) {
    out.append(held_, 0, best_begin);
    held_.clear();
    return true;
  }
  // Hold back the longest end of the text that is the beginning of a stop string.
  size_t keep = 0;
  for (const auto& stop : stop_strings_) {
    for (size_t length = std::min(held_.size(), stop.size() - 1); length > keep; --length) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) {
        keep = length;
        break;
      }
    }
  }
  out.append(held_, 0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return false;
}

} // namespace verbatim
