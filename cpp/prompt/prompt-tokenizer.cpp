#include "prompt/prompt-tokenizer.h"

#include "base/error.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

namespace verbatim {

namespace {

using Matches = std::vector<SpecialTokens::Match>;

/// A place to cut a text at. The bytes in it, if any, are spelled out.
using Cut = ByteRange;

bool looks_like_marker(std::string_view text) {
  return text.size() > 4 && text.starts_with("<|") && text.ends_with("|>");
}

bool is_white_space(std::string_view text) {
  while (!text.empty()) {
    const size_t size = text.starts_with("\u2581") ? 3 : 1; // the space of SPM's tokens
    if (size == 1 && text[0] != ' ' && (text[0] < '\t' || text[0] > '\r')) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool is_control_entry(const llama_vocab* vocab, Token token, std::string_view template_source) {
  const int attributes = llama_vocab_get_attr(vocab, token);
  if (attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) return true;
  if (!(attributes & LLAMA_TOKEN_ATTR_USER_DEFINED)) return false;
  const std::string_view text = llama_vocab_get_text(vocab, token);
  return !is_white_space(text) &&
         (looks_like_marker(text) || template_source.find(text) != std::string_view::npos);
}

/// Throws where llama.cpp would abort.
const llama_vocab* checked(const llama_vocab* vocab) {
  if (llama_vocab_type(vocab) == LLAMA_VOCAB_TYPE_NONE)
    throw Error(ErrorCode::ModelUnsupported, "the model has no vocabulary");
  return vocab;
}

bool continues_code_point(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

enum class CharacterClass { Space, Word, Mark, Other };

CharacterClass classify(char c) {
  const auto lower = static_cast<char>(c | 0x20);
  if (static_cast<unsigned char>(c) >= 0x80) return CharacterClass::Other;
  if (c == ' ' || (c >= '\t' && c <= '\r')) return CharacterClass::Space;
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ? CharacterClass::Word
                                                                  : CharacterClass::Mark;
}

/// Cuts a control token's text in two, if possible at a place where most pre-tokenizers cut as well, as in
/// "<|" + "channel|>": then the tokens are those of a vocabulary without that control token.
Cut choose_cut(std::string_view text, ByteRange range) {
  size_t first = range.end;
  for (size_t i = range.begin + 1; i < range.end; ++i) {
    if (continues_code_point(text[i])) continue;
    const auto left = classify(text[i - 1]), right = classify(text[i]);
    const bool beside_space = left == CharacterClass::Space || right == CharacterClass::Space;
    if (left != right && !beside_space) return {i, i};
    if (first == range.end) first = i;
  }
  // One character cannot be cut.
  return first < range.end ? Cut{first, first} : Cut{range.begin, range.end};
}

/// Chooses the fewest cuts that leave none of the ranges in one piece. The ranges ascend by their ends.
std::vector<Cut> choose_cuts(std::string_view text, const std::vector<ByteRange>& ranges) {
  std::vector<Cut> cuts;
  for (const ByteRange range : ranges) {
    const bool is_cut = !cuts.empty() && cuts.back().end > range.begin && cuts.back().begin < range.end;
    if (!is_cut) cuts.push_back(choose_cut(text, range));
  }
  return cuts;
}

} // namespace

PromptTokenizer::PromptTokenizer(const llama_vocab* vocab, std::string_view template_source)
    : specials_(list_special_tokens(checked(vocab), template_source)), plain_(vocab, control_) {
}

std::vector<SpecialToken> PromptTokenizer::list_special_tokens(const llama_vocab* vocab,
                                                               std::string_view template_source) {
  const Token size = llama_vocab_n_tokens(vocab);
  control_.assign(static_cast<size_t>(size), false);
  std::vector<Token> ids;
  std::vector<size_t> lengths(static_cast<size_t>(size));
  for (Token token = 0; token < size; ++token) {
    constexpr int special =
        LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_USER_DEFINED | LLAMA_TOKEN_ATTR_UNKNOWN;
    if (!(llama_vocab_get_attr(vocab, token) & special)) continue;
    ids.push_back(token);
    lengths[token] = std::string_view(llama_vocab_get_text(vocab, token)).size();
    if (!is_control_entry(vocab, token, template_source)) continue;
    control_[token] = true;
    control_tokens_.push_back(token);
  }
  // Not stable_sort: of overlapping tokens of one length the first wins, so the order among them has to be
  // the one in which this same call leaves them inside llama.cpp.
  std::sort(ids.begin(), ids.end(), [&](const Token a, const Token b) { return lengths[a] > lengths[b]; });

  std::vector<SpecialToken> tokens;
  tokens.reserve(ids.size());
  for (const Token token : ids) {
    const int attributes = llama_vocab_get_attr(vocab, token);
    tokens.push_back({.id = token,
                      .text = llama_vocab_get_text(vocab, token),
                      .control = control_[token],
                      .always_parsed = !(attributes & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)),
                      .strips_left = (attributes & LLAMA_TOKEN_ATTR_LSTRIP) != 0,
                      .strips_right = (attributes & LLAMA_TOKEN_ATTR_RSTRIP) != 0});
  }
  return tokens;
}

/// A run of PromptTokenizer::tokenize: writes down the tokens from left to right.
class PromptWriter {
 public:
  PromptWriter(const PromptTokenizer& tokenizer, std::string_view prompt, std::span<const ByteRange> ranges)
      : specials_(tokenizer.specials_), plain_(tokenizer.plain_), tokenizer_(tokenizer), prompt_(prompt),
        own_(ranges, prompt.size()) {}

  PromptTokens run() {
    const SpecialTokens::Partition found = specials_.partition(prompt_, own_);
    auto next_refused = found.refused.begin();
    size_t position = 0;
    const auto write_gap = [&](size_t end) {
      Matches inside;
      for (; next_refused != found.refused.end() && next_refused->text.end <= end; ++next_refused)
        if (next_refused->text.begin >= position) inside.push_back(*next_refused);
      write_text({position, end}, inside);
    };
    for (const auto& match : found.accepted) {
      write_gap(match.covered.begin);
      if (match.token->control) out_.control_tokens.push_back({out_.tokens.size(), match.text});
      out_.tokens.push_back(match.token->id);
      position = match.covered.end;
    }
    write_gap(prompt_.size());
    return std::move(out_);
  }

 private:
  using Surroundings = PlainText::Surroundings;

  /// The text between two special tokens.
  void write_text(ByteRange range, const Matches& refused) {
    if (range.begin == range.end) return;
    // llama_tokenize would find these although it is told not to.
    std::vector<ByteRange> found_anyway;
    for (const auto& match : refused)
      if (match.token->always_parsed) found_anyway.push_back(match.text);
    write_pieces(range, {}, choose_cuts(prompt_, found_anyway), refused);
  }

  void write_pieces(ByteRange range, Surroundings surroundings, const std::vector<Cut>& cuts,
                    const Matches& refused) {
    auto next_refused = refused.begin();
    const auto surroundings_of = [&](ByteRange piece) {
      return Surroundings{.text_before = surroundings.text_before || piece.begin != range.begin,
                          .text_after = surroundings.text_after || piece.end != range.end};
    };
    const auto write = [&](ByteRange piece) {
      Matches inside;
      for (; next_refused != refused.end() && next_refused->text.end <= piece.end; ++next_refused)
        if (next_refused->text.begin >= piece.begin) inside.push_back(*next_refused);
      write_piece(piece, surroundings_of(piece), inside);
    };
    size_t position = range.begin;
    for (const Cut cut : cuts) {
      write({position, cut.begin});
      plain_.spell_out(prompt_.substr(cut.begin, cut.end - cut.begin), surroundings_of(cut), out_.tokens);
      position = cut.end;
    }
    write({position, range.end});
  }

  /// Writes text that is not to become control tokens. Tokenizers can make them of text nevertheless: SPM
  /// and BPE look up each merged text in the whole vocabulary, and RWKV and PLaMo-2 search for all tokens.
  void write_piece(ByteRange range, Surroundings surroundings, const Matches& refused) {
    if (range.begin == range.end) return;
    const std::string_view text = prompt_.substr(range.begin, range.end - range.begin);
    const std::vector<Token> tokens = plain_.tokenize(text, surroundings);
    // The template's own text may turn into control tokens, as in llama_tokenize.
    if (own_.contain(range)) return append(tokens);

    std::vector<Token> control;
    std::ranges::copy_if(tokens, std::back_inserter(control),
                         [this](Token token) { return tokenizer_.is_control(token); });
    if (control.empty()) return append(tokens);

    std::ranges::sort(control);
    std::vector<ByteRange> culprits;
    for (const auto& match : refused)
      if (std::ranges::binary_search(control, match.token->id)) culprits.push_back(match.text);
    if (!culprits.empty()) return write_pieces(range, surroundings, choose_cuts(prompt_, culprits), refused);
    // The unknown token, which nobody spelled, is all that the vocabulary has for some of the text.
    if (control.front() == plain_.unknown() && control.back() == plain_.unknown()) return append(tokens);

    const auto found = find_control(range, tokens);
    if (!found) return write_pieces(range, surroundings, cut_anyhow(range), refused);
    std::ranges::copy_if(*found, std::back_inserter(culprits),
                         [this](ByteRange control_text) { return !own_.contain(control_text); });
    if (culprits.empty()) return append(tokens);
    write_pieces(range, surroundings, choose_cuts(prompt_, culprits), refused);
  }

  /// The bytes that turned into control tokens without spelling their texts, such as the unescaped text in
  /// RWKV's vocabularies; nothing if the tokens do not give the text back.
  std::optional<std::vector<ByteRange>> find_control(ByteRange range,
                                                     const std::vector<Token>& tokens) const {
    std::string written;
    std::vector<ByteRange> found;
    for (const Token token : tokens) {
      const size_t begin = written.size();
      plain_.append_piece(token, written);
      if (tokenizer_.is_control(token)) found.push_back({begin, written.size()});
    }
    const std::string_view text = prompt_.substr(range.begin, range.end - range.begin);
    const size_t added = written.size() == text.size() + 1 && written.front() == ' ' ? 1 : 0;
    if (std::string_view(written).substr(added) != text) return std::nullopt;
    for (ByteRange& control : found)
      control = {range.begin + std::max(control.begin, added) - added, range.begin + control.end - added};
    return found;
  }

  /// Cuts a text some of whose bytes, unknown which, turn into control tokens (a vocabulary that changes the
  /// text first): at the template's boundaries or, without any, in the middle.
  std::vector<Cut> cut_anyhow(ByteRange range) const {
    std::vector<Cut> cuts;
    for (size_t i = own_.next_boundary(range.begin); i < range.end; i = own_.next_boundary(i))
      cuts.push_back({i, i});
    if (!cuts.empty()) return cuts;
    size_t middle = range.begin + (range.end - range.begin) / 2;
    while (middle > range.begin && continues_code_point(prompt_[middle]))
      --middle;
    if (middle == range.begin) ++middle;
    while (middle < range.end && continues_code_point(prompt_[middle]))
      ++middle;
    return {middle < range.end ? Cut{middle, middle} : Cut{range.begin, range.end}};
  }

  void append(const std::vector<Token>& tokens) {
    out_.tokens.insert(out_.tokens.end(), tokens.begin(), tokens.end());
  }

  const SpecialTokens& specials_;
  const PlainText& plain_;
  const PromptTokenizer& tokenizer_;
  const std::string_view prompt_;
  const TemplateBytes own_;
  PromptTokens out_;
};

PromptTokens PromptTokenizer::tokenize(std::string_view prompt,
                                       std::span<const ByteRange> template_bytes) const {
  if (prompt.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw Error(ErrorCode::TokenizeFailed, "the prompt is longer than 2 GiB; split it");
  return PromptWriter(*this, prompt, template_bytes).run();
}

} // namespace verbatim
