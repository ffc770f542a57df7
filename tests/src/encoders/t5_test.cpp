#include "src/encoders/t5.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/recipe.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Five heads whose widths do not add up to the model's, as in T5.
const T5Config kSmall{
    .vocab = 61, .width = 32, .hidden = 47, .layers = 2, .heads = 5, .head_dim = 8};

at::Tensor ids() {
  return at::tensor({13, 27, 5, 60, 1, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0}, at::kLong).view({2, 8});
}

at::Tensor mask() {
  return ids().ne(0).to(at::kLong);
}

T5Encoder whole(const Weights& weights, const T5Config& config = kSmall) {
  return T5Encoder(config, weights, Group());
}

at::Tensor rows(const nlohmann::json& values) {
  std::vector<at::Tensor> stacked;
  for (const auto& row : values) stacked.push_back(at::tensor(row.get<std::vector<int64_t>>()));
  return at::stack(stacked);
}

TEST(T5, EqualsTransformers) {
  const auto golden = read_goldens("text_encoders.json").at("t5_tiny");
  const auto encoder = whole(memory_weights(recipe_weights(golden.at("shapes"))),
                             T5Config::read({golden.at("config"), "config.json"}));
  for (const auto& text : golden.at("cases")) {
    SCOPED_TRACE(text.at("name").get<std::string>());
    const auto mask = text.contains("mask") ? rows(text.at("mask")) : at::Tensor();
    expect_golden(encoder(rows(text.at("ids")), mask), text.at("out"));
  }
}

TEST(T5, BucketsEqualTransformers) {
  const auto golden = read_goldens("text_encoders.json").at("t5_buckets_-140..140");
  const auto buckets = relative_buckets(141, 32, 128);
  for (int64_t distance = -140; distance <= 140; ++distance) {
    const auto query = distance < 0 ? -distance : 0;
    EXPECT_EQ(buckets[query][query + distance].item<int64_t>(), golden[distance + 140]) << distance;
  }
}

TEST(T5, ShardedOverRanksEqualsWhole) {
  const auto weights = random_weights();
  const auto expected = whole(weights)(ids());
  const auto expected_masked = whole(weights)(ids(), mask());
  for (const int ranks : {1, 2, 3, 4, 6}) {  // of six, one has no head
    run_ranks(ranks, [&](Group world) {
      const T5Encoder encoder(kSmall, weights, world);
      expect_close(encoder(ids()), expected);
      expect_close(encoder(ids(), mask()), expected_masked);
    });
  }
}

TEST(T5, AMaskHidesPaddingAndNothingElse) {
  const auto encoder = whole(random_weights());
  const auto masked = encoder(ids(), mask());
  expect_close(masked[0].narrow(0, 0, 5), encoder(ids().narrow(0, 0, 1).narrow(1, 0, 5))[0]);
  expect_close(masked[1].narrow(0, 0, 2), encoder(ids().narrow(0, 1, 1).narrow(1, 0, 2))[0]);
  expect_same_bits(encoder(ids(), at::ones_like(ids())), encoder(ids()));
}

TEST(T5, TheEmbeddingMayHaveEitherNameOrBoth) {
  const auto golden = read_goldens("text_encoders.json").at("t5_tiny");
  const auto config = T5Config::read({golden.at("config"), "config.json"});
  auto tensors = recipe_weights(golden.at("shapes"));
  const auto expected = whole(memory_weights(tensors), config)(ids());

  tensors["shared.weight"] = tensors.at("encoder.embed_tokens.weight");
  const auto both = std::make_shared<MemorySource>(tensors);
  expect_same_bits(whole(Weights(both), config)(ids()), expected);
  EXPECT_TRUE(both->unused().empty()) << "the duplicate is left over";

  tensors.erase("encoder.embed_tokens.weight");
  expect_same_bits(whole(memory_weights(tensors), config)(ids()), expected);
}

// T5-XXL's feed-forward networks add more than float16 holds to the sum that the norms then tame.
TEST(T5, Float16DoesNotOverflow) {
  auto source = std::make_shared<RandomSource>();
  whole(Weights(source));
  auto tensors = source->tensors();
  tensors.at("encoder.block.0.layer.1.DenseReluDense.wi_1.weight").mul_(1e3);
  tensors.at("encoder.block.0.layer.1.DenseReluDense.wo.weight").mul_(1e4);
  const auto expected = whole(memory_weights(tensors))(ids());
  for (auto& [name, tensor] : tensors) tensor = tensor.to(at::kHalf);
  const auto out = whole(memory_weights(tensors))(ids());
  expect_close(out, expected, {.relative = 1e-2, .absolute = 1e-2});
}

TEST(T5, HalfTypesStayNearFloat32) {
  const auto expected = whole(random_weights())(ids());
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const auto out = whole(random_weights(0, type))(ids());
    EXPECT_EQ(out.scalar_type(), type);
    const double step = type == at::kHalf ? 1e-3 : 8e-3;
    expect_close(out, expected, {.relative = 8 * step, .absolute = 8 * step});
  }
}

TEST(T5Config, AFeedForwardNetworkWithoutAGateIsRefused) {
  auto config = read_goldens("text_encoders.json").at("t5_tiny").at("config");
  config["feed_forward_proj"] = "relu";
  try {
    T5Config::read({config, "text_encoder_3/config.json"});
    FAIL() << "T5 v1.0 was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    EXPECT_NE(std::string(error.what()).find("gated-gelu"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace trireme
