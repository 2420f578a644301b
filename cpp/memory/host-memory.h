#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace verbatim {

/// Bytes of host memory.
struct HostMemory {
  uint64_t total = 0;
  uint64_t limit = 0; ///< most that this process may ever have: the total or its cgroups' limit
  /// Left for this process: the least that the system, its cgroups and its resource limits leave.
  uint64_t free = 0;
  /// Left of the process's address space (RLIMIT_AS). None: not limited.
  std::optional<uint64_t> address_space;
};

HostMemory host_memory();

/// Bytes by the memory limits of a process's cgroup and of those above it.
struct CgroupMemory {
  uint64_t limit = UINT64_MAX; ///< the smallest limit
  uint64_t free = UINT64_MAX;  ///< least that a limit leaves, with copies of files counted as free
};

/// Reads the limits of cgroup version 1 or 2. None: not limited.
/// @param groups the file that names the groups: /proc/self/cgroup
/// @param root where the hierarchies are mounted: /sys/fs/cgroup
std::optional<CgroupMemory> cgroup_memory(const std::string& groups, const std::string& root);

} // namespace verbatim
