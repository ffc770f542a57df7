// Winograd's minimal filtering for 3x3 convolutions on a CPU (Winograd 1980; Lavin and Gray 2016).
// An image is cut into overlapping tiles, each tile becomes a few sums of its pixels, matrix
// products combine the channels, and sums of the products are the output: 16 products for 2x2
// outputs instead of 36. After nearest up-sampling by 2, where neighbours are equal, 9 are enough.
// The results are as near to the exact ones as those of a direct convolution. float32, contiguous,
// zeros around.
#pragma once

#include <ATen/ATen.h>

namespace trireme {

// Whether this pays and is possible; matrix products of few channels are slow.
bool winograd_pays(const at::Tensor& weight);

// weight [out, in, 3, 3] -> [16, out, in]
at::Tensor winograd_filters(const at::Tensor& weight);
// x [n, in, h, w] -> [n, out, h, w]
at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias);

// weight [out, in, 3, 3] -> [9, out, in]
at::Tensor winograd_upsample_filters(const at::Tensor& weight);
// x [n, in, h, w], up-sampled and then convolved -> [n, out, 2h, 2w]
at::Tensor winograd_upsample_conv(const at::Tensor& x, const at::Tensor& filters,
                                  const at::Tensor& bias);

}  // namespace trireme
