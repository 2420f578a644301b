#include "jinja/bigint.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace verbatim::jinja {

BigInt::BigInt(int64_t value) : negative_(value < 0) {
  uint64_t magnitude = negative_ ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  for (; magnitude; magnitude >>= 32)
    limbs_.push_back(static_cast<uint32_t>(magnitude));
}

BigInt BigInt::from_double(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::trunc(std::fabs(value)), &exponent);
  BigInt result(static_cast<int64_t>(std::ldexp(fraction, 53)));
  result = exponent >= 53 ? result.shifted_left(exponent - 53) : result.shifted_right(53 - exponent);
  result.negative_ = value < 0 && !result.is_zero();
  return result;
}

BigInt BigInt::from_digits(std::string_view digits, unsigned base) {
  BigInt result;
  for (const char c : digits) {
    const unsigned digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    uint64_t carry = digit;
    for (uint32_t& limb : result.limbs_) {
      carry += static_cast<uint64_t>(limb) * base;
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry) result.limbs_.push_back(static_cast<uint32_t>(carry));
  }
  return result;
}

void BigInt::trim() {
  while (!limbs_.empty() && limbs_.back() == 0)
    limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
}

size_t BigInt::bits() const {
  return limbs_.empty() ? 0 : limbs_.size() * 32 - std::countl_zero(limbs_.back());
}

size_t BigInt::count_ones() const {
  size_t ones = 0;
  for (const uint32_t limb : limbs_)
    ones += std::popcount(limb);
  return ones;
}

bool BigInt::fits_int64() const {
  if (bits() < 64) return true;
  return negative_ && bits() == 64 && limbs_[1] == 0x80000000u && limbs_[0] == 0;
}

uint64_t BigInt::low_bits() const {
  uint64_t value = limbs_.empty() ? 0 : limbs_[0];
  if (limbs_.size() > 1) value |= static_cast<uint64_t>(limbs_[1]) << 32;
  return value;
}

int64_t BigInt::to_int64() const {
  return static_cast<int64_t>(negative_ ? 0 - low_bits() : low_bits());
}

double BigInt::to_double() const {
  const size_t width = bits();
  if (width <= 64) {
    const auto value = static_cast<double>(low_bits());
    return negative_ ? -value : value;
  }
  if (width > 1024)
    return negative_ ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  // Keep 64 bits and fold all lower ones into the last, so that the conversion rounds as if it saw them.
  const size_t shift = width - 64;
  const BigInt top = shifted_right(shift);
  uint64_t kept = top.low_bits();
  if (!(top.shifted_left(shift) == abs())) kept |= 1;
  const double value = std::ldexp(static_cast<double>(kept), static_cast<int>(shift));
  return negative_ ? -value : value;
}

