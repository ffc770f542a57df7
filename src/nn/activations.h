// The activations that config files name, by transformers' names.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace trireme {

enum class Activation {
  kGelu,       // exact, with erf
  kGeluTanh,   // "gelu_new", "gelu_pytorch_tanh", "gelu-approximate"
  kQuickGelu,  // x sigmoid(1.702 x)
  kSilu,
};

// Error (kBadData) lists the known names.
Activation activation_named(const std::string& name);
at::Tensor activate(const at::Tensor& x, Activation activation);

}  // namespace trireme
