#pragma once

#include "gguf/gguf-reader.h"

#include <string>
#include <vector>

namespace verbatim {

/// Returns the other shards of a model in several files, the second first; nothing of one in a single file.
/// Throws Error ModelInvalid, naming the first shard, for any other one; ModelNotFound naming one that is
/// missing; and what GgufMetadata::read() throws.
std::vector<GgufMetadata> read_other_shards(const GgufMetadata& first);

} // namespace verbatim