std::string BigInt::to_string(unsigned base) const {
  if (limbs_.empty()) return "0";
  std::string digits;
  uint32_t chunk = base;
  int per_chunk = 1;
  while (static_cast<uint64_t>(chunk) * base <= std::numeric_limits<uint32_t>::max()) {
    chunk *= base;
    ++per_chunk;
  }
  Limbs rest = limbs_;
  while (!rest.empty()) {
    uint32_t part = divide_small(rest, chunk);
    for (int i = 0; i < per_chunk && (part || !rest.empty()); ++i, part /= base)
      digits.push_back("0123456789abcdefghijklmnopqrstuvwxyz"[part % base]);
  }
  if (negative_) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

uint32_t BigInt::divide_small(Limbs& value, uint32_t divisor) {
  uint64_t remainder = 0;
  for (size_t i = value.size(); i-- > 0;) {
    remainder = remainder << 32 | value[i];
    value[i] = static_cast<uint32_t>(remainder / divisor);
    remainder %= divisor;
  }
  while (!value.empty() && value.back() == 0)
    value.pop_back();
  return static_cast<uint32_t>(remainder);
}

BigInt BigInt::operator-() const {
  BigInt result = *this;
  result.negative_ = !negative_ && !limbs_.empty();
  return result;
}

BigInt BigInt::shifted_left(size_t bits) const {
  if (limbs_.empty()) return {};
  BigInt result;
  result.negative_ = negative_;
  result.limbs_.assign(bits / 32, 0);
  uint64_t carry = 0;
  for (const uint32_t limb : limbs_) {
    carry |= static_cast<uint64_t>(limb) << (bits % 32);
    result.limbs_.push_back(static_cast<uint32_t>(carry));
    carry >>= 32;
  }
  result.limbs_.push_back(static_cast<uint32_t>(carry));
  result.trim();
  return result;
}

BigInt BigInt::shifted_right(size_t bits) const {
  BigInt result;
  for (size_t i = bits / 32; i < limbs_.size(); ++i) {
    const uint64_t high = i + 1 < limbs_.size() ? limbs_[i + 1] : 0;
    result.limbs_.push_back(static_cast<uint32_t>((high << 32 | limbs_[i]) >> (bits % 32)));
  }
  result.trim();
  return result;
}

std::strong_ordering BigInt::compare(const Limbs& a, const Limbs& b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  for (size_t i = a.size(); i-- > 0;)
    if (a[i] != b[i]) return a[i] <=> b[i];
  return std::strong_ordering::equal;
}

BigInt::Limbs BigInt::add(const Limbs& a, const Limbs& b) {
  Limbs sum;
  sum.reserve(std::max(a.size(), b.size()) + 1);
  uint64_t carry = 0;
  for (size_t i = 0; i < a.size() || i < b.size() || carry; ++i) {
    carry += (i < a.size() ? a[i] : 0ull) + (i < b.size() ? b[i] : 0ull);
    sum.push_back(static_cast<uint32_t>(carry));
    carry >>= 32;
  }
  return sum;
}

BigInt::Limbs BigInt::subtract(const Limbs& a, const Limbs& b) {
  Limbs difference(a.size());
  int64_t borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t value = static_cast<int64_t>(a[i]) - (i < b.size() ? b[i] : 0) - borrow;
    borrow = value < 0;
    difference[i] = static_cast<uint32_t>(value + (borrow << 32));
  }
  return difference;
}

BigInt operator+(const BigInt& a, const BigInt& b) {
  BigInt result;
  if (a.negative_ == b.negative_) {
    result.limbs_ = BigInt::add(a.limbs_, b.limbs_);
    result.negative_ = a.negative_;
  } else if (BigInt::compare(a.limbs_, b.limbs_) >= 0) {
    result.limbs_ = BigInt::subtract(a.limbs_, b.limbs_);
    result.negative_ = a.negative_;
  } else {
    result.limbs_ = BigInt::subtract(b.limbs_, a.limbs_);
    result.negative_ = b.negative_;
  }
  result.trim();
  return result;
}

BigInt operator-(const BigInt& a, const BigInt& b) {
  return a + -b;
}

