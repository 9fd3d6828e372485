// Chooses the kernels for the processor that runs.
#include "kernels.hpp"

namespace warmstart {

extern const Kernels kernels_plain;

#ifdef __x86_64__
extern const Kernels kernels_avx2, kernels_avx512;

const Kernels &kernels() {
  static const Kernels &best = [&]() -> const Kernels & {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl")) {
      return kernels_avx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? kernels_avx2 : kernels_plain;
  }();
  return best;
}
#else
const Kernels &kernels() { return kernels_plain; }
#endif

}  // namespace warmstart
