// The kernels for one instruction set: the build compiles this file once for each, with WARMSTART_KERNELS as the table's name.
#include "depthwise.hpp"
#include "normalize.hpp"

namespace warmstart {

extern const Kernels WARMSTART_KERNELS;
const Kernels WARMSTART_KERNELS = {moments, forward, reduce, reduce_gated, backward, depthwise, depthwise_input, depthwise_weight};

}  // namespace warmstart
