#include "check.h"

#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  const bool trace = std::getenv("VERBATIM_TEST_TRACE") != nullptr;
  int passed = 0, failed = 0;
  for (const auto& test : check::tests()) {
    bool selected = argc < 2;
    for (int i = 1; i < argc; ++i)
      selected = selected || std::strstr(test.name, argv[i]) != nullptr;
    if (!selected) continue;
    if (trace) std::cerr << "running " << test.name << std::endl; // says where a crash was
    try {
      test.body();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::cerr << "FAILED " << test.name << "\n  " << error.what() << "\n";
    }
  }
  std::cout << "native tests: " << passed << " passed, " << failed << " failed" << std::endl;
  return failed == 0 && passed > 0 ? 0 : 1;
}