BigInt operator*(const BigInt& a, const BigInt& b) {
  BigInt result;
  result.limbs_.assign(a.limbs_.size() + b.limbs_.size(), 0);
  for (size_t i = 0; i < a.limbs_.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < b.limbs_.size() || carry; ++j) {
      carry += result.limbs_[i + j];
      if (j < b.limbs_.size()) carry += static_cast<uint64_t>(a.limbs_[i]) * b.limbs_[j];
      result.limbs_[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  result.negative_ = a.negative_ != b.negative_;
  result.trim();
  return result;
}

std::strong_ordering operator<=>(const BigInt& a, const BigInt& b) {
  if (a.negative_ != b.negative_) return b.negative_ <=> a.negative_;
  return a.negative_ ? BigInt::compare(b.limbs_, a.limbs_) : BigInt::compare(a.limbs_, b.limbs_);
}

void BigInt::divide(const Limbs& a, const Limbs& b, Limbs& quotient, Limbs& remainder) {
  if (compare(a, b) < 0) {
    quotient.clear();
    remainder = a;
    return;
  }
  if (b.size() == 1) {
    quotient = a;
    remainder.assign(1, divide_small(quotient, b[0]));
    return;
  }
  // Knuth's algorithm D: scale until the divisor's top bit is set, then guess and correct one limb at a time.
  const int shift = std::countl_zero(b.back());
  BigInt scaled_a, scaled_b;
  scaled_a.limbs_ = a;
  scaled_b.limbs_ = b;
  Limbs u = scaled_a.shifted_left(shift).limbs_;
  const Limbs v = scaled_b.shifted_left(shift).limbs_;
  u.resize(a.size() + 1, 0);
  const size_t n = v.size();
  quotient.assign(u.size() - n, 0);
  for (size_t j = u.size() - n; j-- > 0;) {
    const uint64_t numerator = static_cast<uint64_t>(u[j + n]) << 32 | u[j + n - 1];
    uint64_t guess = numerator / v[n - 1];
    uint64_t rest = numerator % v[n - 1];
    while (guess >> 32 || guess * v[n - 2] > (rest << 32 | u[j + n - 2])) {
      --guess;
      rest += v[n - 1];
      if (rest >> 32) break;
    }
    int64_t borrow = 0;
    uint64_t carry = 0;
    for (size_t i = 0; i < n; ++i) {
      carry += guess * v[i];
      const int64_t value = static_cast<int64_t>(u[i + j]) - static_cast<uint32_t>(carry) - borrow;
      u[i + j] = static_cast<uint32_t>(value);
      borrow = value < 0;
      carry >>= 32;
    }
    const int64_t top = static_cast<int64_t>(u[j + n]) - static_cast<int64_t>(carry) - borrow;
    u[j + n] = static_cast<uint32_t>(top);
    if (top < 0) {
      --guess;
      uint64_t sum = 0;
      for (size_t i = 0; i < n; ++i) {
        sum += static_cast<uint64_t>(u[i + j]) + v[i];
        u[i + j] = static_cast<uint32_t>(sum);
        sum >>= 32;
      }
      u[j + n] += static_cast<uint32_t>(sum);
    }
    quotient[j] = static_cast<uint32_t>(guess);
  }
  BigInt rest;
  rest.limbs_ = std::move(u);
  rest.trim();
  remainder = rest.shifted_right(shift).limbs_;
}

void BigInt::floor_divide(const BigInt& a, const BigInt& b, BigInt& quotient, BigInt& remainder) {
  BigInt q, r;
  divide(a.limbs_, b.limbs_, q.limbs_, r.limbs_);
  q.negative_ = a.negative_ != b.negative_;
  r.negative_ = a.negative_;
  q.trim();
  r.trim();
  if (!r.is_zero() && r.negative_ != b.negative_) {
    q = q - BigInt(1);
    r = r + b;
  }
  quotient = std::move(q);
  remainder = std::move(r);
}

double BigInt::true_divide(const BigInt& a, const BigInt& b) {
  if (a.is_zero()) return 0.0;
  // Scale so that the quotient has 64 or 65 bits, fold the remainder into the last bit, and scale back.
  const auto shift = static_cast<int64_t>(b.bits()) - static_cast<int64_t>(a.bits()) + 65;
  BigInt dividend = a.abs(), divisor = b.abs();
  if (shift > 0)
    dividend = dividend.shifted_left(shift);
  else
    divisor = divisor.shifted_left(-shift);
  BigInt quotient, remainder;
  floor_divide(dividend, divisor, quotient, remainder);
  BigInt top = quotient.shifted_left(1);
  if (!remainder.is_zero()) top = top + BigInt(1);
  const int64_t exponent = -shift - 1;
  double value;
  if (exponent + static_cast<int64_t>(top.bits()) < -1021) {
    // A subnormal result: cut it to its final precision before converting, so that it is rounded only once.
    const auto excess = static_cast<size_t>(-1074 - exponent);
    BigInt cut = top.shifted_right(excess - 1);
    const bool lost = !(cut.shifted_left(excess - 1) == top);
    const bool half = cut.low_bits() & 1;
    cut = cut.shifted_right(1);
    if (half && (lost || (cut.low_bits() & 1))) cut = cut + BigInt(1);
    value = std::ldexp(cut.to_double(), -1074);
  } else {
    value = exponent > 2000 ? std::numeric_limits<double>::infinity()
                            : std::ldexp(top.to_double(), static_cast<int>(exponent));
  }
  return a.negative_ != b.negative_ ? -value : value;
}

BigInt BigInt::power(BigInt base, uint64_t exponent) {
  BigInt result(1);
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result = result * base;
    if (exponent > 1) base = base * base;
  }
  return result;
}

} // namespace verbatim::jinja
