# The CUDA backend is a plugin beside the addon. 'auto' builds it where nvcc and cuBLAS are found.

include("${CMAKE_CURRENT_LIST_DIR}/refuse.cmake")

set(VERBATIM_CUDA_STAND_INS "" CACHE FILEPATH
  "Module with verbatim_cuda_stand_ins(): builds the CUDA backend where cuBLAS or the driver's library is missing")
if(VERBATIM_CUDA_STAND_INS)
  include("${VERBATIM_CUDA_STAND_INS}")
endif()

# Sets `result` to the requirements of a build that this machine lacks; empty where it has all.
function(verbatim_cuda_missing result)
  set(missing "")
  if(NOT CUDAToolkit_FOUND OR NOT CUDAToolkit_NVCC_EXECUTABLE)
    list(APPEND missing "the compiler nvcc (NVIDIA's package cuda-nvcc; in CUDACXX or on the PATH)")
  endif()
  # Where only the driver is installed, without development files, CMake does not find its library.
  find_library(VERBATIM_CUDA_DRIVER libcuda.so.1)
  if(NOT TARGET CUDA::cuda_driver AND VERBATIM_CUDA_DRIVER)
    add_library(CUDA::cuda_driver UNKNOWN IMPORTED GLOBAL)
    set_target_properties(CUDA::cuda_driver PROPERTIES IMPORTED_LOCATION "${VERBATIM_CUDA_DRIVER}")
  endif()
  find_path(VERBATIM_CUBLAS_INCLUDE cublas_v2.h PATHS ${CUDAToolkit_INCLUDE_DIRS} ${CUDAToolkit_MATH_INCLUDE_DIR})
  if(VERBATIM_CUDA_STAND_INS AND NOT missing)
    verbatim_cuda_stand_ins()
  endif()
  if(NOT TARGET CUDA::cuda_driver)
    list(APPEND missing "the driver's library libcuda.so (NVIDIA's package cuda-driver-dev)")
  endif()
  if(NOT TARGET CUDA::cublas OR NOT VERBATIM_CUBLAS_INCLUDE)
    list(APPEND missing "the development files of cuBLAS (NVIDIA's package libcublas-dev)")
  endif()
  list(JOIN missing ", " missing)
  set(${result} "${missing}" PARENT_SCOPE)
endfunction()

# Every generation of GPUs from Turing on that this nvcc knows, and code for those to come: a driver compiles the last
# one's PTX for GPUs that are in no list.
function(verbatim_default_architectures result)
  execute_process(COMMAND "${CUDAToolkit_NVCC_EXECUTABLE}" --list-gpu-arch
    OUTPUT_VARIABLE known OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(chosen "")
  foreach(architecture 75 80 86 89 90 120)
    if(known MATCHES "compute_${architecture}(\n|$)")
      list(APPEND chosen "${architecture}-real")
    endif()
  endforeach()
  # 120 becomes 120a in ggml, whose PTX runs nowhere else.
  if("90-real" IN_LIST chosen)
    list(APPEND chosen 90-virtual)
  endif()
  set(${result} "${chosen}" PARENT_SCOPE)
endfunction()

# Sets `result` to the architectures of the GPUs in this machine; empty where there is none. CMake's own `native`, since
# 3.24, takes a default then.
function(verbatim_native_architectures result)
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    OUTPUT_VARIABLE capabilities OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  string(REGEX MATCHALL "[0-9]+\\.[0-9]" capabilities "${capabilities}")
  list(REMOVE_DUPLICATES capabilities)
  string(REGEX REPLACE "([0-9]+)\\.([0-9])" "\\1\\2-real" capabilities "${capabilities}")
  set(${result} "${capabilities}" PARENT_SCOPE)
endfunction()

set(VERBATIM_CUDA_ARCHITECTURES "default" CACHE STRING "GPUs to build for: default | native | a list such as 80;90")

if(VERBATIM_CUDA STREQUAL "off")
  set(GGML_CUDA OFF CACHE BOOL "" FORCE)
elseif(VERBATIM_CUDA STREQUAL "on" OR VERBATIM_CUDA STREQUAL "auto")
  find_package(CUDAToolkit QUIET)
  verbatim_cuda_missing(missing)
  if(NOT missing)
    # Otherwise CMake looks for it on the PATH only.
    if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
      set(CMAKE_CUDA_COMPILER "${CUDAToolkit_NVCC_EXECUTABLE}")
    endif()
    set(CMAKE_CUDA_ARCHITECTURES "${VERBATIM_CUDA_ARCHITECTURES}")
    # Build only for the GPUs of this machine where CUDA was not asked for: other kernels take long.
    if(VERBATIM_CUDA_ARCHITECTURES STREQUAL "native" OR VERBATIM_CUDA STREQUAL "auto")
      verbatim_native_architectures(CMAKE_CUDA_ARCHITECTURES)
    endif()
    if(VERBATIM_CUDA_ARCHITECTURES STREQUAL "native" AND NOT CMAKE_CUDA_ARCHITECTURES)
      verbatim_refuse("VERBATIM_CUDA_ARCHITECTURES=native needs a GPU that nvidia-smi sees. Name the architectures "
                      "instead: npm run build:cuda -- --architectures 80,90")
    elseif(VERBATIM_CUDA_ARCHITECTURES STREQUAL "default" AND (VERBATIM_CUDA STREQUAL "on" OR NOT CMAKE_CUDA_ARCHITECTURES))
      verbatim_default_architectures(CMAKE_CUDA_ARCHITECTURES)
    endif()
    message(STATUS "CUDA ${CUDAToolkit_VERSION} with cuBLAS found: building the CUDA backend for ${CMAKE_CUDA_ARCHITECTURES}")
    # Let a local build find the toolkit that it was built with; a package finds what the system's loader knows.
    # (CMAKE_INSTALL_RPATH_USE_LINK_PATH leaves out the folders that nvcc looks into anyway.)
    if(NOT VERBATIM_PREBUILD)
      list(APPEND CMAKE_INSTALL_RPATH "${CUDAToolkit_LIBRARY_DIR}")
    endif()
    set(GGML_CUDA ON CACHE BOOL "" FORCE)
    set(GGML_CUDA_GRAPHS ON CACHE BOOL "" FORCE)
    set(GGML_CUDA_FA ON CACHE BOOL "" FORCE)
    set(GGML_CUDA_NCCL OFF CACHE BOOL "" FORCE)
  elseif(VERBATIM_CUDA STREQUAL "on")
    verbatim_refuse("The CUDA backend cannot be built here. Missing: ${missing}. NVIDIA's package cuda-toolkit and "
                    "the images nvidia/cuda:<version>-devel have all of it. For the CPU alone: npm run setup in a clone, "
                    "verbatim-llama build --cuda off in an installed package")
  else()
    set(GGML_CUDA OFF CACHE BOOL "" FORCE)
  endif()
else()
  verbatim_refuse("VERBATIM_CUDA must be auto, on or off, not '${VERBATIM_CUDA}'")
endif()
