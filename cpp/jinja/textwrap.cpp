#include "jinja/markup.h"
#include "jinja/strings.h"

#include <algorithm>

namespace verbatim::jinja {

namespace {

/// Python's textwrap of one line, on code points.
class Wrapper {
 public:
  Wrapper(const String& line, int64_t width, bool break_long, bool break_hyphens)
      : width_(width), break_long_(break_long), break_hyphens_(break_hyphens) {
    const std::string_view text(line.text().bytes);
    for (size_t at = line.begin; at < line.end;) {
      offsets_.push_back(at);
      text_.push_back(unicode::decode(text, at));
    }
    offsets_.push_back(line.end);
  }

  /// The parts of the text that the lines consist of, each as ranges of byte offsets.
  std::vector<std::pair<size_t, size_t>> run() {
    if (width_ <= 0) raise("invalid width " + std::to_string(width_) + " (must be > 0)");
    split();
    // A line's chunks are next to each other, so a line is one range.
    std::vector<std::pair<size_t, size_t>> lines;
    std::reverse(chunks_.begin(), chunks_.end());
    while (!chunks_.empty()) {
      if (!lines.empty() && blank(chunks_.back())) chunks_.pop_back();
      std::vector<Chunk> line;
      int64_t length = 0;
      while (!chunks_.empty() && length + chunks_.back().size() <= width_) {
        length += chunks_.back().size();
        line.push_back(chunks_.back());
        chunks_.pop_back();
      }
      if (!chunks_.empty() && chunks_.back().size() > width_) break_word(line, width_ - length);
      if (!line.empty() && blank(line.back())) line.pop_back();
      if (!line.empty()) lines.emplace_back(offsets_[line.front().begin], offsets_[line.back().end]);
    }
    return lines;
  }

 private:
  struct Chunk {
    size_t begin, end;
    int64_t size() const { return static_cast<int64_t>(end - begin); }
  };

  static bool space(char32_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  static bool letter(char32_t c) { return unicode::is_word(c) && !unicode::has(c, unicode::Decimal); }
  static bool word_punctuation(char32_t c) {
    return unicode::is_word(c) ||
           (c < 128 && std::string_view("!\"'&.,?").find(static_cast<char>(c)) != std::string_view::npos);
  }
  bool blank(const Chunk& chunk) const {
    return std::all_of(text_.begin() + static_cast<std::ptrdiff_t>(chunk.begin),
                       text_.begin() + static_cast<std::ptrdiff_t>(chunk.end), unicode::is_space);
  }
  char32_t at(size_t index) const { return index < text_.size() ? text_[index] : 0; }

  /// The end of two or more dashes that a word character follows, or 0.
  size_t em_dash(size_t begin) const {
    size_t end = begin;
    while (at(end) == '-')
      ++end;
    return end >= begin + 2 && end < text_.size() && unicode::is_word(text_[end]) ? end : 0;
  }

  /// True if a hyphenated word may be broken behind the hyphen at an index.
  bool breaks_at(size_t hyphen) const {
    if (at(hyphen) != '-') return false;
    const bool before = (hyphen >= 2 && letter(text_[hyphen - 2]) && letter(text_[hyphen - 1])) ||
                        (hyphen >= 3 && letter(text_[hyphen - 3]) && text_[hyphen - 2] == '-' &&
                         word_punctuation(text_[hyphen - 1]));
    if (!before || hyphen + 2 >= text_.size() || !letter(text_[hyphen + 1])) return false;
    return letter(text_[hyphen + 2]) ||
           (text_[hyphen + 2] == '-' && hyphen + 3 < text_.size() && letter(text_[hyphen + 3]));
  }

  size_t chunk_end(size_t begin) const {
    size_t end = begin;
    if (space(text_[begin])) {
      while (end < text_.size() && space(text_[end]))
        ++end;
      return end;
    }
    if (!break_hyphens_) {
      while (end < text_.size() && !space(text_[end]))
        ++end;
      return end;
    }
    if (begin > 0 && word_punctuation(text_[begin - 1]))
      if (const size_t dash = em_dash(begin)) return dash;
    for (end = begin + 1; end < text_.size() && !space(text_[end]); ++end) {
      if (breaks_at(end)) return end + 1;
      if (text_[end] == '-' && word_punctuation(text_[end - 1]) && em_dash(end)) return end;
    }
    return end;
  }

  void split() {
    for (size_t begin = 0; begin < text_.size();) {
      const size_t end = chunk_end(begin);
      chunks_.push_back({begin, end});
      begin = end;
    }
  }

  void break_word(std::vector<Chunk>& line, int64_t room) {
    Chunk& word = chunks_.back();
    if (!break_long_) {
      if (!line.empty()) return;
      line.push_back(word);
      chunks_.pop_back();
      return;
    }
    size_t end = word.begin + static_cast<size_t>(room);
    if (break_hyphens_ && word.size() > room) {
      for (size_t i = end; i-- > word.begin + 1;) {
        if (text_[i] != '-') continue;
        if (std::any_of(text_.begin() + static_cast<std::ptrdiff_t>(word.begin),
                        text_.begin() + static_cast<std::ptrdiff_t>(i), [](char32_t c) { return c != '-'; }))
          end = i + 1;
        break;
      }
    }
    line.push_back({word.begin, end}); // Python adds it even when it is empty.
    word.begin = end;
  }

  int64_t width_;
  bool break_long_, break_hyphens_;
  std::u32string text_;
  std::vector<size_t> offsets_;
  std::vector<Chunk> chunks_;
};

} // namespace

void wrap_line(Builder& out, const String& line, int64_t width, bool break_long_words, bool break_on_hyphens,
               const Value& separator) {
  Interpreter& in = out.interpreter();
  in.need((line.end - line.begin) * 32);
  in.step((line.end - line.begin) / 2);
  bool first = true;
  for (const auto& [begin, end] : Wrapper(line, width, break_long_words, break_on_hyphens).run()) {
    if (!first) out.append(separator);
    first = false;
    out.append(line.text(), begin, end);
  }
}

} // namespace verbatim::jinja
