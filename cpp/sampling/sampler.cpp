#include "sampling/sampler.h"

#include "base/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace verbatim {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float lowest_finite = std::numeric_limits<float>::lowest();
constexpr Token last_token = std::numeric_limits<Token>::max();

void require(bool valid, const char* option, double value, const char* expected) {
  if (valid) return;
  throw Error(ErrorCode::InvalidOption, std::string(option) + " must be " + expected,
              {{"path", std::string(option)}, {"value", value}});
}

// The token of the highest logit, ties by lower id.
Token first_at(const VectorMath& math, const Logits& logits, float highest,
               const std::vector<float>& group_maxima) {
  Token token = 0;
  uint32_t indices[chunk_size];
  const float* maxima = group_maxima.data();
  logits.for_chunks([&](const float* x, size_t n, size_t offset) {
    const bool here = std::find(maxima, maxima + lane_count, highest) != maxima + lane_count;
    maxima += lane_count;
    if (!here) return true;
    if (highest == infinity) {
      token = logits.token(offset + static_cast<size_t>(std::find(x, x + n, highest) - x));
    } else {
      math.gather(x, n, highest, infinity, indices);
      token = logits.token(offset + indices[0]);
    }
    return false;
  });
  return token;
}

// Tokens at +infinity, as equals.
TokenList pick_infinite(const Logits& logits) {
  TokenList list;
  logits.for_chunks([&](const float* x, size_t n, size_t offset) {
    for (size_t i = 0; i < n; ++i)
      if (x[i] == infinity) list.tokens.push_back(logits.token(offset + i));
    return true;
  });
  list.logits.assign(list.tokens.size(), 0.0f);
  return list;
}

[[noreturn]] void fail_without_logits() {
  throw Error(ErrorCode::DecodeFailed, "the model's output has no usable logit: all are NaN or -infinity");
}

} // namespace

Sampler::Sampler(const SamplerOptions& options, int32_t vocab_size, const VectorMath& math)
    : options_(options), vocab_size_(static_cast<size_t>(vocab_size)), math_(math), random_(options.seed) {
  const auto finite = [](double value) { return std::isfinite(value); };
  const SamplerOptions& o = options_;
  require(finite(o.temperature) && o.temperature >= 0, "temperature", o.temperature,
          "a number of at least 0");
  require(o.top_k >= 0, "topK", o.top_k, "at least 0");
  require(o.top_p >= 0 && o.top_p <= 1, "topP", o.top_p, "from 0 to 1");
  require(o.min_p >= 0 && o.min_p <= 1, "minP", o.min_p, "from 0 to 1");
  require(finite(o.repetition_penalty) && o.repetition_penalty > 0, "repetitionPenalty", o.repetition_penalty,
          "a number above 0");
  require(finite(o.presence_penalty), "presencePenalty", o.presence_penalty, "a number");
  require(finite(o.frequency_penalty), "frequencyPenalty", o.frequency_penalty, "a number");
  require(o.logprobs >= -1, "logprobs", o.logprobs, "at least -1");
  require(vocab_size > 0, "vocabSize", vocab_size, "above 0");
}

void Sampler::check_token(Token token) const {
  if (token >= 0 && static_cast<size_t>(token) < vocab_size_) return;
  throw Error(ErrorCode::Internal, "a token given to the sampler is not in the vocabulary",
              {{"token", int64_t{token}}, {"vocab_size", static_cast<int64_t>(vocab_size_)}});
}

