# VERBATIM_SANITIZE=address instruments cpp/ only (llama.cpp keeps its speed and its cached objects);
# VERBATIM_SANITIZE=thread must instrument llama.cpp too, or its locks would be invisible.
add_library(verbatim-sanitizers INTERFACE)
if(VERBATIM_SANITIZE STREQUAL "address")
  target_compile_options(verbatim-sanitizers INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  target_link_options(verbatim-sanitizers INTERFACE -fsanitize=address,undefined)
elseif(VERBATIM_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=thread)
elseif(VERBATIM_SANITIZE)
  message(FATAL_ERROR "VERBATIM_SANITIZE must be address or thread, not '${VERBATIM_SANITIZE}'")
endif()
