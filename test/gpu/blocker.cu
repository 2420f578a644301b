// Fills the memory of the first GPU except for so many MiB, says "full", and gives it back when its input ends.
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

int main(int argc, char ** argv) {
  const size_t leave = static_cast<size_t>(argc > 1 ? std::atoll(argv[1]) : 0) << 20;
  // Halved whenever it is too much, down to a megabyte: what is free is seldom in one piece.
  for (size_t piece = size_t(1) << 34; piece >= size_t(1) << 20;) {
    size_t free_bytes = 0;
    size_t total_bytes = 0;
    if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) return 1;
    if (free_bytes <= leave) break;
    void * memory = nullptr;
    if (piece > free_bytes - leave || cudaMalloc(&memory, piece) != cudaSuccess) {
      cudaGetLastError();
      piece /= 2;
    }
  }
  std::puts("full");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}
