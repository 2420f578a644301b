// The rule for architectures: known to this llama.cpp, and able to generate text.
#include "gguf/gguf-rules.h"

#include "gguf-architectures.h"

#include <algorithm>

namespace verbatim::gguf_rules {

namespace {

/// Encoders and codecs, by name: nothing in their files tells. T5 and its like have a decoder, but assert
/// that the encoder ran first (llama-graph.cpp:1065).
constexpr std::string_view encoders[] = {"bert",
                                         "modern-bert",
                                         "nomic-bert",
                                         "nomic-bert-moe",
                                         "neo-bert",
                                         "jina-bert-v2",
                                         "jina-bert-v3",
                                         "eurobert",
                                         "gemma-embedding",
                                         "llama-embed",
                                         "t5encoder",
                                         "t5",
                                         "wavtokenizer-dec",
                                         "clip"};

} // namespace

KnownArchitecture check_architecture(const GgufMetadata& file) {
  const auto given = file.find_string("general.architecture");
  if (!given) invalid(file, "is no model: it lacks the metadata key 'general.architecture'");
  const std::string name(llama_view(*given));
  if (const auto type = file.find_string("general.type"); type && llama_view(*type) == "adapter") {
    unsupported(file, "is an adapter, not a model", "architecture", name);
  }
  const auto known = std::find_if(std::begin(architectures), std::end(architectures),
                                  [&](const Architecture& entry) { return entry.name == name; });
  if (known == std::end(architectures)) {
    unsupported(file, "has the unknown architecture " + printable(name), "architecture", name);
  }
  // llama-context.cpp:1784 asserts that the whole prompt fits a batch, and text comes out only of diffusion.
  const bool causal =
      (known->flags & NotCausal) == 0 && file.find_bool(name + ".attention.causal").value_or(true);
  const bool encoder = std::find(std::begin(encoders), std::end(encoders), name) != std::end(encoders);
  if (encoder || !causal) {
    unsupported(file,
                "cannot generate text: " + name + (encoder ? " is no language model" : " is not causal"),
                "architecture", name);
  }
  return {name, known->flags};
}

} // namespace verbatim::gguf_rules
