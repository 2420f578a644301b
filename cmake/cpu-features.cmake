# GGML_NATIVE cannot be combined with loadable backends on x86, so the features of the build machine
# are probed here, each by a small program that is compiled and run, and handed to ggml one by one.
# A machine without the feature kills the program with an illegal instruction, which counts as no.
set(GGML_OPENMP OFF CACHE BOOL "" FORCE) # slim images have no libgomp

function(verbatim_probe_cpu option flags code)
  set(CMAKE_REQUIRED_FLAGS "${flags}")
  set(CMAKE_REQUIRED_QUIET ON)
  check_cxx_source_runs("
    #include <immintrin.h>
    int main(int argc, char **) {
      volatile unsigned char source[64] = {(unsigned char) argc};
      unsigned char bytes[64];
      for (int i = 0; i < 64; ++i) bytes[i] = source[i];
      ${code}
      return 0;
    }" VERBATIM_CPU_HAS_${option})
  if(VERBATIM_CPU_HAS_${option})
    set(GGML_${option} ON CACHE BOOL "" FORCE)
    set(VERBATIM_CPU_FEATURES "${VERBATIM_CPU_FEATURES} ${option}" PARENT_SCOPE)
  else()
    set(GGML_${option} OFF CACHE BOOL "" FORCE)
  endif()
endfunction()

if(GGML_CPU_ALL_VARIANTS)
  set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND NOT MSVC)
  set(GGML_NATIVE OFF CACHE BOOL "" FORCE)
  include(CheckCXXSourceRuns)
  set(VERBATIM_CPU_FEATURES "")
  verbatim_probe_cpu(SSE42 "-msse4.2" "return _mm_crc32_u32(1, bytes[1]) == 0;")
  verbatim_probe_cpu(AVX "-mavx" "
    __m256 x = _mm256_loadu_ps((float *) bytes); _mm256_storeu_ps((float *) bytes, _mm256_add_ps(x, x));")
  verbatim_probe_cpu(AVX2 "-mavx2" "
    __m256i x = _mm256_loadu_si256((__m256i *) bytes); _mm256_storeu_si256((__m256i *) bytes, _mm256_abs_epi8(x));")
  verbatim_probe_cpu(BMI2 "-mbmi2" "source[0] = (unsigned char) _pdep_u32(bytes[0], 0xf0);")
  verbatim_probe_cpu(FMA "-mavx -mfma" "
    __m256 x = _mm256_loadu_ps((float *) bytes); _mm256_storeu_ps((float *) bytes, _mm256_fmadd_ps(x, x, x));")
  verbatim_probe_cpu(F16C "-mavx -mf16c" "
    _mm256_storeu_ps((float *) bytes, _mm256_cvtph_ps(_mm_loadu_si128((__m128i *) bytes)));")
  verbatim_probe_cpu(AVX_VNNI "-mavx2 -mavxvnni" "
    __m256i x = _mm256_loadu_si256((__m256i *) bytes);
    _mm256_storeu_si256((__m256i *) bytes, _mm256_dpbusd_avx_epi32(x, x, x));")
  verbatim_probe_cpu(AVX512 "-mavx512f -mavx512cd -mavx512vl -mavx512dq -mavx512bw" "
    __m512i x = _mm512_loadu_si512(bytes);
    x = _mm512_abs_epi8(_mm512_mullo_epi64(_mm512_conflict_epi32(x), x));
    _mm512_storeu_si512(bytes, x);
    _mm256_storeu_si256((__m256i *) bytes, _mm256_abs_epi64(_mm256_loadu_si256((__m256i *) bytes)));")
  verbatim_probe_cpu(AVX512_VBMI "-mavx512f -mavx512bw -mavx512vbmi" "
    __m512i x = _mm512_loadu_si512(bytes); _mm512_storeu_si512(bytes, _mm512_permutexvar_epi8(x, x));")
  verbatim_probe_cpu(AVX512_VNNI "-mavx512f -mavx512vnni" "
    __m512i x = _mm512_loadu_si512(bytes); _mm512_storeu_si512(bytes, _mm512_dpbusd_epi32(x, x, x));")
  verbatim_probe_cpu(AVX512_BF16 "-mavx512f -mavx512bf16" "
    __m512bh x = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(bytes), _mm512_loadu_ps(bytes));
    _mm512_storeu_ps(bytes, _mm512_dpbf16_ps(_mm512_loadu_ps(bytes), x, x));")
  message(STATUS "CPU backend tuned for:${VERBATIM_CPU_FEATURES}")
endif()
