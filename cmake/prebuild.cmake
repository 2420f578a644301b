# VERBATIM_PREBUILD makes what runs on other machines than this one: every CPU variant, of which ggml takes the best at
# run time, no path of this machine, and no symbol that only a newer C++ library has.
if(VERBATIM_PREBUILD)
  set(GGML_CPU_ALL_VARIANTS ON CACHE BOOL "" FORCE)
  if(NOT MSVC)
    add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
  endif()
endif()

# For targets that wait on condition variables.
function(verbatim_pin_libstdcxx target)
  if(VERBATIM_PREBUILD AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_compile_options(${target} PRIVATE
      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include \"${CMAKE_SOURCE_DIR}/cmake/libstdcxx-pin.h\">")
  endif()
endfunction()
