#include "backend/backend-plugin.h"

#include "check.h"
#include "support.h"

using namespace verbatim;

TEST(backend_plugin_runs_on_gpus_as_old_as_its_oldest_kernels) {
  const std::string log =
      "  Device 0: A, compute capability 9.0, VMM: yes;   Device 1: B, compute capability 7.0, VMM: yes";
  CHECK_EQ(architecture_problem("700,900", log), "");
  CHECK_EQ(architecture_problem("", log), ""); // not said
  CHECK_EQ(architecture_problem("750,800", "no devices"), "");
  const auto problem = architecture_problem("1200,750,800", log);
  CHECK(problem.find("capability 7.0") != std::string::npos);
  CHECK(problem.find("built for 7.5 and later") != std::string::npos);
  CHECK(architecture_problem("1200", log).find("built for 12.0") != std::string::npos);
}

TEST(backend_plugin_adds_a_remedy_to_known_problems) {
  CHECK(with_remedy("libcuda.so.1: cannot open shared object file").find("install the NVIDIA driver") !=
        std::string::npos);
  CHECK(with_remedy("CUDA driver version is insufficient for CUDA runtime version").find("update") !=
        std::string::npos);
  CHECK_EQ(with_remedy("something else"), "something else");
}

TEST(backend_plugin_that_cannot_be_loaded_is_named) {
  support::load_backends();
  CHECK(load_plugin("/nonexistent/libggml-cuda.so").find("libggml-cuda.so") != std::string::npos);
}
