#include "sampling/vector-math.h"

#include <cstring>
#include <initializer_list>
#include <limits>

// A fused multiply-add rounds once where a multiplication and an addition round twice: fusing on some
// processors only would make results differ between them.
#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#if defined(__GNUC__)
#define VERBATIM_INLINE inline __attribute__((always_inline))
#define VERBATIM_INLINE_LAMBDA __attribute__((always_inline))
#else
#define VERBATIM_INLINE inline
#define VERBATIM_INLINE_LAMBDA
#endif

namespace verbatim {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
// Fits the first-level cache beside the histogram.
constexpr size_t block_size = 256;
// Elements of an inner loop; a constant lets the compiler vectorise it.
constexpr size_t stride = 64;
static_assert(chunk_size % block_size == 0 && block_size % stride == 0 && stride % lane_count == 0);

// A register of doubles for each target, and the floats and integers that go with them. Where the
// compiler has no vector extension, one element at a time.
template <size_t Width> struct Vector;
template <> struct Vector<1> {
  using Floats = float;
  using Ints = int32_t;
  using Doubles = double;
  using Words = uint64_t;
};
#if defined(__GNUC__)
#define VERBATIM_VECTOR(width)                                                                               \
  template <> struct Vector<width> {                                                                         \
    using Floats = float __attribute__((vector_size(4 * width)));                                            \
    using Ints = int32_t __attribute__((vector_size(4 * width)));                                            \
    using Doubles = double __attribute__((vector_size(8 * width)));                                          \
    using Words = uint64_t __attribute__((vector_size(8 * width)));                                          \
  };
VERBATIM_VECTOR(2)
VERBATIM_VECTOR(4)
VERBATIM_VECTOR(8)
#define VERBATIM_CONVERT(type, value) __builtin_convertvector(value, type)
constexpr size_t baseline_width = 2;
#else
#define VERBATIM_CONVERT(type, value) static_cast<type>(value)
constexpr size_t baseline_width = 1;
#endif

// Sets result to exp(d) for d <= 0, with exp(0) exactly 1; to 0 for d below -708 (where exp would be
// denormal) and for NaN. d = n ln 2 + r with |r| <= ln 2 / 2, then the Taylor series of exp(r) to r^12,
// whose first missing term is below 2e-16. By reference, because passing vectors by value has no one ABI.
template <typename D, typename W> VERBATIM_INLINE void exp_nonpositive(const D& d, D& result) {
  constexpr double shift = 0x1.8p52; // adding it leaves the nearest integer in the low mantissa bits
  const D shifted = d * 0x1.71547652b82fep0 + shift;
  const D n = shifted - shift;
  const D r = d - n * 0x1.62e42fefa39efp-1;
  // Estrin's scheme: the chain of dependent operations is half as long as Horner's.
  const D r2 = r * r, r4 = r2 * r2;
  const D p0 = (r + 1.0) + (r * (1.0 / 6) + 0.5) * r2;
  const D p4 = (r * (1.0 / 120) + 1.0 / 24) + (r * (1.0 / 5040) + 1.0 / 720) * r2;
  const D p8 = (r * (1.0 / 362880) + 1.0 / 40320) + (r * (1.0 / 39916800) + 1.0 / 3628800) * r2;
  const D p = p0 + r4 * (p4 + r4 * (p8 + r4 * (1.0 / 479001600)));
  const W bits = __builtin_bit_cast(W, p) + (__builtin_bit_cast(W, shifted) << 52);
  result = d >= -708.0 ? __builtin_bit_cast(D, bits) : D{};
}

template <size_t Width>
VERBATIM_INLINE void weigh_block(const float* x, double top, double inverse_temperature, double* w) {
  using V = Vector<Width>;
  for (size_t i = 0; i < block_size; i += Width) {
    typename V::Floats logits;
    std::memcpy(&logits, x + i, sizeof logits);
    const typename V::Doubles d = (VERBATIM_CONVERT(typename V::Doubles, logits) - top) * inverse_temperature;
    typename V::Doubles weights;
    exp_nonpositive<typename V::Doubles, typename V::Words>(d, weights);
    std::memcpy(w + i, &weights, sizeof weights);
  }
}

// Sets positions to the buckets of the logits, as whole numbers once truncated: 0 for the highest, the
// last for anything low and NaN.
template <typename D>
VERBATIM_INLINE void bucket_positions(const D& logits, const Buckets& buckets, D& positions) {
  const D last = D{} + static_cast<double>(buckets.count - 1);
  const D position = (static_cast<double>(buckets.highest) - logits) * buckets.per_logit;
  positions = position < last ? position : last;
}

constexpr struct LaneNumbers {
  int32_t number[lane_count], copy[lane_count];
} lane_numbers = [] {
  LaneNumbers lanes{};
  for (size_t j = 0; j < lane_count; ++j) {
    lanes.number[j] = static_cast<int32_t>(j);
    lanes.copy[j] = static_cast<int32_t>(j) % Buckets::copies_per_bucket;
  }
  return lanes;
}();

// Sets indices to those of the partial sums of lane_count logits.
template <size_t Width>
VERBATIM_INLINE void find_partial_sums(const float* x, const Buckets& buckets, int32_t* indices) {
  using V = Vector<Width>;
  for (size_t j = 0; j < lane_count; j += Width) {
    typename V::Floats logits;
    typename V::Doubles positions;
    typename V::Ints copy, lane;
    std::memcpy(&logits, x + j, sizeof logits);
    std::memcpy(&copy, lane_numbers.copy + j, sizeof copy);
    std::memcpy(&lane, lane_numbers.number + j, sizeof lane);
    bucket_positions<typename V::Doubles>(VERBATIM_CONVERT(typename V::Doubles, logits), buckets, positions);
    const typename V::Ints inside =
        VERBATIM_CONVERT(typename V::Ints, positions) * Buckets::copies_per_bucket + copy;
    const typename V::Ints found =
        logits >= buckets.floor ? inside : lane + buckets.count * Buckets::copies_per_bucket;
    std::memcpy(indices + j, &found, sizeof found);
  }
}

// Calls body(block, offset) for each block_size elements, the last padded with -infinity.
template <typename Body> VERBATIM_INLINE void for_blocks(const float* x, size_t n, const Body& body) {
  size_t i = 0;
  for (; i + block_size <= n; i += block_size)
    body(x + i, i);
  if (i == n) return;
  float padded[block_size];
  for (size_t j = 0; j < block_size; ++j)
    padded[j] = i + j < n ? x[i + j] : -infinity;
  body(padded, i);
}

VERBATIM_INLINE void extremes_body(const float* x, size_t n, float* lane_max, float* lowest) {
  float high[stride], low[stride];
  for (size_t j = 0; j < stride; ++j) {
    high[j] = -infinity;
    low[j] = infinity;
  }
  for_blocks(x, n, [&](const float* block, size_t) VERBATIM_INLINE_LAMBDA {
    for (size_t i = 0; i < block_size; i += stride) {
      for (size_t j = 0; j < stride; ++j) {
        const float v = block[i + j];
        high[j] = v > high[j] ? v : high[j];
        const float finite = v > -infinity ? v : infinity;
        low[j] = finite < low[j] ? finite : low[j];
      }
    }
  });
  for (size_t j = lane_count; j < stride; ++j) {
    high[j % lane_count] = high[j] > high[j % lane_count] ? high[j] : high[j % lane_count];
    low[j % lane_count] = low[j] < low[j % lane_count] ? low[j] : low[j % lane_count];
  }
  *lowest = low[0];
  for (size_t j = 0; j < lane_count; ++j) {
    lane_max[j] = high[j];
    *lowest = low[j] < *lowest ? low[j] : *lowest;
  }
}

template <size_t Width>
VERBATIM_INLINE void mass_body(const float* x, size_t n, double top, double inverse_temperature,
                               double* lanes) {
  double w[block_size];
  for_blocks(x, n, [&](const float* block, size_t) VERBATIM_INLINE_LAMBDA {
    weigh_block<Width>(block, top, inverse_temperature, w);
    for (size_t i = 0; i < block_size; i += lane_count)
      for (size_t j = 0; j < lane_count; ++j)
        lanes[j] += w[i + j];
  });
}

template <size_t Width>
VERBATIM_INLINE void histogram_body(const float* x, size_t n, const Buckets& given, double* partial_sums) {
  const Buckets buckets = given; // a copy: `partial_sums` might alias a reference
  double w[block_size];
  double* const below = partial_sums + buckets.count * Buckets::copies_per_bucket;
  for_blocks(x, n, [&](const float* block, size_t) VERBATIM_INLINE_LAMBDA {
    weigh_block<Width>(block, buckets.top, buckets.inverse_temperature, w);
    for (size_t i = 0; i < block_size; i += stride) {
      int32_t inside = 0;
      for (size_t j = 0; j < stride; ++j)
        inside |= block[i + j] >= buckets.floor ? 1 : 0;
      for (size_t j = i; j < i + stride; j += lane_count) {
        if (!inside) {
          for (size_t lane = 0; lane < lane_count; ++lane)
            below[lane] += w[j + lane];
        } else {
          int32_t indices[lane_count];
          find_partial_sums<Width>(block + j, buckets, indices);
          for (size_t lane = 0; lane < lane_count; ++lane)
            partial_sums[indices[lane]] += w[j + lane];
        }
      }
    }
  });
}

VERBATIM_INLINE size_t gather_body(const float* x, size_t n, float from, float below, uint32_t* indices) {
  size_t count = 0;
  for_blocks(x, n, [&](const float* block, size_t offset) VERBATIM_INLINE_LAMBDA {
    for (size_t i = 0; i < block_size; i += stride) {
      int32_t any = 0;
      for (size_t j = 0; j < stride; ++j)
        any |= (block[i + j] >= from ? 1 : 0) & (block[i + j] < below ? 1 : 0);
      if (!any) continue;
      for (size_t j = 0; j < stride; ++j) { // without branches, which would be mispredicted
        indices[count] = static_cast<uint32_t>(offset + i + j);
        count += static_cast<size_t>(block[i + j] >= from) & static_cast<size_t>(block[i + j] < below);
      }
    }
  });
  return count;
}

// A wrapper for each instruction set: the bodies are inlined into it and compiled for its target.
#define VERBATIM_VECTOR_MATH(level, width, target)                                                           \
  target void extremes_##level(const float* x, size_t n, float* lane_max, float* lowest) {                   \
    extremes_body(x, n, lane_max, lowest);                                                                   \
  }                                                                                                          \
  target void mass_##level(const float* x, size_t n, double top, double inverse_temperature,                 \
                           double* lanes) {                                                                  \
    mass_body<width>(x, n, top, inverse_temperature, lanes);                                                 \
  }                                                                                                          \
  target void histogram_##level(const float* x, size_t n, const Buckets& buckets, double* partial_sums) {    \
    histogram_body<width>(x, n, buckets, partial_sums);                                                      \
  }                                                                                                          \
  target size_t gather_##level(const float* x, size_t n, float from, float below, uint32_t* indices) {       \
    return gather_body(x, n, from, below, indices);                                                          \
  }                                                                                                          \
  constexpr VectorMath passes_##level = {#level, extremes_##level, mass_##level, histogram_##level,          \
                                         gather_##level};

