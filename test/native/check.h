#pragma once

// A minimal test harness: TEST(name) { CHECK(condition); CHECK_EQ(a, b); }
// The binary runs every test, or those whose name contains one of its arguments.

#include <functional>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace check {

struct Test {
  const char* name;
  std::function<void()> body;
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Registration {
  Registration(const char* name, std::function<void()> body) { tests().push_back({name, std::move(body)}); }
};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void fail(const char* file, int line, const std::string& what) {
  std::ostringstream message;
  message << file << ":" << line << ": " << what;
  throw Failure(message.str());
}

} // namespace check

#define TEST(name)                                                                                           \
  static void test_##name();                                                                                 \
  static const check::Registration registration_##name(#name, test_##name);                                  \
  static void test_##name()

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) check::fail(__FILE__, __LINE__, "CHECK(" #condition ")");                              \
  } while (false)

#define CHECK_EQ(actual, expected)                                                                           \
  do {                                                                                                       \
    const auto check_actual = (actual);                                                                      \
    const auto check_expected = (expected);                                                                  \
    if (!(check_actual == check_expected)) {                                                                 \
      std::ostringstream check_message;                                                                      \
      check_message << #actual " is " << check_actual << ", expected " << check_expected;                    \
      check::fail(__FILE__, __LINE__, check_message.str());                                                  \
    }                                                                                                        \
  } while (false)

#define CHECK_THROWS(expression)                                                                             \
  do {                                                                                                       \
    bool check_threw = false;                                                                                \
    try {                                                                                                    \
      (void)(expression);                                                                                    \
    } catch (const std::exception&) {                                                                        \
      check_threw = true;                                                                                    \
    }                                                                                                        \
    if (!check_threw) check::fail(__FILE__, __LINE__, #expression " did not throw");                         \
  } while (false)
