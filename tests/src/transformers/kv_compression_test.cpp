// Compressed keys and values: the original module's numbers (tests/goldens/kv_compress.json), the
// same from any number of ranks however they cut the squares, and what a config may ask for.
#include "src/transformers/kv_compression.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/transformers/pixart_block.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/recipe.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

using Kind = KvSampling::Kind;

// The shapes of the original module, by its names.
std::map<std::string, std::vector<int64_t>> original_shapes(bool conv, bool qk_norm) {
  constexpr int64_t kWidth = 24;
  std::map<std::string, std::vector<int64_t>> shapes = {{"qkv.weight", {3 * kWidth, kWidth}},
                                                        {"qkv.bias", {3 * kWidth}},
                                                        {"proj.weight", {kWidth, kWidth}},
                                                        {"proj.bias", {kWidth}}};
  std::vector<std::string> norms;
  if (conv) {
    shapes["sr.weight"] = {kWidth, 1, 2, 2};
    shapes["sr.bias"] = {kWidth};
    norms = {"norm"};
  }
  if (qk_norm) norms.insert(norms.end(), {"q_norm", "k_norm"});
  for (const auto& norm : norms)
    shapes[norm + ".weight"] = shapes[norm + ".bias"] = std::vector<int64_t>{kWidth};
  return shapes;
}

// Weights as our model names them; sr and the norms stay where the original has them, or not.
Weights renamed(const std::map<std::string, at::Tensor>& original, bool keep_original) {
  std::map<std::string, at::Tensor> ours;
  for (const auto& [name, tensor] : original) {
    const auto kind = name.substr(name.rfind('.'));  // .weight or .bias
    if (name.starts_with("qkv")) {
      const auto parts = tensor.chunk(3);
      for (const int i : {0, 1, 2})
        ours["converted.to_" + std::string(1, "qkv"[i]) + kind] = parts[i];
    } else if (name.starts_with("proj")) {
      ours["converted.to_out.0" + kind] = tensor;
    } else {
      ours[(keep_original ? "original." : "converted.") + name] = tensor;
    }
  }
  return memory_weights(ours);
}

struct Golden {
  std::string name;
  std::optional<KvSampling> sampling;
  bool qk_norm = false;
  int64_t batch = 2, rows = 6, columns = 8;
};

at::Tensor attended(const Golden& golden, const Mesh& mesh = {}, bool keep_original = false) {
  const bool conv = golden.sampling && golden.sampling->kind == Kind::kConv;
  const auto weights =
      renamed(recipe_weights(original_shapes(conv, golden.qk_norm)), keep_original);
  auto config = golden_pixart();
  config.qk_norm = golden.qk_norm;
  const PixArtSelfAttention attention(weights / "converted", weights / "original", config,
                                      golden.sampling, mesh);
  const auto& sequence = mesh.sequence.all;
  const ImageTokens tokens{golden.rows, golden.columns,
                           Split(golden.rows * golden.columns, sequence.size())};
  const auto x = recipe_input({golden.batch, golden.rows * golden.columns, 24}, .4);
  const auto mine = attention(shard(x, 1, tokens.split, sequence.rank()), tokens);
  return sequence.all_gather(mine, 1, tokens.split);
}

std::vector<Golden> goldens() {
  std::vector<Golden> all;
  for (const bool qk_norm : {false, true}) {
    const auto name = [&](const std::string& kind) {
      return "kv_" + kind + "_r2_qknorm" + (qk_norm ? "1" : "0");
    };
    all.push_back({name("conv"), KvSampling{Kind::kConv, 2}, qk_norm});
    all.push_back({name("ave"), KvSampling{Kind::kGrid, 2}, qk_norm});
    all.push_back({name("uniform"), KvSampling{Kind::kGrid, 2}, qk_norm});
    all.push_back({name("uniform_every"), KvSampling{Kind::kFlat, 2}, qk_norm});
  }
  all.push_back({"kv_none_r1", std::nullopt});
  all.push_back({"kv_conv_r2_grid5x7", KvSampling{Kind::kConv, 2}, false, 1, 5, 7});
  return all;
}