VERBATIM_VECTOR_MATH(portable, baseline_width, )

// Not for MinGW, whose stack is not aligned for these vectors.
#if defined(__GNUC__) && defined(__x86_64__) && !defined(_WIN32)
#define VERBATIM_X86_DISPATCH 1
VERBATIM_VECTOR_MATH(avx2, 4, __attribute__((target("avx2"))))
VERBATIM_VECTOR_MATH(avx512, 8, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))))
#endif

} // namespace

const VectorMath* vector_math(SimdLevel level) {
#ifdef VERBATIM_X86_DISPATCH
  if (level == SimdLevel::Avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
               ? &passes_avx512
               : nullptr;
  if (level == SimdLevel::Avx2) return __builtin_cpu_supports("avx2") ? &passes_avx2 : nullptr;
#endif
  return level == SimdLevel::Portable ? &passes_portable : nullptr;
}

const VectorMath& vector_math() {
  static const VectorMath* const best = [] {
    for (const SimdLevel level : {SimdLevel::Avx512, SimdLevel::Avx2})
      if (const VectorMath* found = vector_math(level)) return found;
    return &passes_portable;
  }();
  return *best;
}

double logit_weight(float logit, double top, double inverse_temperature) {
  double weight;
  exp_nonpositive<double, uint64_t>((static_cast<double>(logit) - top) * inverse_temperature, weight);
  return weight;
}

int32_t bucket_of(float logit, const Buckets& buckets) {
  double position;
  bucket_positions<double>(logit, buckets, position);
  return static_cast<int32_t>(position);
}

} // namespace verbatim
