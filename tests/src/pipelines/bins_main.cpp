// bins SAMPLE_SIZE: the bin of each "height width" line of its input.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>

#include "src/pipelines/binning.h"

int main(int, char** arguments) {
  const int64_t sample_size = std::atoll(arguments[1]);
  trireme::Size asked;
  while (std::cin >> asked.height >> asked.width) {
    const auto bin = trireme::bin_for(asked, sample_size);
    fmt::print("{} {}\n", bin.height, bin.width);
  }
}
