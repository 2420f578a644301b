#include "prompt/tokenizer.h"

#include "base/counted.h"
#include "base/error.h"

#include <algorithm>
#include <limits>

namespace verbatim {

Tokenizer::Tokenizer(const llama_vocab* vocab) : vocab_(vocab) {
  for (Token token = 0; token < size(); ++token)
    if (is_end_of_generation(token)) end_tokens_.push_back(token);
}

std::vector<Token> Tokenizer::tokenize(std::string_view text, ControlTokens control_tokens) const {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max()))
    throw Error(ErrorCode::TokenizeFailed, "the text is longer than 2 GiB; split it");
  const bool parse = control_tokens == ControlTokens::Parse;
  const auto length = static_cast<int32_t>(text.size());
  std::vector<Token> tokens(text.size() / 2 + 16);
  try {
    int32_t count = llama_tokenize(vocab_, text.data(), length, tokens.data(),
                                   static_cast<int32_t>(tokens.size()), false, parse);
    if (count < 0 && count != std::numeric_limits<int32_t>::min()) {
      tokens.resize(static_cast<size_t>(-count));
      count = llama_tokenize(vocab_, text.data(), length, tokens.data(), static_cast<int32_t>(tokens.size()),
                             false, parse);
    }
    if (count < 0) throw Error(ErrorCode::TokenizeFailed, "the text has too many tokens; split it");
    tokens.resize(static_cast<size_t>(count));
    return tokens;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    // llama_tokenize lets exceptions of some vocabularies through.
    throw Error(ErrorCode::TokenizeFailed,
                std::string("the model's vocabulary cannot tokenize this text: ") + error.what());
  }
}

std::string Tokenizer::detokenize(std::span<const Token> tokens, bool with_control_tokens) const {
  const auto invalid =
      std::ranges::find_if(tokens, [this](Token token) { return token < 0 || token >= size(); });
  if (invalid != tokens.end())
    throw Error(ErrorCode::InvalidOption,
                "token id " + std::to_string(*invalid) + " is outside the vocabulary of " +
                    counted(static_cast<uint64_t>(size()), "token"),
                {{"path", "tokenIds[" + std::to_string(invalid - tokens.begin()) + "]"}});
  std::string text;
  for (const Token token : tokens)
    append_piece(token, text, with_control_tokens);
  return text;
}

void Tokenizer::append_piece(Token token, std::string& out, bool with_control_tokens) const {
  const size_t before = out.size();
  size_t room = 32;
  for (;;) {
    out.resize(before + room);
    const int32_t written = llama_token_to_piece(vocab_, token, out.data() + before,
                                                 static_cast<int32_t>(room), 0, with_control_tokens);
    if (written >= 0) {
      out.resize(before + static_cast<size_t>(written));
      return;
    }
    room = static_cast<size_t>(-written);
  }
}

} // namespace verbatim
