#include "memory/host-memory.h"

#include "check.h"
#include "support.h"

#include <filesystem>
#include <fstream>

using namespace verbatim;

namespace {

/// A folder with files like those of the kernel.
class FakeSystem {
 public:
  FakeSystem() {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  ~FakeSystem() { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    const auto full = root_ / path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text << "\n";
  }
  std::optional<CgroupMemory> memory() const { return cgroup_memory(root_ / "groups", root_ / "cgroup"); }

 private:
  const std::filesystem::path root_ = std::filesystem::temp_directory_path() / "verbatim-llama-fake-cgroups";
};

} // namespace

TEST(host_memory_is_what_the_tightest_group_leaves) {
  const FakeSystem system;
  system.write("groups", "0::/outer/inner");
  CHECK(!system.memory()); // no such folder
  system.write("cgroup/outer/inner/memory.max", "max");
  system.write("cgroup/outer/inner/memory.current", "300");
  CHECK(!system.memory());
  system.write("cgroup/outer/memory.max", "1000");
  system.write("cgroup/outer/memory.current", "700");
  CHECK_EQ(system.memory()->free, 300u);
  CHECK_EQ(system.memory()->limit, 1000u);
  system.write("cgroup/outer/memory.stat", "anon 400\nactive_file 200\ninactive_file 100");
  CHECK_EQ(system.memory()->free, 600u); // copies of files are given back
  system.write("cgroup/outer/inner/memory.max", "500");
  CHECK_EQ(system.memory()->free, 200u);
  CHECK_EQ(system.memory()->limit, 500u);
  system.write("cgroup/outer/inner/memory.current", "600");
  CHECK_EQ(system.memory()->free, 0u);
}

TEST(host_memory_knows_version_1_and_paths_from_outside_of_a_container) {
  const FakeSystem system;
  system.write("groups", "5:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/");
  system.write("cgroup/memory/memory.limit_in_bytes", "1000");
  system.write("cgroup/memory/memory.usage_in_bytes", "700");
  system.write("cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 50\ntotal_active_file 150");
  CHECK_EQ(system.memory()->free, 500u);
}

TEST(host_memory_of_this_machine_is_known) {
  support::load_backends();
  const auto memory = host_memory();
  CHECK(memory.total > 0);
  CHECK(memory.free > 0);
  CHECK(memory.free <= memory.total);
  CHECK(memory.limit <= memory.total);
}