void Sampler::accept_prompt(std::span<const Token> tokens) {
  for (const Token token : tokens)
    check_token(token);
  if (options_.repetition_penalty == 1) return;
  std::vector<Seen> all = seen_; // first among equals below, so that counts survive
  for (const Token token : tokens)
    all.push_back({token, 0});
  std::stable_sort(all.begin(), all.end(), [](const Seen& a, const Seen& b) { return a.token < b.token; });
  const auto same = [](const Seen& a, const Seen& b) { return a.token == b.token; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
  seen_ = std::move(all);
}

void Sampler::accept(Token token) {
  check_token(token);
  if (options_.repetition_penalty == 1 && !penalises_output()) return;
  const auto at = std::lower_bound(seen_.begin(), seen_.end(), token,
                                   [](const Seen& seen, Token wanted) { return seen.token < wanted; });
  if (at != seen_.end() && at->token == token)
    ++at->count;
  else
    seen_.insert(at, {token, 1});
}

Logits Sampler::patched(const float* logits, std::span<const Token> excluded) {
  patches_.clear();
  size_t next = 0;
  const auto exclude_below = [&](size_t token) {
    for (; next < excluded.size() && static_cast<size_t>(excluded[next]) < token; ++next)
      patches_.push_back({excluded[next], -infinity});
  };
  for (const Seen& seen : seen_) {
    exclude_below(static_cast<size_t>(seen.token));
    if (next < excluded.size() && excluded[next] == seen.token) continue; // added before the next one
    double logit = logits[seen.token];
    logit = logit < 0 ? logit * options_.repetition_penalty : logit / options_.repetition_penalty;
    logit -= options_.frequency_penalty * seen.count + (seen.count > 0 ? options_.presence_penalty : 0);
    patches_.push_back({seen.token, static_cast<float>(logit)});
  }
  exclude_below(vocab_size_);
  return {logits, vocab_size_, nullptr, patches_};
}

Sampler::Selection Sampler::select(const float* logits, std::span<const Token> excluded) {
  Selection selection;
  selection.logits = patched(logits, excluded);
  Extremes extremes = find_extremes(math_, selection.logits, group_maxima_);
  if (extremes.highest == -infinity) fail_without_logits();
  if (options_.temperature == 0) {
    selection.last = {extremes.highest, first_at(math_, selection.logits, extremes.highest, group_maxima_),
                      1};
    return selection;
  }
  if (extremes.highest == infinity) {
    selection.list = pick_infinite(selection.logits);
    selection.logits = selection.list.view();
    extremes = find_extremes(math_, selection.logits, group_maxima_);
  }
  const size_t k = static_cast<size_t>(options_.top_k);
  if (k > 0 && k < selection.logits.count) {
    selection.list = pick_first(math_, selection.logits, extremes, group_maxima_, k);
    selection.logits = selection.list.view();
    extremes.lowest = *std::min_element(selection.list.logits.begin(), selection.list.logits.end());
  }
  apply_top_p_and_min_p(selection, extremes);
  return selection;
}

void Sampler::apply_top_p_and_min_p(Selection& selection, const Extremes& extremes) const {
  const float highest = extremes.highest, lowest = extremes.lowest;
  // Limited so that a temperature next to 0 cannot make 0 * infinity of the highest logit.
  const double inverse_temperature = std::min(1 / options_.temperature, 1e300);
  float floor;
  bool min_p_cuts = false;
  if (options_.min_p > 0) {
    floor = lowest_float(lowest, highest, [&](float logit) {
      return logit_weight(logit, highest, inverse_temperature) >= options_.min_p;
    });
    min_p_cuts = floor > lowest;
  } else {
    // Tokens below this floor have together at most 1 - top_p of the mass, or too little to be drawn.
    // Powers of two bound the logarithms, which std::log may round differently on other platforms.
    const double spare = std::max(1 - options_.top_p, 0x1p-54);
    const int halvings = static_cast<int>(std::bit_width(selection.logits.count)) - std::ilogb(spare);
    const double margin = halvings * 0x1.62e42fefa39efp-1; // ln 2
    floor = static_cast<float>(std::max<double>(lowest, highest - margin / inverse_temperature));
  }
  const Ranking& ranking =
      selection.ranking.emplace(math_, selection.logits, highest, inverse_temperature, highest, floor);
  selection.last = min_p_cuts ? Place{floor, last_token, ranking.ranked()}
                              : Place{lowest_finite, last_token, ranking.ranked() + ranking.below()};
  if (options_.top_p == 1) return;
  // first_above() looks for a greater mass; an equal one is enough.
  const double reach = options_.top_p * (ranking.ranked() + ranking.below());
  const double above = std::nextafter(reach, -1.0);
  if (min_p_cuts && above >= ranking.ranked()) return;
  selection.last = ranking.first_above(above);
}

Sampled Sampler::sample(const float* logits, std::span<const Token> excluded) {
  const Selection selection = select(logits, excluded);
  Place place = selection.last;
  if (selection.ranking) {
    const double u = static_cast<double>(random_() >> 11) * 0x1p-53;
    const Place drawn = selection.ranking->first_above(u * selection.last.mass);
    if (drawn.before(place)) place = drawn; // never past the last, whatever the rounding
  }
  Sampled sampled;
  sampled.token = place.token;
  if (options_.logprobs >= 0) add_logprobs(logits, sampled);
  return sampled;
}

std::vector<Token> Sampler::kept(const float* logits, std::span<const Token> excluded) {
  const Selection selection = select(logits, excluded);
  if (!selection.ranking) return {selection.last.token};
  const TokenList list =
      pick(math_, selection.logits, std::max(lowest_finite, selection.last.logit), infinity);
  std::vector<Token> tokens;
  for (const uint32_t i : list.sorted())
    if (!selection.last.before({list.logits[i], list.tokens[i], 0})) tokens.push_back(list.tokens[i]);
  return tokens;
}

void Sampler::add_logprobs(const float* logits, Sampled& sampled) {
  Logits raw{logits, vocab_size_};
  Extremes extremes = find_extremes(math_, raw, group_maxima_);
  TokenList infinite;
  if (extremes.highest == infinity) {
    infinite = pick_infinite(raw);
    raw = infinite.view();
    extremes = find_extremes(math_, raw, group_maxima_);
  }
  double lanes[lane_count] = {};
  raw.for_chunks([&](const float* x, size_t n, size_t) {
    math_.mass(x, n, extremes.highest, 1, lanes);
    return true;
  });
  double mass = 0;
  for (const double lane : lanes)
    mass += lane;
  const double log_mass = std::log(mass);
  const auto logprob = [&](double logit) { return static_cast<float>(logit - extremes.highest - log_mass); };

  if (infinite.tokens.empty())
    sampled.logprob = logprob(logits[sampled.token]);
  else
    sampled.logprob = logits[sampled.token] == infinity ? logprob(0) : -infinity;
  if (options_.logprobs == 0) return;
  const TokenList top =
      pick_first(math_, raw, extremes, group_maxima_, static_cast<size_t>(options_.logprobs));
  for (const uint32_t i : top.sorted())
    sampled.top.push_back({top.tokens[i], logprob(top.logits[i])});
}

} // namespace verbatim
