#include "prompt/special-tokens.h"

#include "base/error.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace verbatim {

namespace {

/// isspace of the C locale, which llama.cpp strips by.
bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

} // namespace

TemplateBytes::TemplateBytes(std::span<const ByteRange> ranges, size_t prompt_size)
    : prompt_size_(prompt_size) {
  for (const ByteRange range : ranges) {
    const size_t previous = ranges_.empty() ? 0 : ranges_.back().end;
    if (range.begin < previous || range.end < range.begin || range.end > prompt_size)
      throw Error(ErrorCode::Internal, "the ranges of the template must ascend and lie inside the prompt");
    if (range.begin == range.end) continue;
    if (!ranges_.empty() && range.begin == previous)
      ranges_.back().end = range.end;
    else
      ranges_.push_back(range);
  }
}

bool TemplateBytes::contain(ByteRange range) const {
  const auto after = std::ranges::upper_bound(ranges_, range.begin, {}, &ByteRange::begin);
  return range.begin == range.end || (after != ranges_.begin() && range.end <= std::prev(after)->end);
}

size_t TemplateBytes::next_boundary(size_t position) const {
  const auto range = std::ranges::upper_bound(ranges_, position, {}, &ByteRange::end);
  if (range == ranges_.end()) return prompt_size_;
  return position < range->begin ? range->begin : range->end;
}

SpecialTokens::SpecialTokens(std::vector<SpecialToken> tokens) : tokens_(std::move(tokens)) {
  build_trie();
  link_suffixes();
}

/// Goes breadth first over the sorted texts: a node is a run of texts that share a prefix.
void SpecialTokens::build_trie() {
  std::vector<uint32_t> sorted(tokens_.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::ranges::stable_sort(sorted, {}, [this](uint32_t i) -> const std::string& { return tokens_[i].text; });

  struct Run {
    size_t begin, end, depth;
  };
  std::vector<Run> runs{{0, sorted.size(), 0}};
  nodes_.emplace_back();
  for (size_t node = 0; node < nodes_.size(); ++node) {
    auto [begin, end, depth] = runs[node];
    for (; begin < end && tokens_[sorted[begin]].text.size() == depth; ++begin) {
      SpecialToken& token = tokens_[sorted[begin]];
      // An empty text is found nowhere.
      if (depth == 0) continue;
      if (nodes_[node].longest == none) {
        nodes_[node].longest = sorted[begin];
        continue;
      }
      // Of two tokens of one text llama.cpp finds the first; where that is refused, the other is, too.
      SpecialToken& first = tokens_[nodes_[node].longest];
      first.control = first.control || token.control;
      first.always_parsed = first.always_parsed || token.always_parsed;
    }
    nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = tokens_[sorted[begin]].text[depth];
      size_t run_end = begin + 1;
      while (run_end < end && tokens_[sorted[run_end]].text[depth] == label)
        ++run_end;
      runs.push_back({begin, run_end, depth + 1});
      nodes_.emplace_back().label = static_cast<uint8_t>(label);
      ++nodes_[node].children;
      begin = run_end;
    }
  }
}

void SpecialTokens::link_suffixes() {
  for (uint32_t i = 0; i < nodes_[0].children; ++i)
    from_root_[nodes_[nodes_[0].first_child + i].label] = nodes_[0].first_child + i;
  shorter_.assign(tokens_.size(), none);
  // Parents come before children and nodes before longer ones, so every link followed is already there.
  for (uint32_t parent = 0; parent < nodes_.size(); ++parent) {
    for (uint32_t i = 0; i < nodes_[parent].children; ++i) {
      Node& node = nodes_[nodes_[parent].first_child + i];
      node.fail = parent == 0 ? 0 : step(nodes_[parent].fail, node.label);
      const uint32_t suffix = nodes_[node.fail].longest;
      if (node.longest == none)
        node.longest = suffix;
      else
        shorter_[node.longest] = suffix;
    }
  }
}

uint32_t SpecialTokens::child(uint32_t node, uint8_t label) const {
  const Node* begin = nodes_.data() + nodes_[node].first_child;
  const Node* end = begin + nodes_[node].children;
  const Node* found =
      std::lower_bound(begin, end, label, [](const Node& n, uint8_t l) { return n.label < l; });
  return found != end && found->label == label ? static_cast<uint32_t>(found - nodes_.data()) : 0;
}

