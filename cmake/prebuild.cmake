# VERBATIM_PREBUILD makes what runs on other machines than this one: every CPU variant but one, of which ggml takes the best
# at run time, no path of this machine, and no symbol that only a newer C++ library has.
if(VERBATIM_PREBUILD)
  set(GGML_CPU_ALL_VARIANTS ON CACHE BOOL "" FORCE)
  if(NOT MSVC)
    add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
  endif()
endif()

# Leaves out the variant with AMX, once ggml's targets are there. GCC 12.2, like others before GCC's bug 114098 was mended,
# drops the stores of the tile sizes that it loads, so that its first tile instruction is illegal and ends the process, on
# every processor with AMX. And ggml, when it chooses, does not ask whether the system lets processes use AMX. Processors
# that have it get the variant zen4.
function(verbatim_leave_out_amx)
  set(variant ggml-cpu-sapphirerapids)
  if(NOT TARGET ${variant})
    return()
  endif()
  # The target ggml depends on it. So it stays, with a source in which nothing is compiled, away from what is packed.
  set_property(TARGET ${variant} PROPERTY SOURCES ggml-cpu/hbm.cpp)
  list(REMOVE_ITEM GGML_AVAILABLE_BACKENDS ${variant})
  set(GGML_AVAILABLE_BACKENDS ${GGML_AVAILABLE_BACKENDS} PARENT_SCOPE)
  file(REMOVE "${CMAKE_BINARY_DIR}/${CMAKE_BUILD_TYPE}/lib${variant}.so") # of an earlier build
endfunction()

# For targets that wait on condition variables.
function(verbatim_pin_libstdcxx target)
  if(VERBATIM_PREBUILD AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include \"${CMAKE_SOURCE_DIR}/cmake/libstdcxx-pin.h\">")
  endif()
endfunction()
