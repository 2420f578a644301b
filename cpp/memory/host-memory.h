#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace verbatim {

/// Bytes of the memory that the CPU computes in.
struct HostMemory {
  uint64_t total = 0;
  /// What this process can still have without anybody being killed for it: the least of what the system has
  /// available and what its cgroups and resource limits leave.
  uint64_t free = 0;
  /// Where the process's address space is limited (RLIMIT_AS), what is left of it.
  std::optional<uint64_t> address_space;
};

HostMemory host_memory();

/// What the memory limits of the process's cgroup and of those above it leave, in cgroup version 1 or 2.
/// Memory that holds copies of files counts as free, as the system gives it back. None: not limited.
/// @param groups the file that names the groups: /proc/self/cgroup
/// @param root where the hierarchies are mounted: /sys/fs/cgroup
std::optional<uint64_t> cgroup_free(const std::string& groups, const std::string& root);

} // namespace verbatim
