#include "backend/description.h"

#include "check.h"

using verbatim::with_known_size;

TEST(description_tells_a_size_that_llama_cpp_does_not_know_by_the_parameters) {
  CHECK_EQ(with_known_size("llama ?B Q8_0", 344'000), std::string("llama 0.3M Q8_0"));
  CHECK_EQ(with_known_size("llama ?B Q8_0", 1'300), std::string("llama 1.3K Q8_0"));
  CHECK_EQ(with_known_size("llama ?B Q8_0", 25'040'000), std::string("llama 25.0M Q8_0"));
  CHECK_EQ(with_known_size("llama ?B Q8_0", 999'940'000), std::string("llama 999.9M Q8_0"));
  CHECK_EQ(with_known_size("llama ?B Q8_0", 999'960'000), std::string("llama 1.0B Q8_0"));
  CHECK_EQ(with_known_size("qwen3moe ?B Q4_K - Medium", 1'234'000'000),
           std::string("qwen3moe 1.2B Q4_K - Medium"));
  CHECK_EQ(with_known_size("x ?B F16", 2'800'000'000'000), std::string("x 2.8T F16"));
}

TEST(description_keeps_a_size_that_llama_cpp_knows) {
  CHECK_EQ(with_known_size("llama 8B Q4_0", 8'030'000'000), std::string("llama 8B Q4_0"));
}
