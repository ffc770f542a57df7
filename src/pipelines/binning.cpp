#include "src/pipelines/binning.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "parallel/error.h"

namespace trireme {
namespace {

// Ratios are rounded as the training set named them; sizes are those of the 1024 pixel model. The
// 2048 pixel model has twice these, and a few more bins of its own.
struct Bin {
  double ratio;
  Size size;
  bool only_2048 = false;
};

constexpr Bin kBins[] = {
    {0.25, {512, 2048}},       {0.26, {512, 1984}, true}, {0.27, {512, 1920}, true},
    {0.28, {512, 1856}},       {0.32, {576, 1792}},       {0.33, {576, 1728}},
    {0.35, {576, 1664}},       {0.4, {640, 1600}},        {0.42, {640, 1536}},
    {0.48, {704, 1472}},       {0.5, {704, 1408}},        {0.52, {704, 1344}},
    {0.57, {768, 1344}},       {0.6, {768, 1280}},        {0.68, {832, 1216}},
    {0.72, {832, 1152}},       {0.78, {896, 1152}},       {0.82, {896, 1088}},
    {0.88, {960, 1088}},       {0.94, {960, 1024}},       {1.0, {1024, 1024}},
    {1.07, {1024, 960}},       {1.13, {1088, 960}},       {1.21, {1088, 896}},
    {1.29, {1152, 896}},       {1.38, {1152, 832}},       {1.46, {1216, 832}},
    {1.67, {1280, 768}},       {1.75, {1344, 768}},       {2.0, {1408, 704}},
    {2.09, {1472, 704}},       {2.4, {1536, 640}},        {2.5, {1600, 640}},
    {2.89, {1664, 576}, true}, {3.0, {1728, 576}},        {3.11, {1792, 576}, true},
    {3.62, {1856, 512}, true}, {3.75, {1920, 512}, true}, {3.88, {1984, 512}, true},
    {4.0, {2048, 512}},
};

}  // namespace

Size bin_for(Size asked, int64_t sample_size) {
  if (sample_size != 32 && sample_size != 64 && sample_size != 128 && sample_size != 256)
    throw Error(
        Exit::kBadJob,
        fmt::format("[sampling.use_resolution_binning] a transformer of sample_size {} -> 32, "
                    "64, 128 or 256 -> it has no bins; set use_resolution_binning: false",
                    sample_size));
  const double ratio = static_cast<double>(asked.height) / static_cast<double>(asked.width);
  const Bin* best = nullptr;
  for (const auto& bin : kBins) {
    if (bin.only_2048 && sample_size != 256) continue;
    if (!best || std::abs(bin.ratio - ratio) < std::abs(best->ratio - ratio)) best = &bin;
  }
  return {best->size.height * sample_size / 128, best->size.width * sample_size / 128};
}

}  // namespace trireme
