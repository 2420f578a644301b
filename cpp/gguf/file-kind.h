#pragma once

#include <string>
#include <string_view>

namespace verbatim {

/// Says of a file that is no GGUF file what it is, as far as its first bytes tell, and what to do: reads on
/// from the file's name.
std::string describe_other_file(std::string_view beginning);

} // namespace verbatim
