#include "src/transformers/denoiser.h"

#include <fmt/format.h>

#include "parallel/error.h"

namespace trireme {
namespace {

Split sum_of(const Split& a, const Split& b) {
  std::vector<int64_t> lengths;
  for (int r = 0; r < a.parts(); ++r) lengths.push_back(a[r].length + b[r].length);
  return Split::of_lengths(lengths);
}

}  // namespace

StreamSplits::StreamSplits(int64_t image_tokens, int64_t text_tokens, int ranks)
    : image(image_tokens, ranks), text(text_tokens, ranks), both(sum_of(image, text)) {}

void require_stages(int64_t blocks, int stages) {
  if (stages <= blocks) return;
  throw Error(
      Exit::kBadJob,
      fmt::format("[layout.transformer.pipeline] {} stages -> at most {}, one for each block "
                  "of this model -> use the other ranks for replicas, guidance or tensor",
                  stages, blocks));
}

}  // namespace trireme
