// What the text encoders say of their FLOPs: at real sizes equal to a count of transformers'
// modules to the last digit (tests/goldens/flops.json), on every rank equal to what ran.
#include "src/encoders/flops.h"

#include <gtest/gtest.h>

#include <atomic>

#include "parallel/flops.h"
#include "parallel/plan/cost.h"
#include "src/encoders/clip.h"
#include "src/encoders/encoder_work.h"
#include "src/encoders/t5.h"
#include "tests/support/executed_flops.h"
#include "tests/support/recipe.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"

namespace trireme {
namespace {

constexpr T5Config kT5Xxl{
    .vocab = 32128, .width = 4096, .hidden = 10240, .layers = 24, .heads = 64, .head_dim = 64};
constexpr ClipConfig kClipL{.vocab = 49408,
                            .positions = 77,
                            .width = 768,
                            .hidden = 3072,
                            .layers = 12,
                            .heads = 12,
                            .projection = 768};
constexpr ClipConfig kClipG{.vocab = 49408,
                            .positions = 77,
                            .width = 1280,
                            .hidden = 5120,
                            .layers = 32,
                            .heads = 20,
                            .projection = 1280};

TEST(FlopsOfRealEncoders, AreThoseOfTransformers) {
  const auto counts = read_goldens("flops.json").at("text_encoders");
  ASSERT_EQ(counts.size(), 4);
  for (const auto& count : counts) {
    const std::string name = count.at("encoder");
    const int64_t tokens = count.at("tokens");
    const auto flops = name == "T5-XXL encoder" ? t5_flops(kT5Xxl, tokens)
                       : name == "CLIP-L"       ? clip_flops(kClipL, tokens)
                                                : clip_flops(kClipG, tokens);
    EXPECT_EQ(flops, count.at("total_flop")) << name;
  }
}

// What a plan counts for one text, on the first rank of any number.
int64_t planned_flops(const EncoderWork& encoder, int ranks) {
  Layout layout{.replica_size = ranks};
  layout.text_encoders.clear();
  for (int rank = 0; rank < ranks; ++rank) layout.text_encoders.push_back(rank);
  const Workload work{.encoders = {encoder}};
  const auto cluster = cluster_of(*device_by_name("h100"), ranks);
  const OperationCosts costs(work, {}, layout, cluster, 0);
  return costs.effort(OperationCosts::kEncode, 0).flops;
}

TEST(FlopsOfPlans, AreThoseOfTheEncoders) {
  for (const int ranks : {1, 2, 3, 8}) {
    const Coordinate first{0, ranks};
    EXPECT_EQ(planned_flops(t5_work(kT5Xxl, "t5", 256), ranks), t5_flops(kT5Xxl, 256, first));
    EXPECT_EQ(planned_flops(clip_work(kClipL, "l", 77), ranks), clip_flops(kClipL, 77, first));
    EXPECT_EQ(planned_flops(clip_work(kClipG, "g", 77), ranks), clip_flops(kClipG, 77, first));
  }
}

// Five heads and prime numbers of hidden units; two texts, as a single row is another product.
constexpr int64_t kTexts = 2, kTokens = 40;
constexpr T5Config kSmallT5{
    .vocab = 61, .width = 32, .hidden = 47, .layers = 2, .heads = 5, .head_dim = 8};
constexpr ClipConfig kSmallClip{.vocab = 101,
                                .positions = kTokens,
                                .width = 40,
                                .hidden = 53,
                                .layers = 3,
                                .heads = 5,
                                .projection = 24,
                                .eos = 100};

// What the ranks say together, each having checked that it is what it did.
template <class Encoder, class Config>
int64_t sum_over(int ranks, const Config& config) {
  const auto ids = at::full({kTexts, kTokens}, 7, at::kLong);
  std::atomic<int64_t> sum = 0;
  run_ranks(ranks, [&](Group world) {
    const Encoder encoder(config, random_weights(), world);
    const auto ran = executed_flops([&] { encoder(ids); });
    EXPECT_EQ(kTexts * encoder.flops(kTokens), ran) << world.rank() << " of " << ranks;
    sum += encoder.flops(kTokens);
  });
  return sum;
}

TEST(FlopsOfT5, AreSharedOut) {
  for (const int ranks : {1, 2, 3, 6})  // of six, one has no head
    EXPECT_EQ(sum_over<T5Encoder>(ranks, kSmallT5), t5_flops(kSmallT5, kTokens));
}

TEST(FlopsOfClip, AreSharedOutButForTheProjection) {
  const auto projection = linear_flops(1, kSmallClip.width, kSmallClip.projection);
  for (const int ranks : {1, 2, 3, 6})
    EXPECT_EQ(sum_over<ClipTextModel>(ranks, kSmallClip),
              clip_flops(kSmallClip, kTokens) + (ranks - 1) * projection);
}

}  // namespace
}  // namespace trireme
