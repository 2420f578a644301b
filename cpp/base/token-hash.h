#pragma once

#include "base/sha256.h"
#include "base/token.h"

#include <span>
#include <string>

namespace verbatim {

/// SHA-256 of token ids that come one by one, each hashed as a little-endian uint32.
class TokenHash {
 public:
  void add(Token token);
  /// Lower-case hexadecimal. The object cannot be used after.
  std::string finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

/// The TokenHash of all these tokens.
std::string token_ids_sha256(std::span<const Token> tokens);

} // namespace verbatim
