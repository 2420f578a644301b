#include "gguf/file-kind.h"

#include "gguf/gguf-reader.h"

#include <algorithm>
#include <cctype>

namespace verbatim {

namespace {

using namespace std::string_view_literals;

constexpr auto convert =
    ": download the model as GGUF, or convert it with llama.cpp's convert_hf_to_gguf.py"sv;
constexpr auto unpack = ": unpack it, and pass the GGUF file in it"sv;

struct Kind {
  std::string_view magic;
  std::string_view what;
  std::string_view advice;
};

constexpr Kind kinds[] = {
    {"version https://git-lfs", "is a Git LFS pointer, not the model itself",
     ": download the model, or run git lfs pull in its repository"},
    {"PK\3\4"sv, "is a ZIP archive, as the files of PyTorch are", convert},
    {"\x80\2"sv, "is a pickle, as old files of PyTorch are", convert},
    {"\x89HDF", "is an HDF5 file, as those of Keras are", convert},
    {"\x1f\x8b", "is compressed with gzip", unpack},
    {"\x28\xb5\x2f\xfd", "is compressed with Zstandard", unpack},
    {"\xfd\x37zXZ", "is compressed with xz", unpack},
    {"BZh", "is compressed with bzip2", unpack},
    {"7z\xbc\xaf", "is a 7-Zip archive", unpack},
    // The magic numbers of the files before GGUF, as a little-endian machine wrote them.
    {"lmgg", "is a GGML file of the time before GGUF, which nothing reads any more", convert},
    {"fmgg", "is a GGML file of the time before GGUF, which nothing reads any more", convert},
    {"tjgg", "is a GGML file of the time before GGUF, which nothing reads any more", convert},
    {"algg", "is a GGML adapter of the time before GGUF, not a model", convert},
};

/// Eight bytes of length, and JSON.
bool is_safetensors(std::string_view beginning) {
  return beginning.size() > 9 && beginning.substr(5, 5) == "\0\0\0{\""sv;
}

bool is_web_page(std::string_view beginning) {
  beginning.remove_prefix(std::min(beginning.find_first_not_of(" \t\r\n\xef\xbb\xbf"), beginning.size()));
  std::string text(beginning.substr(0, 14));
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.starts_with("<!doctype html") || text.starts_with("<html");
}

} // namespace

std::string describe_other_file(std::string_view beginning) {
  for (const auto& [magic, what, advice] : kinds)
    if (beginning.starts_with(magic)) return std::string(what).append(advice);
  if (is_safetensors(beginning)) return std::string("is a safetensors file").append(convert);
  if (is_web_page(beginning))
    return "is a web page, not a model: the download went wrong, perhaps for want of a login; download the "
           "file anew";
  if (beginning.find_first_not_of('\0') == std::string_view::npos)
    return "is not a GGUF file: it begins with zeros, as a download does that did not end; download the file "
           "anew";
  return "is not a GGUF file: it begins with " + printable(beginning.substr(0, 16));
}

} // namespace verbatim
