#include "sampling/token-ranking.h"

#include <bit>
#include <cmath>
#include <functional>
#include <limits>

namespace verbatim {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float lowest_finite = std::numeric_limits<float>::lowest();
// Up to this many tokens, sorting costs less than another histogram.
constexpr size_t sort_limit = 256;
constexpr size_t tokens_per_bucket = 32;
// Keeps the histogram in the nearest caches.
constexpr size_t max_buckets = 2048;

// From about this many tokens in a bucket, a look for whether all are equal pays.
constexpr double many_tokens = 8192;

// Ranking::first_above() among the logits equal to `logit`, which weigh `each`: no list is needed, since
// the count follows from the mass.
Place first_equal(const VectorMath& math, const Logits& logits, float logit, double each, double mass,
                  double before) {
  const double all = static_cast<double>(logits.count);
  double count = each > 0 ? std::clamp(std::floor((mass - before) / each), 1.0, all) : all;
  while (count > 1 && before + each * (count - 1) > mass)
    --count;
  while (before + each * count <= mass && count < all)
    ++count;
  Place place{logit, 0, before};
  double seen = 0;
  uint32_t indices[chunk_size];
  logits.for_chunks([&](const float* x, size_t n, size_t offset) {
    const size_t found = math.gather(x, n, logit, std::nextafter(logit, infinity), indices);
    if (found == 0) return true;
    const bool here = count <= seen + static_cast<double>(found);
    const size_t index = here ? static_cast<size_t>(count - seen) - 1 : found - 1;
    place.token = logits.token(offset + indices[index]);
    seen += static_cast<double>(index + 1);
    place.mass = before + each * seen;
    return !here;
  });
  return place;
}

size_t count_between(const VectorMath& math, const Logits& logits, float from, float below) {
  size_t count = 0;
  uint32_t indices[chunk_size];
  logits.for_chunks([&](const float* x, size_t n, size_t) {
    count += math.gather(x, n, from, below, indices);
    return true;
  });
  return count;
}

} // namespace

std::vector<uint32_t> TokenList::sorted() const {
  // Sorts integers: logits as bits that rise as the logit falls, then the index, which is by rising
  // token and so settles ties. Adding 0 makes -0 equal to 0.
  std::vector<uint64_t> keys(logits.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    const uint32_t bits = std::bit_cast<uint32_t>(logits[i] + 0.0f);
    const uint32_t falling = bits >> 31 ? bits : ~bits & 0x7fffffffu;
    keys[i] = uint64_t{falling} << 32 | i;
  }
  std::sort(keys.begin(), keys.end());
  return {keys.begin(), keys.end()}; // the lower halves
}

Extremes find_extremes(const VectorMath& math, const Logits& logits, std::vector<float>& group_maxima) {
  Extremes extremes{-infinity, infinity};
  group_maxima.resize((logits.count + chunk_size - 1) / chunk_size * lane_count);
  float* maxima = group_maxima.data();
  logits.for_chunks([&](const float* x, size_t n, size_t) {
    float lowest;
    math.extremes(x, n, maxima, &lowest);
    extremes.lowest = std::min(extremes.lowest, lowest);
    extremes.highest = std::max(extremes.highest, *std::max_element(maxima, maxima + lane_count));
    maxima += lane_count;
    return true;
  });
  return extremes;
}

TokenList pick(const VectorMath& math, const Logits& logits, float from, float below, size_t limit) {
  TokenList list;
  uint32_t indices[chunk_size];
  logits.for_chunks([&](const float* x, size_t n, size_t offset) {
    const size_t had = list.logits.size();
    const size_t found = std::min(math.gather(x, n, from, below, indices), limit - had);
    list.logits.resize(had + found);
    list.tokens.resize(had + found);
    for (size_t i = 0; i < found; ++i) {
      list.logits[had + i] = x[indices[i]];
      list.tokens[had + i] = logits.token(offset + indices[i]);
    }
    return had + found < limit;
  });
  return list;
}