uint32_t SpecialTokens::step(uint32_t node, uint8_t label) const {
  while (node != 0) {
    if (const uint32_t next = child(node, label)) return next;
    node = nodes_[node].fail;
  }
  return from_root_[label];
}

/// A run of SpecialTokens::partition. Takes the tokens in the order of llama.cpp's
/// tokenizer_st_partition; but of the tokens that end at one byte it considers the next shorter one only when
/// the longer is ruled out, so that memory is bounded by the text and not by text × tokens (gpt-neox has 23
/// tokens of nothing but spaces).
class Partitioner {
 public:
  Partitioner(const SpecialTokens& specials, std::string_view text, const TemplateBytes& own)
      : specials_(specials), text_(text), own_(own) {}

  SpecialTokens::Partition run() {
    find_candidates();
    while (!candidates_.empty()) {
      const auto bucket = candidates_.extract(candidates_.begin());
      decide(bucket.key(), bucket.mapped());
    }
    const auto by_end = [](const SpecialTokens::Match& match) { return match.text.end; };
    std::ranges::sort(result_.accepted, {}, by_end);
    std::ranges::sort(result_.refused, {}, by_end);
    return std::move(result_);
  }

 private:
  void find_candidates() {
    uint32_t node = 0;
    for (size_t i = 0; i < text_.size(); ++i) {
      node = specials_.step(node, static_cast<uint8_t>(text_[i]));
      const uint32_t longest = specials_.nodes_[node].longest;
      if (longest != SpecialTokens::none) candidates_[longest].push_back(static_cast<uint32_t>(i + 1));
    }
  }

  /// Accepts or refuses one token at each of its candidates, left to right.
  void decide(uint32_t index, std::vector<uint32_t>& ends) {
    const SpecialToken& token = specials_.tokens_[index];
    std::ranges::sort(ends);
    size_t covered_until = 0;
    for (const uint32_t end : ends) {
      // Overlaps the match before it, as every shorter token that ends here does.
      if (end <= covered_until) continue;
      const ByteRange text{end - token.text.size(), end};
      const auto after = taken_.lower_bound(end);
      const size_t free_begin = after == taken_.begin() ? 0 : std::prev(after)->second;
      const size_t free_end = after == taken_.end() ? text_.size() : after->first;
      if (free_begin >= end) continue;
      if (text.begin < free_begin) {
        retry_shorter(index, end, free_begin);
      } else if (token.control && !own_.contain(text)) {
        result_.refused.push_back({&token, text, text});
        retry_shorter(index, end, free_begin);
      } else {
        covered_until = accept(token, text, {free_begin, free_end});
      }
    }
  }

  void retry_shorter(uint32_t index, uint32_t end, size_t free_begin) {
    do
      index = specials_.shorter_[index];
    while (index != SpecialTokens::none && end - specials_.tokens_[index].text.size() < free_begin);
    if (index != SpecialTokens::none) candidates_[index].push_back(end);
  }

  size_t accept(const SpecialToken& token, ByteRange text, ByteRange free) {
    ByteRange covered = text;
    if (token.strips_left)
      while (covered.begin > free.begin && is_space(text_[covered.begin - 1]))
        --covered.begin;
    if (token.strips_right)
      while (covered.end < free.end && is_space(text_[covered.end]))
        ++covered.end;
    taken_.emplace(covered.begin, covered.end);
    result_.accepted.push_back({&token, text, covered});
    return covered.end;
  }

  const SpecialTokens& specials_;
  const std::string_view text_;
  const TemplateBytes& own_;
  std::map<uint32_t, std::vector<uint32_t>> candidates_; ///< by token: the ends of its candidates
  std::map<size_t, size_t> taken_;                       ///< the covered ranges of accepted matches
  SpecialTokens::Partition result_;
};

SpecialTokens::Partition SpecialTokens::partition(std::string_view text, const TemplateBytes& own) const {
  return Partitioner(*this, text, own).run();
}

} // namespace verbatim
