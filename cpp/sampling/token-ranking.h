#pragma once

// Tokens in the order in which sampling considers them: falling logit, ties by lower id. Positions in
// that order are found by mass without sorting the vocabulary.

#include "base/token.h"
#include "sampling/vector-math.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace verbatim {

/// A logit that replaces the model's.
struct Patch {
  Token token;
  float logit;
};

/// A view of logits: a whole vocabulary, in which a few may be replaced, or a list picked from one.
struct Logits {
  const float* values = nullptr;
  size_t count = 0;
  const Token* tokens = nullptr;    ///< the token of each value, ascending; nullptr: its index
  std::span<const Patch> patches{}; ///< by rising token; only for a whole vocabulary

  Token token(size_t index) const { return tokens ? tokens[index] : static_cast<Token>(index); }

  /// Calls body(values, count, offset) for each chunk_size logits, until one returns false. Only chunks
  /// with a patch are copied.
  template <typename Body> void for_chunks(const Body& body) const {
    float buffer[chunk_size];
    size_t next = 0;
    for (size_t offset = 0; offset < count; offset += chunk_size) {
      const size_t n = std::min(chunk_size, count - offset);
      const float* chunk = values + offset;
      if (next < patches.size() && static_cast<size_t>(patches[next].token) < offset + n) {
        std::memcpy(buffer, chunk, n * sizeof(float));
        for (; next < patches.size() && static_cast<size_t>(patches[next].token) < offset + n; ++next)
          buffer[static_cast<size_t>(patches[next].token) - offset] = patches[next].logit;
        chunk = buffer;
      }
      if (!body(chunk, n, offset)) return;
    }
  }
};

/// Logits picked out of others, still by rising token.
struct TokenList {
  std::vector<float> logits;
  std::vector<Token> tokens;

  Logits view() const { return {logits.data(), logits.size(), tokens.data()}; }
  /// The indices, by falling logit, ties by lower token.
  std::vector<uint32_t> sorted() const;
};

/// The highest logit and the lowest above -infinity; highest is -infinity if there is none.
struct Extremes {
  float highest;
  float lowest;
};

/// Finds the extremes and sets group_maxima to those of groups that part the logits (lane_count per chunk).
Extremes find_extremes(const VectorMath& math, const Logits& logits, std::vector<float>& group_maxima);

/// The first `limit` by token of the logits from `from` to below `below`. All logits must be finite or
/// -infinity, `from` above -infinity.
TokenList pick(const VectorMath& math, const Logits& logits, float from, float below,
               size_t limit = SIZE_MAX);

/// The `count` first tokens in the order, or all above -infinity if they are fewer; by rising token.
TokenList pick_first(const VectorMath& math, const Logits& logits, const Extremes& extremes,
                     const std::vector<float>& group_maxima, size_t count);

/// A place in the order.
struct Place {
  float logit;
  Token token;
  double mass; ///< of all tokens up to and including this one

  bool before(const Place& other) const {
    return logit > other.logit || (logit == other.logit && token < other.token);
  }
};

/// A histogram of the weights exp((logit - top) * inverse_temperature), to find places in the order by.
/// All sums are in double precision and in an order of their own that depends on the logits
/// only, never on the instruction set.
class Ranking {
 public:
  /// `highest` is the highest logit, finite. Logits below `floor` share one sum: put it where the places to
  /// be found are rarely below it.
  Ranking(const VectorMath& math, const Logits& logits, double top, double inverse_temperature, float highest,
          float floor);

  /// The mass of the logits from the floor up.
  double ranked() const { return ranked_; }
  /// The mass of the logits below the floor.
  double below() const { return below_; }

  /// The first place whose mass exceeds `mass`, or the last place if rounding keeps all from it. Tokens
  /// outside of this ranking, which rank before it, have the mass `before`.
  Place first_above(double mass, double before = 0) const;

 private:
  double weight(float logit) const { return logit_weight(logit, buckets_.top, buckets_.inverse_temperature); }
  float lower_edge(int32_t bucket) const;
  Place first_in_list(const TokenList& list, double mass, double before) const;

  const VectorMath& math_;
  Logits logits_;
  Buckets buckets_;
  std::vector<double> sums_;
  double ranked_ = 0;
  double below_ = 0;
};

/// The lowest float in [low, high] for which holds(x) is true, given that it is true for high and that
/// it stays true as x rises.
template <typename Predicate> float lowest_float(float low, float high, const Predicate& holds) {
  // The bits of floats, read as integers, are in the order of the floats once negative ones are flipped.
  const auto flip = [](int32_t bits) { return bits < 0 ? bits ^ INT32_MAX : bits; };
  const auto key = [&](float value) {
    int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return int64_t{flip(bits)};
  };
  const auto value = [&](int64_t of_key) {
    const int32_t bits = flip(static_cast<int32_t>(of_key));
    float result;
    std::memcpy(&result, &bits, sizeof result);
    return result;
  };
  int64_t from = key(low), to = key(high);
  while (from < to) {
    const int64_t middle = from + (to - from) / 2;
    if (holds(value(middle)))
      to = middle;
    else
      from = middle + 1;
  }
  return value(to);
}

} // namespace verbatim
