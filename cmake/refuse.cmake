# verbatim_refuse(<text>...) ends the configuration with a reason for the user. It is also left in a file of the build
# folder, from which `npm run setup` and `verbatim-llama build` tell it without the output of CMake around it.
set(VERBATIM_REFUSAL "${CMAKE_BINARY_DIR}/verbatim-refusal.txt")
file(REMOVE "${VERBATIM_REFUSAL}")

function(verbatim_refuse)
  math(EXPR last "${ARGC} - 1")
  foreach(i RANGE ${last})
    string(APPEND reason "${ARGV${i}}") # one by one: a list would lose semicolons
  endforeach()
  file(WRITE "${VERBATIM_REFUSAL}" "${reason}")
  message(FATAL_ERROR "${reason}")
endfunction()
