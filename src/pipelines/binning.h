// PixArt-Sigma's resolution bins: the sizes that a model was trained for. A picture of another
// shape is made in the bin of the nearest aspect ratio, then resized and cropped to what was asked.
#pragma once

#include <cstdint>

namespace trireme {

struct Size {
  int64_t height = 0;
  int64_t width = 0;

  bool operator==(const Size&) const = default;
};

// The bin of a transformer whose sample_size is 32, 64, 128 or 256 (256 to 2048 pixels), the
// nearest by |height / width - ratio|, the flattest of equals. Error (kBadJob) for other sample
// sizes.
Size bin_for(Size asked, int64_t sample_size);

}  // namespace trireme
