// LinearMap: y = x W^T + b the way the device does it best. On a CPU, float32 weights are laid out
// once for oneDNN, whose products are faster there than the BLAS default, and give the same bits
// for any number of threads: a picture must not change with the threads that a layout leaves a
// rank. Or W is codes (quantized_matrix.h): of one matrix, or of several that lie side by side.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "parallel/layers/quantized_matrix.h"

namespace trireme {

// Whether a map's sums are to be rounded once (in float64 until then) where that is cheap: float32
// on a CPU, small weights. For sums that a tensor split cuts, so that a cut shows less.
enum class Sums { kPlain, kRoundedOnce };

class LinearMap {
 public:
  LinearMap() = default;
  // weight [out, in]; bias [out], or undefined for none
  LinearMap(at::Tensor weight, at::Tensor bias, Sums sums = Sums::kPlain);
  // The rows of one matrix below those of the one before.
  LinearMap(std::vector<MatrixPtr> matrices, at::Tensor bias);

  at::Tensor operator()(const at::Tensor& x) const;  // [..., in] -> [..., out]
  const at::Tensor& bias() const { return bias_; }
  // Without the bias, for sums over ranks that add it once afterwards.
  at::Tensor product(const at::Tensor& x) const;
  // The same in float32 whatever the weight's type.
  at::Tensor product_in_float32(const at::Tensor& x) const;

 private:
  at::Tensor apply(const at::Tensor& x, const at::Tensor& bias) const;
  at::Tensor apply_codes(const at::Tensor& x, const at::Tensor& bias) const;

  at::Tensor weight_;
  at::Tensor packed_;                // instead of weight_ where that pays
  std::vector<MatrixPtr> matrices_;  // instead of both
  at::Tensor bias_;
};

}  // namespace trireme
