#pragma once

#include "base/sha256.h"
#include "base/token.h"

#include <span>
#include <string>

namespace verbatim {

/// SHA-256 of token ids added one by one, each as a little-endian uint32.
class TokenHash {
 public:
  void add(Token token);
  /// Returns the hash in lower-case hexadecimal. Call once, as the last thing.
  std::string finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

/// Returns the TokenHash of `tokens`.
std::string token_ids_sha256(std::span<const Token> tokens);

} // namespace verbatim
