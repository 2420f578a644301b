#pragma once

// Chooses the next token from a model's logits, as Transformers' generate() does: penalties,
// temperature, top-k, top-p, min-p, then a draw. Neutral unless asked for.

#include "generate-options.h"
#include "sampling/token-ranking.h"

#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace verbatim {

/// A token and the logarithm of its probability.
struct ScoredToken {
  Token token;
  float logprob;
};

/// A sampled token. Log probabilities are the model's: before penalties, temperature and selection.
struct Sampled {
  Token token = 0;
  float logprob = 0;            ///< only if SamplerOptions::logprobs >= 0
  std::vector<ScoredToken> top; ///< the most likely tokens, by falling probability, ties by lower id
};

/// Samples one sequence.
///
/// Order and ties. Tokens rank by falling logit after penalties (rounded to float), ties by lower id.
/// Weights are exp((logit - highest) / temperature) in double precision. Top-p keeps the shortest prefix
/// of what top-k left whose weight is at least top_p times the sum of what top-k left; min-p keeps
/// weights of at least min_p. A NaN logit counts as -infinity, and tokens at -infinity are never chosen.
/// Tokens at +infinity share all probability equally.
///
/// Draw. The generator is std::mt19937_64 seeded with the seed. Each token but a greedy one takes one
/// value: u = (value >> 11) / 2^53, and the token is the first in rank whose cumulative weight exceeds u
/// times the kept weight. No library function with latitude in rounding takes part (vector-math.h), so
/// the choice does not depend on the processor or the platform.
class Sampler {
 public:
  /// Throws InvalidOption, with the option's public name as field path. `math` is for tests: the instruction
  /// set to use.
  Sampler(const SamplerOptions& options, int32_t vocab_size, const VectorMath& math = vector_math());

  /// Notes tokens of the prompt, for the repetition penalty.
  void accept_prompt(std::span<const Token> tokens);
  /// Notes a token of the output. sample() does not: the caller may discard its token.
  void accept(Token token);

  /// Chooses a token from vocab_size logits, which it only reads, but none of the `excluded`, which ascend.
  /// Throws DecodeFailed if no other is above -infinity.
  Sampled sample(const float* logits, std::span<const Token> excluded = {});

  /// The tokens a draw would be made from, by rank. Takes no random number; for tests and diagnosis.
  std::vector<Token> kept(const float* logits, std::span<const Token> excluded = {});

  const SamplerOptions& options() const { return options_; }

 private:
  struct Seen {
    Token token;
    int32_t count; // in the output
  };
  // The tokens left after top-k, and the last place kept of them.
  struct Selection {
    TokenList list; // holds the logits if top-k or infinity picked them
    Logits logits;
    std::optional<Ranking> ranking; // absent: greedy
    Place last{};
  };

  bool penalises_output() const { return options_.presence_penalty != 0 || options_.frequency_penalty != 0; }
  void check_token(Token token) const;
  Logits patched(const float* logits, std::span<const Token> excluded);
  Selection select(const float* logits, std::span<const Token> excluded);
  void apply_top_p_and_min_p(Selection& selection, const Extremes& extremes) const;
  void add_logprobs(const float* logits, Sampled& sampled);

  SamplerOptions options_;
  size_t vocab_size_;
  const VectorMath& math_;
  std::mt19937_64 random_;
  std::vector<Seen> seen_;     // by rising token
  std::vector<Patch> patches_; // by rising token
  std::vector<float> group_maxima_;
};

} // namespace verbatim
