#include "src/vae/decoder.h"

#include <gtest/gtest.h>

#include "parallel/error.h"
#include "tests/support/recipe.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

// Three levels, two of one width, one resnet a level and one more.
const VaeConfig kSmall{.block_out_channels = {8, 16, 16},
                       .layers_per_block = 1,
                       .latent_channels = 4,
                       .norm_groups = 4,
                       .scaling = 1.5305,
                       .shift = 0.0609};

double cosine(const at::Tensor& a, const at::Tensor& b) {
  const auto x = a.to(at::kDouble).flatten(), y = b.to(at::kDouble).flatten();
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}

class VaeGolden : public testing::TestWithParam<const char*> {};

TEST_P(VaeGolden, EqualsDiffusersAndLeavesNoWeightOver) {
  const auto golden = read_goldens("vae.json").at(GetParam());
  const auto source = std::make_shared<MemorySource>(recipe_weights(golden.at("shapes")));
  const VaeDecoder decoder(VaeConfig::read({golden.at("config"), "vae/config.json"}),
                           Weights(source));
  expect_golden(decoder(recipe_input({1, 4, 12, 20}, 0.2)), golden.at("out"));
  EXPECT_EQ(source->unused(), std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(PostQuantConv, VaeGolden,
                         testing::Values("vae_tiny_decode", "vae_tiny_decode_noquant"));

TEST(VaeDecoder, ABatchGivesTheBitsOfItsSamples) {
  const VaeDecoder decoder(kSmall, random_weights());
  const auto latents = normals({3, 4, 6, 5});
  const auto batch = decoder(latents);
  EXPECT_EQ(batch.sizes(), at::IntArrayRef({3, 3, 24, 20}));
  for (int64_t i = 0; i < 3; ++i)
    expect_same_bits(batch.narrow(0, i, 1), decoder(latents.narrow(0, i, 1)));
}

TEST(VaeDecoder, LatentsAreDividedByTheScaleAndThenShifted) {
  auto plain = kSmall;
  plain.scaling = 1;
  plain.shift = 0;
  const auto latents = normals({1, 4, 4, 4});
  expect_same_bits(VaeDecoder(kSmall, random_weights())(latents),
                   VaeDecoder(plain, random_weights())(latents / 1.5305 + 0.0609));
}

TEST(VaeDecoder, OldFilesNameTheAttentionOtherwise) {
  const auto golden = read_goldens("vae.json").at("vae_tiny_decode");
  const auto config = VaeConfig::read({golden.at("config"), "vae/config.json"});
  const auto tensors = recipe_weights(golden.at("shapes"));
  const std::map<std::string, std::string> old{{".to_q.", ".query."},
                                               {".to_k.", ".key."},
                                               {".to_v.", ".value."},
                                               {".to_out.0.", ".proj_attn."}};
  std::map<std::string, at::Tensor> renamed;
  for (const auto& [name, tensor] : tensors) {
    auto before = name;
    for (const auto& [now, then] : old)
      if (const auto at = name.find(now); at != std::string::npos)
        before.replace(at, now.size(), then);
    renamed.emplace(before, tensor);
  }
  const auto z = recipe_input({1, 4, 12, 20}, 0.2);
  expect_same_bits(VaeDecoder(config, memory_weights(renamed))(z),
                   VaeDecoder(config, memory_weights(tensors))(z));
}

TEST(VaeDecoder, HalfTypesStayNearFloat32) {
  const auto latents = normals({1, 4, 8, 8});
  const auto expected = VaeDecoder(kSmall, random_weights())(latents);
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const auto image = VaeDecoder(kSmall, random_weights(0, type))(latents);
    EXPECT_EQ(image.scalar_type(), type);
    EXPECT_GE(cosine(image, expected), 0.999);
  }
}

TEST(VaeDecoder, WithoutAttentionItNeedsNoneOfItsWeights) {
  auto plain = kSmall;
  plain.mid_attention = false;
  const auto source = std::make_shared<RandomSource>();
  VaeDecoder(plain, Weights(source))(normals({1, 4, 4, 4}));
  for (const auto& [name, tensor] : source->tensors())
    EXPECT_EQ(name.find("attentions"), std::string::npos) << name;
}

TEST(VaeConfig, MissingKeysAreWhatDiffusersTakesThemFor) {
  const auto config = VaeConfig::read({{{"block_out_channels", {32, 64}},
                                        {"layers_per_block", 2},
                                        {"latent_channels", 4},
                                        {"shift_factor", nullptr}},
                                       "vae/config.json"});
  EXPECT_TRUE(config.post_quant_conv);
  EXPECT_TRUE(config.mid_attention);
  EXPECT_EQ(config.norm_groups, 32);
  EXPECT_EQ(config.scaling, 0.18215);
  EXPECT_EQ(config.shift, 0);
  EXPECT_EQ(config.upscale(), 2);
}

TEST(VaeConfig, OtherBlocksAreRefused) {
  nlohmann::json config = read_goldens("vae.json").at("vae_tiny_decode").at("config");
  config["up_block_types"] = {"UpDecoderBlock2D", "AttnUpDecoderBlock2D"};
  try {
    VaeConfig::read({config, "vae/config.json"});
    FAIL() << "a VAE with attention in its levels was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    EXPECT_NE(std::string(error.what()).find("up_block_types"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace trireme
