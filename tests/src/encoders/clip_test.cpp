#include "src/encoders/clip.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/recipe.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Five heads divide by nothing useful; the feed-forward network has a prime number of units.
const ClipConfig kSmall{.vocab = 101,
                        .positions = 12,
                        .width = 40,
                        .hidden = 53,
                        .layers = 3,
                        .heads = 5,
                        .projection = 24,
                        .eos = 100,
                        .activation = Activation::kQuickGelu};

// Two texts with their ends, 100, followed by padding of either kind.
at::Tensor ids() {
  return at::tensor({7, 99, 31, 100, 100, 100, 100, 100, 5, 6, 7, 8, 9, 100, 0, 0}, at::kLong)
      .view({2, 8});
}

ClipTextModel whole(const ClipConfig& config, const Weights& weights) {
  return ClipTextModel(config, weights, Group());
}

class ClipGolden : public testing::TestWithParam<const char*> {};

TEST_P(ClipGolden, EqualsTransformers) {
  const auto golden = read_goldens("text_encoders.json").at(GetParam());
  const ClipTextModel model = whole(ClipConfig::read({golden.at("config"), "config.json"}),
                                    memory_weights(recipe_weights(golden.at("shapes"))));
  const auto rows = golden.at("ids").get<std::vector<std::vector<int64_t>>>();
  const auto out = model(at::stack({at::tensor(rows[0]), at::tensor(rows[1])}));
  expect_golden(out.hidden, golden.at("penultimate"));
  expect_golden(out.pooled, golden.at("projected"));
}

INSTANTIATE_TEST_SUITE_P(Activations, ClipGolden,
                         testing::Values("clip_tiny_quick_gelu", "clip_tiny_gelu"));

TEST(Clip, ShardedOverRanksEqualsWhole) {
  const auto weights = random_weights();
  const auto expected = whole(kSmall, weights)(ids());
  for (const int ranks : {1, 2, 3, 4, 6}) {  // of six, one has no head
    run_ranks(ranks, [&](Group world) {
      const auto out = ClipTextModel(kSmall, weights, world)(ids());
      expect_close(out.hidden, expected.hidden);
      expect_close(out.pooled, expected.pooled);
    });
  }
}

TEST(Clip, ASkippedLayerIsNotThere) {
  const auto weights = random_weights();
  auto shorter = kSmall;
  shorter.layers = 2;
  expect_same_bits(whole(kSmall, weights)(ids(), 1).hidden, whole(shorter, weights)(ids()).hidden);
  // ... but the pooled vector comes from the last one.
  expect_same_bits(whole(kSmall, weights)(ids(), 1).pooled, whole(kSmall, weights)(ids()).pooled);
}

TEST(Clip, SkipsNoMoreLayersThanItHas) {
  const auto model = whole(kSmall, random_weights());
  EXPECT_NO_THROW(model(ids(), 2));
  try {
    model(ids(), 3);
    FAIL() << "three layers of three cannot be skipped";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadJob);
    EXPECT_STREQ(error.what(),
                 "[clip_skip] 3 -> 0 to 2 -> the text encoder has 3 layers, and one at least must "
                 "be left");
  }
}

TEST(Clip, TheTextEndsAtTheFirstEosHoweverItIsPadded) {
  const auto weights = random_weights();
  const auto model = whole(kSmall, weights);
  // The same texts alone, cut behind their ends.
  expect_close(model(ids()).pooled[0], model(ids().narrow(0, 0, 1).narrow(1, 0, 4)).pooled[0]);
  expect_close(model(ids()).pooled[1], model(ids().narrow(0, 1, 1).narrow(1, 0, 6)).pooled[0]);
  // Old configs say eos 2 and mean the largest id; here that is the same token.
  auto legacy = kSmall;
  legacy.eos = 2;
  expect_same_bits(whole(legacy, weights)(ids()).pooled, model(ids()).pooled);
}

TEST(Clip, HalfTypesStayNearFloat32) {
  const auto expected = whole(kSmall, random_weights())(ids());
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const auto out = whole(kSmall, random_weights(0, type))(ids());
    EXPECT_EQ(out.hidden.scalar_type(), type);
    const double step = type == at::kHalf ? 1e-3 : 8e-3;
    expect_close(out.hidden, expected.hidden, {.relative = 8 * step, .absolute = 8 * step});
    expect_close(out.pooled, expected.pooled, {.relative = 8 * step, .absolute = 8 * step});
  }
}

TEST(ClipConfig, MissingKeysAreNamed) {
  try {
    ClipConfig::read({nlohmann::json{{"vocab_size", 9}}, "text_encoder/config.json"});
    FAIL() << "a config without layers was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    EXPECT_NE(std::string(error.what()).find("text_encoder/config.json"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace trireme
