// Activations and their derivatives on vectors, as libtorch defines them at the corners.
#pragma once

#include "kernels.hpp"
#include "vector.hpp"

namespace {

using warmstart::Activation;

template <Activation KIND>
INLINE V activate(V z) {
  if constexpr (KIND == Activation::Relu) return larger(V{}, z);
  if constexpr (KIND == Activation::Relu6) return smaller(all(6.0f), larger(V{}, z));
  if constexpr (KIND == Activation::Silu) return z * sigmoid(z);
  if constexpr (KIND == Activation::HardSwish) return z * smaller(all(6.0f), larger(V{}, z + 3.0f)) * (1.0f / 6.0f);
  return z;
}

// The gradient before the activation, of that after it.
template <Activation KIND>
INLINE V derive(V grad, V z) {
  if constexpr (KIND == Activation::Relu) return z > 0.0f ? grad : V{};
  if constexpr (KIND == Activation::Relu6) return (z > 0.0f) & (z < 6.0f) ? grad : V{};
  if constexpr (KIND == Activation::Silu) {
    const V s = sigmoid(z);
    return grad * (s * (1.0f + z * (1.0f - s)));
  }
  if constexpr (KIND == Activation::HardSwish) {
    const V inside = grad * (z * (1.0f / 3.0f) + 0.5f);
    return z < -3.0f ? V{} : (z <= 3.0f ? inside : grad);
  }
  return grad;
}

// Calls `body` with the activation as a constant of the type system.
template <typename Body>
INLINE void with_activation(Activation kind, Body body) {
  switch (kind) {
    case Activation::None: return body(std::integral_constant<Activation, Activation::None>{});
    case Activation::Relu: return body(std::integral_constant<Activation, Activation::Relu>{});
    case Activation::Relu6: return body(std::integral_constant<Activation, Activation::Relu6>{});
    case Activation::Silu: return body(std::integral_constant<Activation, Activation::Silu>{});
    case Activation::HardSwish: return body(std::integral_constant<Activation, Activation::HardSwish>{});
  }
}

}  // namespace
