# llama.cpp, built untouched: shared libraries with loadable backends, under names of our own.
set(BUILD_SHARED_LIBS ON)
set(GGML_BACKEND_DL ON CACHE BOOL "" FORCE)
set(LLAMA_BUILD_IS_DEV OFF CACHE BOOL "" FORCE)
foreach(part TESTS TOOLS EXAMPLES SERVER APP)
  set(LLAMA_BUILD_${part} OFF CACHE BOOL "" FORCE)
endforeach()
set(LLAMA_BUILD_COMMON ${VERBATIM_BUILD_PROGRAMS} CACHE BOOL "" FORCE)
set(LLAMA_OPENSSL OFF CACHE BOOL "" FORCE)
set(LLAMA_SUBPROCESS OFF CACHE BOOL "" FORCE)
set(LLAMA_ALL_WARNINGS OFF CACHE BOOL "" FORCE)

add_subdirectory("${LLAMA_CPP_DIR}" "${CMAKE_BINARY_DIR}/llama.cpp" EXCLUDE_FROM_ALL)
verbatim_leave_out_amx()

# All that ggml.cpp does is to install, while it is loaded, a handler for uncaught C++ exceptions that starts
# a debugger, in a process that is not ours; loaded once more after an unload, it aborts that process.
get_target_property(sources ggml-base SOURCES)
list(REMOVE_ITEM sources ggml.cpp)
set_property(TARGET ggml-base PROPERTY SOURCES ${sources})

# glibc binds a second library of the same SONAME to the first one loaded, RTLD_LOCAL or not. Package
# and version in the name keep another llama.cpp binding in the process apart from ours. The backends
# are opened by path and keep ggml's names, which ggml's own search expects.
set(VERBATIM_LIBRARIES llama ggml ggml-base)
foreach(library IN LISTS VERBATIM_LIBRARIES)
  set_target_properties(${library} PROPERTIES
    OUTPUT_NAME "verbatim-llama-${VERBATIM_VERSION}-${library}"
    LIBRARY_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}"
    RUNTIME_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}")
endforeach()
foreach(backend IN LISTS GGML_AVAILABLE_BACKENDS)
  set_target_properties(${backend} PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}"
    RUNTIME_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}")
endforeach()

# For the GPU kit, which has time to compile the CUDA backend once: llama.cpp's programs then run on the very libraries
# of the addon. Not llama.cpp's own list of tools, which needs the sources of all of them.
if(VERBATIM_BUILD_PROGRAMS)
  foreach(tool llama-bench batched-bench)
    add_subdirectory("${LLAMA_CPP_DIR}/tools/${tool}" "${CMAKE_BINARY_DIR}/${tool}" EXCLUDE_FROM_ALL)
  endforeach()
  foreach(target llama-common llama-bench-impl llama-bench llama-batched-bench-impl llama-batched-bench)
    set_target_properties(${target} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}"
      RUNTIME_OUTPUT_DIRECTORY "${VERBATIM_OUTPUT_DIR}")
  endforeach()
  add_custom_target(verbatim-programs ALL DEPENDS llama-bench llama-batched-bench)
endif()
