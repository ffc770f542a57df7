// From the decoder's image to pixels, exactly as diffusers' image processor does it.
#pragma once

#include <ATen/ATen.h>

#include "parallel/group.h"
#include "parallel/split.h"

namespace trireme {

// [..., 3, h, w], -1 black to 1 white -> uint8 [..., h, w, 3] on the host. What lies beyond is cut
// off; halves round to even.
at::Tensor to_pixels(const at::Tensor& image);

// PixArt-Sigma, after an image was made at the nearest size that the model knows: scales it so that
// it covers height x width, and cuts that out of the middle. [n, 3, h, w] -> [n, 3, height, width]
at::Tensor resize_and_crop(const at::Tensor& image, int64_t height, int64_t width);

// The same of an image in bands of rows, of which no rank sees more than its own and the row below:
// this rank's band [n, 3, rows[rank], w] -> its rows of the picture. Collective over the group.
struct ResizedBand {
  at::Tensor mine;  // [n, 3, rows[rank], width]
  Split rows;       // of the picture
};
ResizedBand resize_and_crop(const at::Tensor& band, const Group& patch, const Split& rows,
                            int64_t height, int64_t width);

}  // namespace trireme
