#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace verbatim {

/// Bytes of the memory that the CPU computes in.
struct HostMemory {
  uint64_t total = 0;
  uint64_t limit = 0; ///< most of it that this process may ever have, by the limits of its cgroups
  /// What this process can still have without anybody being killed for it: the least of what the system has
  /// available and what its cgroups and resource limits leave.
  uint64_t free = 0;
  /// Where the process's address space is limited (RLIMIT_AS), what is left of it.
  std::optional<uint64_t> address_space;
};

HostMemory host_memory();

/// Bytes by the memory limits of a process's cgroup and of those above it.
struct CgroupMemory {
  uint64_t limit = UINT64_MAX; ///< the smallest limit
  uint64_t free = UINT64_MAX;  ///< least that a limit leaves; copies of files count as free
};

/// Reads the limits of cgroup version 1 or 2. None: not limited.
/// @param groups the file that names the groups: /proc/self/cgroup
/// @param root where the hierarchies are mounted: /sys/fs/cgroup
std::optional<CgroupMemory> cgroup_memory(const std::string& groups, const std::string& root);

} // namespace verbatim
