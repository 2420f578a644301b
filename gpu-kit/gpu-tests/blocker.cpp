// Fills the memory of the first GPU except for the MiB in its argument, says "full", and gives it back when
// its input ends. With --check it does nothing. It needs CUDA's driver only, at run time, and any compiler.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>

namespace {

// The driver's interface: https://docs.nvidia.com/cuda/cuda-driver-api/. A result is 0 where all went well.
using Result = int;
using DevicePointer = unsigned long long;

template <typename Function> Function* find(void* driver, const char* name) {
  void* function = dlsym(driver, name);
  if (function) return reinterpret_cast<Function*>(function);
  std::fprintf(stderr, "libcuda.so.1 has no %s\n", name);
  std::exit(1);
}

void require(Result result, const char* what) {
  if (result == 0) return;
  std::fprintf(stderr, "%s failed with CUDA's error %d\n", what, result);
  std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "--check") == 0) return 0;
  const std::size_t leave = static_cast<std::size_t>(argc > 1 ? std::atoll(argv[1]) : 0) << 20;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW);
  if (!driver) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 1;
  }
  int device = 0;
  void* context = nullptr;
  require(find<Result(unsigned)>(driver, "cuInit")(0), "cuInit");
  require(find<Result(int*, int)>(driver, "cuDeviceGet")(&device, 0), "cuDeviceGet");
  require(find<Result(void**, int)>(driver, "cuDevicePrimaryCtxRetain")(&context, device),
          "cuDevicePrimaryCtxRetain");
  require(find<Result(void*)>(driver, "cuCtxSetCurrent")(context), "cuCtxSetCurrent");
  const auto memory_info = find<Result(std::size_t*, std::size_t*)>(driver, "cuMemGetInfo_v2");
  const auto allocate = find<Result(DevicePointer*, std::size_t)>(driver, "cuMemAlloc_v2");
  // Halve the piece whenever it is too large, down to a megabyte: free memory is seldom in one piece.
  for (std::size_t piece = std::size_t(1) << 34; piece >= std::size_t(1) << 20;) {
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    require(memory_info(&free_bytes, &total_bytes), "cuMemGetInfo");
    if (free_bytes <= leave) break;
    DevicePointer memory = 0;
    if (piece > free_bytes - leave || allocate(&memory, piece) != 0) piece /= 2;
  }
  std::puts("full");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
