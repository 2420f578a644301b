#include "memory/host-memory.h"

#include <ggml-backend.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#ifdef __linux__
#include <sys/resource.h>
#include <unistd.h>
#endif

namespace verbatim {

namespace {

std::optional<uint64_t> read_number(const std::string& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt; // "max" is no number
}

/// Reads the number after a key at the beginning of a line. 0: no such line.
uint64_t read_key(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  uint64_t value = 0;
  for (std::string line; std::getline(file, line);)
    if (std::istringstream words(line); words >> word >> value && word == key) return value;
  return 0;
}

} // namespace

std::optional<CgroupMemory> cgroup_memory(const std::string& groups, const std::string& root) {
  struct Files {
    const char *folder, *limit, *used, *stat_prefix;
  };
  static constexpr Files version_1{"/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"};
  static constexpr Files version_2{"", "memory.max", "memory.current", ""};
  std::optional<CgroupMemory> memory;
  std::ifstream lines(groups);
  for (std::string line; std::getline(lines, line);) {
    // hierarchy:controllers:/path, where version 2 has no controllers
    const size_t controllers = line.find(':') + 1;
    const size_t colon = line.find(':', controllers);
    if (controllers == 0 || colon == std::string::npos) continue;
    // Append piece by piece: GCC 12 warns (-Wrestrict) about the simple form ',' + … + ','.
    std::string names(1, ',');
    names.append(line, controllers, colon - controllers).push_back(',');
    if (names != ",," && names.find(",memory,") == std::string::npos) continue;
    const Files& files = names == ",," ? version_2 : version_1;
    // Up to the root. In a container the path may lie outside of it; then only the root exists.
    for (std::string path = line.substr(colon + 1);; path.resize(path.find_last_of('/'))) {
      const std::string folder = root + files.folder + path + "/";
      if (const auto limit = read_number(folder + files.limit)) {
        const uint64_t used = read_number(folder + files.used).value_or(0);
        const std::string stat = folder + "memory.stat", prefix = files.stat_prefix;
        const uint64_t copies =
            read_key(stat, prefix + "inactive_file") + read_key(stat, prefix + "active_file");
        const uint64_t kept = used - std::min(used, copies);
        if (!memory) memory.emplace();
        memory->limit = std::min(memory->limit, *limit);
        memory->free = std::min(memory->free, *limit - std::min(*limit, kept));
      }
      if (path.find('/') == std::string::npos) break;
    }
  }
  return memory;
}

HostMemory host_memory() {
  HostMemory memory;
  size_t free = 0, total = 0;
  ggml_backend_dev_memory(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU), &free, &total);
  memory.total = memory.limit = total;
  memory.free = free;
#ifdef __linux__
  // ggml reports all memory as free.
  if (const uint64_t available = read_key("/proc/meminfo", "MemAvailable:") * 1024)
    memory.free = std::min(memory.free, available);
  if (const auto cgroup = cgroup_memory("/proc/self/cgroup", "/sys/fs/cgroup")) {
    memory.limit = std::min(memory.limit, cgroup->limit);
    memory.free = std::min(memory.free, cgroup->free);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    const uint64_t used =
        read_number("/proc/self/statm").value_or(0) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    memory.address_space = limit.rlim_cur - std::min<uint64_t>(limit.rlim_cur, used);
    memory.free = std::min(memory.free, *memory.address_space);
  }
#endif
  return memory;
}

} // namespace verbatim
