#include "parallel/layers/linear_map.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace trireme {
namespace {

// Packing needs the weight twice for a moment; larger ones are left as they are.
constexpr int64_t kLargestPackedBytes = 48 << 20;

// Up to here the arithmetic of a product is little beside the rest of a call, in float64 too.
constexpr int64_t kLargestWideWeight = 1 << 18;

bool widens(const at::Tensor& weight) {
  return weight.is_cpu() && weight.scalar_type() == at::kFloat &&
         weight.numel() < kLargestWideWeight;
}

// oneDNN adds up the products of narrower weights in an order that depends on how many threads
// there are; a rank's share of the cores depends on how many ranks there are, and pictures must
// not.
constexpr int64_t kWidestOrderedByThreads = 64;

bool packs(const at::Tensor& weight) {
  return weight.is_cpu() && weight.dim() == 2 && weight.size(0) > kWidestOrderedByThreads &&
         weight.scalar_type() == at::kFloat && weight.numel() > 0 &&
         weight.numel() * weight.element_size() <= kLargestPackedBytes &&
         at::globalContext().userEnabledMkldnn();
}

at::Tensor pack(const at::Tensor& weight) {
  using Reorder = at::Tensor(const at::Tensor&, std::optional<c10::SymInt>);
  static const auto reorder = c10::Dispatcher::singleton()
                                  .findSchemaOrThrow("mkldnn::_reorder_linear_weight", "")
                                  .typed<Reorder>();
  return reorder.call(weight, std::nullopt);
}

at::Tensor packed_linear(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias) {
  using List = c10::List<std::optional<at::Scalar>>;
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            c10::string_view, List, std::optional<c10::string_view>);
  static const auto linear = c10::Dispatcher::singleton()
                                 .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
                                 .typed<Linear>();
  const auto given = bias.defined() ? std::optional(bias) : std::nullopt;
  return linear.call(x, packed, given, "none", List{}, "");
}

}  // namespace

LinearMap::LinearMap(at::Tensor weight, at::Tensor bias, Sums sums) : bias_(std::move(bias)) {
  if (sums == Sums::kRoundedOnce && widens(weight)) {
    weight_ = weight.to(at::kDouble);
  } else if (packs(weight)) {
    packed_ = pack(weight);
  } else {
    weight_ = std::move(weight);
  }
}

LinearMap::LinearMap(std::vector<MatrixPtr> matrices, at::Tensor bias)
    : matrices_(std::move(matrices)), bias_(std::move(bias)) {}

at::Tensor LinearMap::operator()(const at::Tensor& x) const {
  return apply(x, bias_);
}

at::Tensor LinearMap::product(const at::Tensor& x) const {
  return apply(x, {});
}

at::Tensor LinearMap::product_in_float32(const at::Tensor& x) const {
  const auto wide = x.to(at::kFloat);
  if (!matrices_.empty()) return product(wide);
  const bool float32 = packed_.defined() || weight_.scalar_type() == at::kDouble;
  return float32 ? product(wide) : at::linear(wide, weight_.to(at::kFloat));
}

at::Tensor LinearMap::apply_codes(const at::Tensor& x, const at::Tensor& bias) const {
  const auto rows = x.reshape({x.numel() / x.size(-1), x.size(-1)});
  int64_t width = 0;
  for (const auto& matrix : matrices_) width += matrix->rows();
  auto y = at::empty({rows.size(0), width}, x.options());
  int64_t begin = 0;
  for (const auto& matrix : matrices_) {
    matrix->multiply(rows, y.narrow(1, begin, matrix->rows()));
    begin += matrix->rows();
  }
  if (bias.defined()) y.add_(bias);
  auto sizes = x.sizes().vec();
  sizes.back() = width;
  return y.view(sizes);
}

at::Tensor LinearMap::apply(const at::Tensor& x, const at::Tensor& bias) const {
  if (!matrices_.empty()) return apply_codes(x, bias);
  if (!packed_.defined()) {
    if (weight_.scalar_type() == x.scalar_type()) return at::linear(x, weight_, bias);
    const auto wide_bias = bias.defined() ? bias.to(at::kDouble) : bias;
    return at::linear(x.to(at::kDouble), weight_, wide_bias).to(x.scalar_type());
  }
  // A single row is another product there, whose sums depend on the threads: two are not.
  if (x.numel() != x.size(-1)) return packed_linear(x, packed_, bias);
  const auto row = x.reshape({1, x.size(-1)});
  auto sizes = x.sizes().vec();
  const auto y = packed_linear(at::cat({row, row}), packed_, bias).narrow(0, 0, 1);
  sizes.back() = y.size(-1);
  return y.reshape(sizes);
}

}  // namespace trireme
