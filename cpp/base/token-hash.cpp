#include "base/token-hash.h"

#include <cstdint>
#include <string_view>

namespace verbatim {

void TokenHash::add(Token token) {
  const auto id = static_cast<uint32_t>(token);
  const char bytes[4] = {static_cast<char>(id), static_cast<char>(id >> 8), static_cast<char>(id >> 16),
                         static_cast<char>(id >> 24)};
  hash_.update(std::string_view(bytes, sizeof bytes));
}

std::string token_ids_sha256(std::span<const Token> tokens) {
  TokenHash hash;
  for (const Token token : tokens)
    hash.add(token);
  return hash.finish();
}

} // namespace verbatim
