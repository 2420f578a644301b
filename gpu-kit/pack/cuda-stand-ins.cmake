# Compiles the CUDA backend where nvcc is, but not cuBLAS or the driver's library: against declarations, and linked to
# empty libraries with the names of the real ones. They are needed for linking only: a machine that loads the backend
# has the real libraries. (libcublasLt is loaded by libcublas: ggml calls nothing of it.)

# Make a library of nothing but a SONAME and names of functions, for a target of FindCUDAToolkit.
function(verbatim_stand_in name target soname functions)
  set(source "${CMAKE_BINARY_DIR}/stand-ins/${name}.c")
  set(content "")
  foreach(function IN LISTS functions)
    string(APPEND content "void ${function}(void) {}\n")
  endforeach()
  file(CONFIGURE OUTPUT "${source}" CONTENT "${content}" @ONLY)
  add_library(verbatim-stand-in-${name} SHARED EXCLUDE_FROM_ALL "${source}")
  set_target_properties(verbatim-stand-in-${name} PROPERTIES
    OUTPUT_NAME ${name} NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/stand-ins")
  target_link_options(verbatim-stand-in-${name} PRIVATE "-Wl,-soname,${soname}")
  add_library(${target} INTERFACE IMPORTED GLOBAL)
  target_link_libraries(${target} INTERFACE verbatim-stand-in-${name})
  message(STATUS "${soname} is missing: linking to a stand-in")
endfunction()

# Make the missing targets of CUDA where a toolkit has an nvcc and no more.
function(verbatim_cuda_stand_ins)
  if(NOT TARGET CUDA::cublas)
    verbatim_stand_in(cublas CUDA::cublas libcublas.so.${CUDAToolkit_VERSION_MAJOR}
      "cublasCreate_v2;cublasDestroy_v2;cublasGetStatusString;cublasSetMathMode;cublasSetStream_v2;\
cublasSetWorkspace_v2;cublasSgemm_v2;cublasSgemmBatched;cublasSgemmStridedBatched;cublasStrsmBatched;cublasGemmEx;\
cublasGemmBatchedEx;cublasGemmStridedBatchedEx")
  endif()
  if(NOT VERBATIM_CUBLAS_INCLUDE)
    set(declarations "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/cuda-stand-ins")
    target_include_directories(CUDA::cublas INTERFACE "${declarations}")
    set(VERBATIM_CUBLAS_INCLUDE "${declarations}" PARENT_SCOPE)
  endif()
  if(NOT TARGET CUDA::cuda_driver)
    verbatim_stand_in(cuda CUDA::cuda_driver libcuda.so.1
      "cuDeviceGet;cuDeviceGetAttribute;cuGetErrorString;cuMemAddressFree;cuMemAddressReserve;cuMemCreate;\
cuMemGetAllocationGranularity;cuMemMap;cuMemRelease;cuMemSetAccess;cuMemUnmap")
  endif()
endfunction()
