// What the CPU at hand can do beyond the baseline that the program is compiled for.
#pragma once

#include <cstdint>

namespace trireme {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Compiles a function once for each kind of CPU; the loader chooses by what the CPU can do. (Named
// by `arch=`, it would choose by maker and model.) For loops over numbers.
#define TRIREME_EACH_CPU __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define TRIREME_EACH_CPU
#endif

// The compiler's vectors: whatever a CPU has is used for them.
constexpr int kLanes = 16;
using Bytes = uint8_t __attribute__((vector_size(kLanes)));
using Ints = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using Floats = float __attribute__((vector_size(kLanes * sizeof(float))));

// Whether oneDNN makes small kernels of matrix products here (AVX-512).
inline bool has_fast_products() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
#else
  return false;
#endif
}

// Elsewhere bfloat16 is multiplied as float32, or not by oneDNN at all.
inline bool multiplies_bfloat16() {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

// Whether oneDNN multiplies whole numbers of 8 bits here; elsewhere ATen does it one by one.
inline bool multiplies_int8() {
#ifdef __x86_64__
  return has_fast_products() && __builtin_cpu_supports("avx512vnni") != 0;
#else
  return false;
#endif
}

}  // namespace trireme
