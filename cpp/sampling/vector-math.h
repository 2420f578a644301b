#pragma once

// Passes over a vocabulary of logits, compiled for several instruction sets and chosen at run time.
//
// Every level computes the same bits: all take the same operations on each element (no fused
// multiply-add, no library exp) and add in the same order, so that a seed gives the same tokens on
// every machine.

#include <cstddef>
#include <cstdint>

namespace verbatim {

/// Elements a kernel takes per call at most; callers cut a vocabulary into chunks of this size.
constexpr size_t chunk_size = 1024;
/// Partial results kept side by side by the reductions: element i belongs to lane i % lane_count.
constexpr size_t lane_count = 16;

/// A histogram of probability mass over logits, in equal steps downwards from the highest logit.
struct Buckets {
  /// Partial sums per bucket (element i adds to copy i % copies_per_bucket): neighbouring logits are often
  /// equal, and adding them to one sum would wait for the previous store each time.
  static constexpr int32_t copies_per_bucket = 4;

  double top = 0; ///< weights are exp((logit - top) * inverse_temperature)
  double inverse_temperature = 1;
  float highest = 0;    ///< the upper edge of bucket 0; no logit is higher
  float floor = 0;      ///< logits below it have no bucket
  double per_logit = 0; ///< buckets per unit of logit
  int32_t count = 1;

  /// Partial sums of the histogram: those of the buckets, then lane_count for everything below the floor.
  size_t partial_sums() const { return static_cast<size_t>(count * copies_per_bucket) + lane_count; }
};

/// The passes, for one instruction set.
struct VectorMath {
  const char* name;
  /// Sets lane_max[lane_count] to the maxima of the lanes and lowest to the smallest logit above -infinity
  /// (+infinity if none). NaN counts as -infinity.
  void (*extremes)(const float* x, size_t n, float* lane_max, float* lowest);
  /// Adds exp((x - top) * inverse_temperature) to the lanes. NaN and -infinity weigh nothing.
  void (*mass)(const float* x, size_t n, double top, double inverse_temperature, double* lanes);
  /// Adds every element's weight to its partial sum of the histogram (Buckets::partial_sums() of them).
  void (*histogram)(const float* x, size_t n, const Buckets& buckets, double* partial_sums);
  /// Writes the indices of the elements with from <= x < below, ascending; returns their number. Any of the
  /// chunk_size indices may be overwritten. `from` is above -infinity.
  size_t (*gather)(const float* x, size_t n, float from, float below, uint32_t* indices);
};

enum class SimdLevel { Portable, Avx2, Avx512 };

/// The passes for `level`, or nullptr where the compiler or this processor lacks it.
const VectorMath* vector_math(SimdLevel level);
/// The passes for the best level of this processor.
const VectorMath& vector_math();

/// The weight of one logit, bit for bit as the passes compute it.
double logit_weight(float logit, double top, double inverse_temperature);
/// The bucket of a logit that is not below the floor. Never rises as the logit rises.
int32_t bucket_of(float logit, const Buckets& buckets);

} // namespace verbatim
