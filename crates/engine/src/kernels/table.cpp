// The kernels for one instruction set: the build compiles this file once for each, with WARMSTART_KERNELS as the table's name.
#include "depthwise.hpp"
#include "normalize.hpp"
#include "winograd.hpp"

namespace warmstart {

extern const Kernels WARMSTART_KERNELS = {
    moments,         forward,         reduce,          reduce_gated,      backward,        depthwise, depthwise_input,
    depthwise_weight, winograd_input, winograd_gradient, winograd_output, winograd_weight, winograd_weight_gradient,
};

}  // namespace warmstart