class KvGoldens : public testing::TestWithParam<Golden> {};
INSTANTIATE_TEST_SUITE_P(All, KvGoldens, testing::ValuesIn(goldens()),
                         [](const auto& golden) { return golden.param.name; });

TEST_P(KvGoldens, EqualTheOriginalModule) {
  const auto expected = read_goldens("kv_compress.json").at(GetParam().name).at("out");
  expect_golden(attended(GetParam()), expected);
  expect_golden(attended(GetParam(), {}, /*keep_original=*/true), expected);
}

// Seven columns, three heads: no cut falls where squares or heads end.
TEST_P(KvGoldens, AreTheSameOnAnyRanks) {
  auto golden = GetParam();
  const bool picks = golden.sampling && golden.sampling->kind == Kind::kGrid;
  if (!picks) golden.rows = 5, golden.columns = 7;
  const auto whole = attended(golden);
  for (const auto& shape :
       {MeshShape{.sequence = 2}, MeshShape{.sequence = 5}, MeshShape{.sequence = 3, .ring = 3},
        MeshShape{.sequence = 4, .ring = 2}, MeshShape{.tensor = 2}, MeshShape{.tensor = 4},
        MeshShape{.sequence = 3, .tensor = 2}, MeshShape{.sequence = 2, .ring = 2, .tensor = 3}}) {
    SCOPED_TRACE(to_string(shape));
    run_ranks(shape.ranks(), [&](Group world) {
      expect_close(attended(golden, Mesh::over(world, shape)), whole);
    });
  }
}

// Whole, and with moments exchanged in float32.
TEST(KvCompression, HalfTypesStayClose) {
  constexpr int64_t kWidth = 24, kHeadDim = 8, kRows = 6, kColumns = 4;
  const ImageTokens tokens{kRows, kColumns, Split(kRows * kColumns, 1)};
  const auto k = normals({1, kRows * kColumns, kWidth}, 1), v = normals(k.sizes(), 2);
  const KvSampling squares{Kind::kConv, 2};
  const auto exact = KvCompression(random_weights(), squares, kWidth, kHeadDim, {})(k, v, tokens);
  for (const auto type : {at::kBFloat16, at::kHalf})
    for (const int ranks : {1, 2})
      run_ranks(ranks, [&](Group world) {
        const auto mesh = Mesh::over(world, {.tensor = ranks});
        const auto channels = Split(kWidth / kHeadDim, ranks).scaled(kHeadDim);
        const auto mine = [&](const at::Tensor& x) { return shard(x, 2, channels, world.rank()); };
        const KvCompression half(random_weights(0, type), squares, kWidth, kHeadDim, mesh);
        const auto close = half(mine(k).to(type), mine(v).to(type), tokens);
        EXPECT_EQ(close.k.scalar_type(), type);
        expect_close(close.k, mine(exact.k), {.relative = 0.03, .absolute = 0.03});
        expect_close(close.v, mine(exact.v), {.relative = 0.03, .absolute = 0.03});
      });
}

// Every number of threads makes the same picture.
TEST(KvCompression, ThreadsChangeNoBit) {
  const ImageTokens tokens{32, 24, Split(32 * 24, 1)};
  const auto k = normals({2, 32 * 24, 144}, 1), v = normals(k.sizes(), 2);
  const KvCompression compression(random_weights(), {Kind::kConv, 2}, 144, 72, {});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = compression(k, v, tokens);
  at::set_num_threads(3);
  const auto three = compression(k, v, tokens);
  at::set_num_threads(before);
  expect_same_bits(three.k, one.k);
  expect_same_bits(three.v, one.v);
}

// Which tokens are left, token by token, beside the numbers.
bool is_left(const KvSampling& sampling, int64_t token, int64_t columns) {
  const auto f = sampling.factor;
  if (sampling.kind == Kind::kFlat) return token % f == 0;
  return token / columns % f == 0 && token % columns % f == 0;
}

