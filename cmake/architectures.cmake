# Writes gguf-architectures.h: the model architectures of this llama.cpp and which of its graph
# assertions each one has. llama.cpp has no public call for either, and both change with every release,
# so they are read from its source. The result is included by cpp/gguf/gguf-check-*.cpp only. Also a script, which needs no
# configured build and writes below the folder that it is run in: cmake -DLLAMA_CPP_DIR=… -P architectures.cmake
function(verbatim_write_architectures)
  set(architectures_dir "${LLAMA_CPP_DIR}/src")
  set(architectures_header "${CMAKE_BINARY_DIR}/generated/gguf-architectures.h")
  file(GLOB architecture_models "${architectures_dir}/models/*.cpp")
  if(NOT CMAKE_SCRIPT_MODE_FILE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
      "${architectures_dir}/llama-arch.cpp" "${architectures_dir}/llama-model.cpp"
      "${architectures_dir}/models/models.h" ${architecture_models})
  endif()

  # flags_<class>: what models/*.cpp asserts for the class, as C++ enumerators joined by " | ".
  foreach(model IN LISTS architecture_models)
    file(READ "${model}" source)
    # CMake lists would be confused by these; none matters below.
    string(REGEX REPLACE "[][;]" "" source "${source}")
    set(flags "0")
    # Files that change head sizes or layer counts after reading them are not judged by the metadata.
    if(NOT source MATCHES "n_(embd_head_[kv]|rot)_full *= |n_head(_kv)?_arr|n_layer_all *= ")
      if(source MATCHES "\n *GGML_ASSERT\\(n_embd_head == hparams\\.n_embd_head_[kv]\\(\\)\\)" OR
         source MATCHES "\n *GGML_ASSERT\\(n_embd_v_gqa == n_embd_k_gqa\\)")
        string(APPEND flags " | EqualHeads")
      endif()
      if(source MATCHES "\n *GGML_ASSERT\\(n_embd_head == n_rot\\)")
        string(APPEND flags " | RopeWholeHead")
      endif()
      if(NOT source MATCHES "(n_embd_[kv]_gqa|n_embd_head_[kv]|n_rot)\\(i")
        string(APPEND flags " | UniformSizes")
        if(NOT source MATCHES "(n_head|n_head_kv|n_gqa)\\(i")
          string(APPEND flags " | UniformLayers")
        endif()
      endif()
    endif()
    if(source MATCHES "LLM_KV_ROPE_DIMENSION_SECTIONS, *hparams\\.rope_sections, *4, *true")
      string(APPEND flags " | RopeSections")
    endif()
    if(source MATCHES "ggml_rope_(ext|multi)")
      string(APPEND flags " | ScaledRope")
    endif()
    if(source MATCHES "rope_pattern\\.end\\(\\), rope_finetuned\\)")
      string(APPEND flags " | OptionalRope")
    endif()
    if(source MATCHES "hparams\\.causal_attn *= *false")
      string(APPEND flags " | NotCausal")
    endif()
    string(REGEX MATCHALL "llama_model_[a-z0-9_]+::" classes "${source}")
    list(REMOVE_DUPLICATES classes)
    foreach(class IN LISTS classes)
      string(REGEX REPLACE "^llama_model_|::$" "" class "${class}")
      if(source MATCHES "llama_model_${class}::(load_arch_hparams|build_arch_graph)\\(")
        set(flags_${class} "${flags}")
      endif()
    endforeach()
  endforeach()

  # A class may reuse another's graph, or inherit it: it then has that one's assertions too.
  file(STRINGS "${architectures_dir}/models/models.h" lines REGEX "^struct llama_model_|using graph = llama_model_")
  foreach(line IN LISTS lines)
    set(other "")
    if(line MATCHES "^struct llama_model_([a-z0-9_]+) : public llama_model_([a-z0-9_]+)")
      set(class "${CMAKE_MATCH_1}")
      set(other "${CMAKE_MATCH_2}")
    elseif(line MATCHES "^struct llama_model_([a-z0-9_]+)")
      set(class "${CMAKE_MATCH_1}")
    elseif(line MATCHES "using graph = llama_model_([a-z0-9_]+)::graph")
      set(other "${CMAKE_MATCH_1}")
    endif()
    if(other STREQUAL "base")
      continue()
    elseif(other AND NOT DEFINED flags_${class})
      set(flags_${class} "${flags_${other}}")
    elseif(other)
      foreach(flag EqualHeads RopeWholeHead ScaledRope)
        if(flags_${other} MATCHES "${flag}" AND NOT flags_${class} MATCHES "${flag}")
          string(APPEND flags_${class} " | ${flag}")
        endif()
      endforeach()
      foreach(flag UniformSizes UniformLayers)
        if(NOT flags_${other} MATCHES "${flag}")
          string(REPLACE " | ${flag}" "" flags_${class} "${flags_${class}}")
        endif()
      endforeach()
    endif()
  endforeach()

  # class_<LLM_ARCH_X>, from llama_model_mapping().
  file(STRINGS "${architectures_dir}/llama-model.cpp" lines REGEX "case LLM_ARCH_[A-Z0-9_]+:|return new llama_model_")
  set(cases "")
  foreach(line IN LISTS lines)
    if(line MATCHES "case (LLM_ARCH_[A-Z0-9_]+):")
      list(APPEND cases "${CMAKE_MATCH_1}")
    elseif(line MATCHES "return new llama_model_([a-z0-9_]+)")
      foreach(case IN LISTS cases)
        set(class_${case} "${CMAKE_MATCH_1}")
      endforeach()
      set(cases "")
    endif()
  endforeach()

  file(STRINGS "${architectures_dir}/llama-arch.cpp" lines REGEX "^ *{ LLM_ARCH_[A-Z0-9_]+, *\"[^\"]+\" *}")
  set(entries "")
  set(count 0)
  foreach(line IN LISTS lines)
    string(REGEX MATCH "{ (LLM_ARCH_[A-Z0-9_]+), *\"([^\"]+)\"" line "${line}")
    set(class "${class_${CMAKE_MATCH_1}}")
    set(name "${CMAKE_MATCH_2}")
    # A name without a class is known to llama.cpp but refused by it.
    if(class)
      if(NOT DEFINED flags_${class})
        message(FATAL_ERROR "No source in llama.cpp/src/models defines llama_model_${class} (${name})")
      endif()
      string(APPEND entries "    {\"${name}\", ${flags_${class}}},\n")
      math(EXPR count "${count} + 1")
    endif()
  endforeach()
  if(count LESS 50)
    message(FATAL_ERROR "Only ${count} architectures found in llama.cpp: cmake/architectures.cmake needs an update")
  endif()

  set(content "// Generated by cmake/architectures.cmake from llama.cpp's source. Do not edit.
#pragma once

#include <string_view>

namespace verbatim {

/// Properties of an architecture, found in llama.cpp's source.
enum ArchitectureFlags : unsigned {
  /// Its graph asserts that keys and values have heads of one size.
  EqualHeads = 1,
  /// Its graph asserts that RoPE turns whole heads.
  RopeWholeHead = 2,
  /// It reads the head counts of the first layer only.
  UniformLayers = 4,
  /// Its attention is not causal: it cannot generate token by token.
  NotCausal = 8,
  /// It takes the first layer's head sizes for all.
  UniformSizes = 32,
  /// It requires sections for multimodal RoPE.
  RopeSections = 16,
  /// Its graph rotates queries and keys by their positions, and scales them.
  ScaledRope = 64,
  /// A key of the file can turn that off.
  OptionalRope = 128,
};

struct Architecture {
  std::string_view name;
  unsigned flags;
};

inline constexpr Architecture architectures[] = {
${entries}};

} // namespace verbatim
")
  # Only when it changed, so that a new configure does not rebuild anything.
  set(previous "")
  if(EXISTS "${architectures_header}")
    file(READ "${architectures_header}" previous)
  endif()
  if(NOT previous STREQUAL content)
    file(WRITE "${architectures_header}" "${content}")
  endif()
endfunction()

verbatim_write_architectures()
