// Encoders as numbers for a plan: in half precision on a GPU, where a matrix is held as it is,
// their weights are the published numbers of parameters.
#include "src/encoders/encoder_work.h"

#include <gtest/gtest.h>

#include "parallel/plan/memory.h"

namespace trireme {
namespace {

constexpr int64_t kHalf = 2;

int64_t weights(const EncoderWork& encoder, int ranks = 1, int rank = 0) {
  Layout layout{.replica_size = ranks};
  for (int r = 1; r < ranks; ++r) layout.text_encoders.push_back(r);
  Workload work{.encoders = {encoder}, .shapes = {{.pictures = 1}}, .element_bytes = kHalf};
  work.encoders.front().storage = Storage::kHalf;
  return memory_of(work, layout, rank, /*on_cpu=*/false).encode.weights;
}

ClipConfig clip(int64_t width, int64_t layers) {
  return {.vocab = 49408,
          .positions = 77,
          .width = width,
          .hidden = 4 * width,
          .layers = layers,
          .heads = width / 64,
          .projection = width};
}

constexpr T5Config kT5Xxl{
    .vocab = 32128, .width = 4096, .hidden = 10240, .layers = 24, .heads = 64, .head_dim = 64};

TEST(EncoderWork, HasThePublishedNumbersOfParameters) {
  EXPECT_EQ(weights(clip_work(clip(768, 12), "text_encoder", 77)), kHalf * 123'650'304);
  EXPECT_EQ(weights(clip_work(clip(1280, 32), "text_encoder_2", 77)), kHalf * 694'659'840);
  EXPECT_EQ(weights(t5_work(kT5Xxl, "text_encoder_3", 256)), kHalf * 4'762'310'656);
}

TEST(EncoderWork, IsCutButForItsVectorsAndSumsBiases) {
  const auto t5 = t5_work(kT5Xxl, "text_encoder_3", 256);
  const auto whole = weights(t5), norms = kHalf * (2 * 24 + 1) * 4096;
  for (const int rank : {0, 3}) EXPECT_EQ(weights(t5, 4, rank), (whole - norms) / 4 + norms);
  const auto l = clip_work(clip(768, 12), "text_encoder", 77);
  EXPECT_GT(weights(l, 5, 0), weights(l, 5, 4));  // 12 heads are 3, 3, 2, 2, 2
}

}  // namespace
}  // namespace trireme
