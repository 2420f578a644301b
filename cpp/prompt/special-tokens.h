#pragma once

#include "prompt/tokenizer.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim {

/// Bytes [begin, end) of a prompt.
struct ByteRange {
  size_t begin, end;
};

/// The bytes of a prompt that are the template's (or trusted); the others are a caller's.
class TemplateBytes {
 public:
  /// Ranges that touch become one. Throws Error Internal unless they ascend and lie inside the prompt.
  TemplateBytes(std::span<const ByteRange> ranges, size_t prompt_size);

  /// Returns true if every byte of the range is the template's.
  bool contain(ByteRange range) const;

  /// The first position after `position` where the owner changes, or the end of the prompt.
  size_t next_boundary(size_t position) const;

 private:
  std::vector<ByteRange> ranges_;
  size_t prompt_size_;
};

/// An entry of the vocabulary that llama.cpp cuts out of a text before the tokenizer proper sees the rest.
struct SpecialToken {
  Token id;
  std::string text;
  bool control;       ///< only the template may write it
  bool always_parsed; ///< found by llama_tokenize even with parse_special = false
  bool strips_left;   ///< swallows the white space before it
  bool strips_right;  ///< swallows the white space after it
};

/// The special tokens of a vocabulary, found in a text as llama.cpp finds them: the longest first, each from
/// left to right, outside of the longer ones. llama.cpp searches the text once for every token; this finds
/// the candidates of all of them in one pass (Aho-Corasick). Immutable.
class SpecialTokens {
 public:
  /// `tokens` must be in the order in which llama.cpp tries them.
  explicit SpecialTokens(std::vector<SpecialToken> tokens);

  /// A special token in a text.
  struct Match {
    const SpecialToken* token;
    ByteRange text;    ///< spells the token
    ByteRange covered; ///< `text` and the white space that the token swallows
  };

  /// A text cut up. Both lists ascend by the ends of their matches.
  struct Partition {
    std::vector<Match> accepted;
    /// Control tokens spelled, at least in part, by a caller. Some overlap each other or accepted ones.
    std::vector<Match> refused;
  };

  /// Cuts a text up as llama_tokenize with parse_special = true would if it did not know the control tokens
  /// where a caller wrote some of their bytes. The text must be shorter than 2 GiB.
  Partition partition(std::string_view text, const TemplateBytes& own) const;

  const std::vector<SpecialToken>& tokens() const { return tokens_; }

 private:
  static constexpr uint32_t none = UINT32_MAX;

  /// A prefix of some token. The children of a node follow one another, by label.
  struct Node {
    uint32_t first_child = 0;
    uint16_t children = 0;
    uint8_t label = 0;
    uint32_t fail = 0;       ///< the longest proper suffix that is a node
    uint32_t longest = none; ///< the longest token that ends this prefix
  };

  void build_trie();
  void link_suffixes();
  uint32_t child(uint32_t node, uint8_t label) const;
  uint32_t step(uint32_t node, uint8_t label) const;

  std::vector<SpecialToken> tokens_;
  std::vector<Node> nodes_;
  std::vector<uint32_t> shorter_;            ///< by token: the longest token that is a proper suffix of it
  std::array<uint32_t, 256> from_root_ = {}; ///< the root's children, 0 where there is none

  friend class Partitioner;
};

} // namespace verbatim