TEST(KvSampling, RunsTouchWhatTheyHoldOf) {
  for (const auto kind : {Kind::kGrid, Kind::kFlat}) {
    for (const int64_t factor : {1, 2, 3})
      for (const int64_t columns : {4, 6, 7})
        for (const int ranks : {1, 2, 5, 40}) {
          const KvSampling sampling{kind, factor};
          const Split runs(5 * columns, ranks);
          int64_t seen = 0;
          for (int r = 0; r < ranks; ++r) {
            int64_t kept = 0;
            for (auto t = runs[r].begin; t < runs[r].end(); ++t)
              kept += is_left(sampling, t, columns);
            EXPECT_EQ(sampling.touched(runs[r], 5, columns), (Part{seen, kept}));
            seen += kept;
          }
          EXPECT_EQ(sampling.left(5, columns), seen);
        }
  }
}

TEST(KvSampling, ACutRowOfSquaresIsTouchedByBothSides) {
  const KvSampling squares{Kind::kConv, 2};
  EXPECT_EQ(squares.left(5, 7), 2 * 3);
  EXPECT_EQ(squares.touched({0, 14}, 5, 7), (Part{0, 3}));  // one whole row of squares
  EXPECT_EQ(squares.touched({0, 15}, 5, 7), (Part{0, 6}));  // and a token of the next
  EXPECT_EQ(squares.touched({20, 3}, 5, 7), (Part{3, 3}));
  EXPECT_EQ(squares.touched({28, 7}, 5, 7), (Part{6, 0}));  // a row that is no whole square
  EXPECT_EQ(squares.touched({14, 0}, 5, 7), (Part{3, 0}));
}

nlohmann::json config_json() {
  return {{"sample_size", 8},
          {"patch_size", 2},
          {"in_channels", 4},
          {"out_channels", 8},
          {"num_layers", 4},
          {"attention_head_dim", 8},
          {"num_attention_heads", 3},
          {"caption_channels", 16},
          {"norm_type", "ada_norm_single"},
          {"attention_bias", true},
          {"activation_fn", "gelu-approximate"},
          {"kv_compress", true},
          {"kv_compress_config",
           {{"sampling", "conv"}, {"scale_factor", 2}, {"kv_compress_layer", {2, 3}}}}};
}

PixArtConfig read(const nlohmann::json& json) {
  return PixArtConfig::read(ComponentConfig(json, "config.json"));
}

std::string refusal(const nlohmann::json& json) {
  try {
    read(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    return error.what();
  }
  return "none";
}

TEST(PixArtConfig, ReadsTheOriginalKeys) {
  auto json = config_json();
  const auto config = read(json);
  EXPECT_EQ(config.compression(1), std::nullopt);
  EXPECT_EQ(config.compression(2), (KvSampling{Kind::kConv, 2}));
  json["kv_compress_config"]["sampling"] = "ave";
  EXPECT_EQ(read(json).compression(3), (KvSampling{Kind::kGrid, 2}));
  json["kv_compress_config"]["scale_factor"] = 1;
  EXPECT_EQ(read(json).compression(3), std::nullopt);
  json["kv_compress"] = false;  // as in the released 2K model's training config
  json["kv_compress_config"]["scale_factor"] = 2;
  EXPECT_EQ(read(json).compression(3), std::nullopt);
}

TEST(PixArtConfig, RefusesCompressionThatIsNone) {
  auto json = config_json();
  json["kv_compress_config"]["sampling"] = "average";
  EXPECT_NE(refusal(json).find("conv, ave, uniform or uniform_every"), std::string::npos);
  json = config_json();
  json["kv_compress_config"]["kv_compress_layer"] = {3, 4};
  EXPECT_NE(refusal(json).find("blocks from 0 to 3"), std::string::npos);
  json = config_json();
  json["kv_compress_config"]["scale_factor"] = 0;
  EXPECT_NE(refusal(json).find("1 or more"), std::string::npos);
  json = config_json();
  json.erase("kv_compress_config");
  EXPECT_NE(refusal(json).find("\"kv_compress_config\" is missing"), std::string::npos);
}

}  // namespace
}  // namespace trireme
