#include "backend/description.h"

#include <cstdio>

namespace verbatim {

namespace {

std::string size_name(uint64_t parameters) {
  struct Unit {
    double least; ///< so that nothing is written as 0.0 or 1000.0
    double size;
    const char* name;
  };
  constexpr Unit units[] = {
      {0.99995e12, 1e12, "T"}, {0.99995e9, 1e9, "B"}, {0.05e6, 1e6, "M"}, {0, 1e3, "K"}};
  const auto count = static_cast<double>(parameters);
  for (const auto& [least, size, name] : units) {
    if (count < least) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%.1f%s", count / size, name);
    return text;
  }
  return {};
}

} // namespace

std::string with_known_size(std::string description, uint64_t parameters) {
  constexpr std::string_view unknown = " ?B ";
  const size_t at = description.find(unknown);
  return at == std::string::npos ? description
                                 : description.replace(at + 1, unknown.size() - 2, size_name(parameters));
}

std::string describe(const llama_model* model) {
  char description[256] = "";
  llama_model_desc(model, description, sizeof description);
  return with_known_size(description, llama_model_n_params(model));
}

} // namespace verbatim