TokenList pick_first(const VectorMath& math, const Logits& logits, const Extremes& extremes,
                     const std::vector<float>& group_maxima, size_t count) {
  // The count-th highest of the groups' maxima has at least `count` logits from it up, and few more
  // unless they cluster in groups.
  float from = lowest_finite;
  if (count <= group_maxima.size()) {
    std::vector<float> maxima = group_maxima;
    const auto nth = maxima.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(maxima.begin(), nth, maxima.end(), std::greater<>());
    from = std::max(from, *nth);
  }
  // When `count` tokens share the highest logit, the lowest tokens are first.
  const size_t limit = from == extremes.highest ? count : SIZE_MAX;
  TokenList list = pick(math, logits, from, infinity, limit);
  if (list.logits.size() <= count) return list;
  // At inverse temperature 0 every logit weighs 1, so that masses are counts.
  const float floor = std::max(from, extremes.lowest);
  const Ranking counts(math, list.view(), extremes.highest, 0, extremes.highest, floor);
  const Place last = counts.first_above(static_cast<double>(count) - 0.5);
  size_t kept = 0;
  for (size_t i = 0; i < list.logits.size(); ++i) {
    const Place place{list.logits[i], list.tokens[i], 0};
    if (last.before(place)) continue;
    list.logits[kept] = place.logit;
    list.tokens[kept++] = place.token;
  }
  list.logits.resize(kept);
  list.tokens.resize(kept);
  return list;
}

Ranking::Ranking(const VectorMath& math, const Logits& logits, double top, double inverse_temperature,
                 float highest, float floor)
    : math_(math), logits_(logits), buckets_{top, inverse_temperature, highest, floor} {
  const double span = static_cast<double>(highest) - floor;
  buckets_.count = static_cast<int32_t>(std::clamp<size_t>(logits.count / tokens_per_bucket, 2, max_buckets));
  if (span > 0) buckets_.per_logit = buckets_.count / span;
  sums_.resize(static_cast<size_t>(buckets_.count));
  std::vector<double> partial_sums(buckets_.partial_sums());
  logits_.for_chunks([&](const float* x, size_t n, size_t) {
    math_.histogram(x, n, buckets_, partial_sums.data());
    return true;
  });
  static_assert(Buckets::copies_per_bucket == 4);
  for (size_t i = 0; i < sums_.size(); ++i) {
    const double* copies = partial_sums.data() + 4 * i;
    sums_[i] = (copies[0] + copies[1]) + (copies[2] + copies[3]);
    ranked_ += sums_[i];
  }
  for (size_t i = partial_sums.size() - lane_count; i < partial_sums.size(); ++i)
    below_ += partial_sums[i];
}

float Ranking::lower_edge(int32_t bucket) const {
  return lowest_float(buckets_.floor, buckets_.highest,
                      [&](float logit) { return bucket_of(logit, buckets_) <= bucket; });
}

Place Ranking::first_above(double mass, double before) const {
  int32_t bucket = 0;
  double bucket_before = before;
  for (int32_t i = 0; i < buckets_.count && !(before > mass); ++i) {
    if (sums_[static_cast<size_t>(i)] == 0) continue;
    bucket = i;
    bucket_before = before;
    before += sums_[static_cast<size_t>(i)];
  }
  if (!(before > mass) && below_ > 0) {
    const TokenList rest = pick(math_, logits_, lowest_finite, buckets_.floor);
    return first_in_list(rest, mass, before);
  }
  if (buckets_.highest == buckets_.floor)
    return first_equal(math_, logits_, buckets_.highest, weight(buckets_.highest), mass, bucket_before);
  const float from = lower_edge(bucket);
  const float below = bucket == 0 ? infinity : lower_edge(bucket - 1);
  if (sums_[static_cast<size_t>(bucket)] > many_tokens * weight(from)) {
    const float one = pick(math_, logits_, from, below, 1).logits.at(0);
    if (count_between(math_, logits_, one, std::nextafter(one, infinity)) ==
        count_between(math_, logits_, from, below))
      return first_equal(math_, logits_, one, weight(one), mass, bucket_before);
  }
  return first_in_list(pick(math_, logits_, from, below), mass, bucket_before);
}

Place Ranking::first_in_list(const TokenList& list, double mass, double before) const {
  if (list.logits.size() > sort_limit) {
    std::vector<float> group_maxima;
    const auto [highest, lowest] = find_extremes(math_, list.view(), group_maxima);
    if (highest == lowest) return first_equal(math_, list.view(), highest, weight(highest), mass, before);
    const Ranking finer(math_, list.view(), buckets_.top, buckets_.inverse_temperature, highest, lowest);
    return finer.first_above(mass, before);
  }
  Place place{};
  for (const uint32_t i : list.sorted()) {
    before += weight(list.logits[i]);
    place = {list.logits[i], list.tokens[i], before};
    if (before > mass) break;
  }
  return place;
}

} // namespace verbatim
