#include "check.h"

#include <cstring>

int main(int argc, char** argv) {
  int passed = 0, failed = 0;
  for (const auto& test : check::tests()) {
    bool selected = argc < 2;
    for (int i = 1; i < argc; ++i)
      selected = selected || std::strstr(test.name, argv[i]) != nullptr;
    if (!selected) continue;
    try {
      test.body();
      ++passed;
    } catch (const std::exception& error) {
      ++failed;
      std::cerr << "FAILED " << test.name << "\n  " << error.what() << "\n";
    }
  }
  std::cout << "native tests: " << passed << " passed, " << failed << " failed\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}
