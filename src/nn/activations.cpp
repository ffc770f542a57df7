#include "src/nn/activations.h"

#include <fmt/format.h>

#include "parallel/error.h"

namespace trireme {

Activation activation_named(const std::string& name) {
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh" || name == "gelu-approximate")
    return Activation::kGeluTanh;
  if (name == "quick_gelu") return Activation::kQuickGelu;
  if (name == "silu" || name == "swish") return Activation::kSilu;
  throw Error(Exit::kBadData, fmt::format("[config] activation {} -> gelu, gelu_new, quick_gelu or "
                                          "silu -> a model of another family",
                                          name));
}

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kQuickGelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::kSilu:
      return at::silu(x);
  }
  throw Error(Exit::kBug, "[activate] an activation without a formula");
}

}  // namespace trireme
