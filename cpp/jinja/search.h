#pragma once

#include <cstddef>
#include <string_view>

namespace verbatim::jinja {

/// Like text.find(wanted, from) and text.rfind(wanted, from), in time linear in both whatever they are.
size_t find_text(std::string_view text, std::string_view wanted, size_t from = 0);
size_t find_last_text(std::string_view text, std::string_view wanted, size_t from = std::string_view::npos);

} // namespace verbatim::jinja
