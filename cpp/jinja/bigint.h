#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace verbatim::jinja {

/// An integer of any size. Callers limit the cost: bits() tells it before an operation.
class BigInt {
 public:
  BigInt() = default;
  explicit BigInt(int64_t value);
  /// The integral part of a finite double.
  static BigInt from_double(double value);
  /// Digits of a base up to 36, without sign or separators; the caller has checked them.
  static BigInt from_digits(std::string_view digits, unsigned base);

  bool is_zero() const { return limbs_.empty(); }
  bool negative() const { return negative_; }
  /// The number of bits of the magnitude.
  size_t bits() const;
  size_t limbs() const { return limbs_.size(); }
  size_t count_ones() const;
  bool fits_int64() const;
  int64_t to_int64() const;
  /// The nearest double, ties to even; infinite when out of range.
  double to_double() const;
  /// Digits in a base of 2 to 36, lower case, with a minus sign.
  std::string to_string(unsigned base = 10) const;
  /// The magnitude modulo 2^64.
  uint64_t low_bits() const;

  BigInt operator-() const;
  BigInt abs() const { return negative_ ? -*this : *this; }
  BigInt shifted_left(size_t bits) const;
  BigInt shifted_right(size_t bits) const; ///< Of the magnitude, truncating.

  friend BigInt operator+(const BigInt& a, const BigInt& b);
  friend BigInt operator-(const BigInt& a, const BigInt& b);
  friend BigInt operator*(const BigInt& a, const BigInt& b);
  friend bool operator==(const BigInt& a, const BigInt& b) = default;
  friend std::strong_ordering operator<=>(const BigInt& a, const BigInt& b);
  /// Python's // and %: the quotient rounds down, the remainder has the divisor's sign. b is not zero.
  static void floor_divide(const BigInt& a, const BigInt& b, BigInt& quotient, BigInt& remainder);
  /// a / b correctly rounded; infinite when out of range. b is not zero.
  static double true_divide(const BigInt& a, const BigInt& b);
  static BigInt power(BigInt base, uint64_t exponent);

 private:
  using Limbs = std::vector<uint32_t>;
  static std::strong_ordering compare(const Limbs& a, const Limbs& b);
  static Limbs add(const Limbs& a, const Limbs& b);
  static Limbs subtract(const Limbs& a, const Limbs& b); ///< a >= b
  static void divide(const Limbs& a, const Limbs& b, Limbs& quotient, Limbs& remainder);
  static uint32_t divide_small(Limbs& value, uint32_t divisor);
  void trim();

  Limbs limbs_; ///< Little endian, no leading zeros.
  bool negative_ = false;
};

} // namespace verbatim::jinja
