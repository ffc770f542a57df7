// What the transformers say of their FLOPs: at real sizes equal to a count of diffusers' modules to
// the last digit (tests/goldens/flops.json), and on every rank of every kind of mesh equal to what
// ran.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "parallel/flops.h"
#include "tests/src/transformers/predict.h"
#include "tests/src/transformers/real_models.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/executed_flops.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

struct Picture {
  std::string model;
  int64_t image_tokens, text_tokens, steps;
  int64_t pass;    // FLOPs of one evaluation of one sample
  int64_t guided;  // of all steps with two branches
};

std::vector<Picture> pictures() {
  std::vector<Picture> all;
  const auto counts = read_goldens("flops.json");
  for (const auto& p : counts.at("denoiser_pass"))
    all.push_back({p.at("model"), p.at("image_tokens"), p.at("text_tokens"), p.at("steps"),
                   p.at("total_flop"), p.at("image_flop_cfg")});
  return all;
}

Sd3Flops whole(const Sd3Config& config, Sd3Flops::Batch batch) {
  return Sd3Flops(config, {}, {0, config.num_layers}, batch);
}

PixArtFlops whole(const PixArtConfig& config, PixArtFlops::Batch batch) {
  return PixArtFlops(config, {}, {0, config.num_layers}, batch);
}

// diffusers also asks the text's queries of the last block, whose answers nobody reads.
int64_t unread_queries(const Sd3Config& c, const Picture& p) {
  return attention_flops(p.text_tokens, p.image_tokens + p.text_tokens, c.width());
}

// A pass is a step and, since diffusers does it anew each time, what we do once a batch.
TEST(FlopsOfRealModels, APassIsWhatDiffusersDoes) {
  int counted = 0;
  for (const auto& p : pictures()) {
    SCOPED_TRACE(p.model + " " + std::to_string(p.image_tokens));
    if (const auto sd3 = real_sd3(p.model)) {
      const auto f = whole(*sd3, {.image_tokens = p.image_tokens, .text_tokens = p.text_tokens});
      EXPECT_EQ(f.begin() + f.step() + unread_queries(*sd3, p), p.pass);
    } else {
      const auto f =
          whole(real_pixart(), {.image_tokens = p.image_tokens, .text_tokens = p.text_tokens});
      EXPECT_EQ(f.begin() + f.step(), p.pass);
    }
    ++counted;
  }
  EXPECT_EQ(counted, 14);
}

// Of a guided picture we do less by exactly what is done once instead of in every pass.
TEST(FlopsOfRealModels, AGuidedPictureSavesWhatIsDoneOnce) {
  for (const auto& p : pictures()) {
    SCOPED_TRACE(p.model + " " + std::to_string(p.image_tokens));
    const auto passes = 2 * p.steps;
    if (const auto sd3 = real_sd3(p.model)) {
      const Sd3Flops::Batch one{.image_tokens = p.image_tokens, .text_tokens = p.text_tokens};
      auto batch = one;
      batch.rows = 2;
      batch.steps = p.steps;
      const auto pass = whole(*sd3, one), f = whole(*sd3, batch);
      const auto saved = passes * (pass.embedders() + pass.text_projection()) -
                         (f.embedders() + f.text_projection()) + passes * unread_queries(*sd3, p);
      EXPECT_EQ(f.begin() + p.steps * f.step(), p.guided - saved);
    } else {
      const auto config = real_pixart();
      const PixArtFlops::Batch one{.image_tokens = p.image_tokens, .text_tokens = p.text_tokens};
      const auto pass = whole(config, one);
      const auto f = whole(config, {.rows = 2,
                                    .steps = p.steps,
                                    .image_tokens = p.image_tokens,
                                    .text_tokens = 2 * p.text_tokens});
      EXPECT_EQ(f.begin() + p.steps * f.step(), p.guided - (passes * pass.begin() - f.begin()));
    }
  }
}

// The tiny models. Five heads and their widths divide by nothing useful. Tokens are enough for
// every rank to have 32 queries, and too few for streamed attention.
constexpr int64_t kRows = 24, kColumns = 16, kImage = 96, kText = 7, kSteps = 3, kBatch = 2;

constexpr int64_t kBlocks = 5, kHeads = 5;

Sd3Config sd3_config() {
  auto config = tiny_sd35(kBlocks, kHeads);
  config.pos_embed_max_size = 12;
  return config;
}

PixArtConfig pixart_config() {
  return tiny_pixart(kBlocks, kHeads);
}

// The second text of PixArt has three tokens.
constexpr int64_t kPixArtText = 10;

PixArtTransformer pixart_model(const PixArtConfig& config, const Mesh& mesh) {
  return PixArtTransformer(config, random_weights(), mesh, at::kFloat);
}

std::unique_ptr<Denoiser> model(bool is_sd3, const Mesh& mesh) {
  if (is_sd3)
    return std::make_unique<Sd3Transformer>(sd3_config(), random_weights(), mesh, at::kFloat);
  return std::make_unique<PixArtTransformer>(pixart_model(pixart_config(), mesh));
}

TextEmbeddings text(bool is_sd3) {
  const auto hidden = normals({kBatch, kText, kTinyTextWidth});
  if (is_sd3) return {hidden, normals({kBatch, kTinyPooledWidth}), {}};
  const auto mask = at::ones({kBatch, kText}, at::kLong);
  mask[1].narrow(0, 3, kText - 3).zero_();
  return {hidden, {}, mask};
}

struct Counts {
  int64_t begin = 0;
  int64_t step = 0;
  bool operator==(const Counts&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Counts& c) {
  return out << "begin " << c.begin << ", step " << c.step;
}

// What a rank says, having checked that it is what it did.
Counts counts_of(const Denoiser& denoiser, const Mesh& mesh, const TextEmbeddings& text,
                 const SkippedBlocks& skipped = {}) {
  const c10::InferenceMode inference;
  const auto rows = text.hidden.size(0);
  const auto latents = normals({rows, 4, kRows, kColumns});
  std::unique_ptr<Denoising> batch;
  const auto began = executed_flops([&] {
    batch = denoiser.begin(text, {900, 500, 20}, {rows, kRows, kColumns});
  });
  const auto ran =
      executed_flops([&] { predict(denoiser, mesh.pipeline, *batch, latents, 1, skipped); });
  const Counts said{batch->begin_flops(), batch->step_flops(skipped)};
  EXPECT_EQ(said, (Counts{began, ran}));
  return said;
}

Counts counts_of(bool is_sd3, const Mesh& mesh, const TextEmbeddings& text,
                 const SkippedBlocks& skipped = {}) {
  const c10::InferenceMode inference;
  return counts_of(*model(is_sd3, mesh), mesh, text, skipped);
}

class Flops : public testing::TestWithParam<bool> {
 protected:
  bool is_sd3 = GetParam();
  Sd3Flops sd3 =
      whole(sd3_config(),
            {.rows = kBatch, .steps = kSteps, .image_tokens = kImage, .text_tokens = kText});
  PixArtFlops pixart =
      whole(pixart_config(),
            {.rows = kBatch, .steps = kSteps, .image_tokens = kImage, .text_tokens = kPixArtText});

  Counts whole_model() const {
    return is_sd3 ? Counts{sd3.begin(), sd3.step()} : Counts{pixart.begin(), pixart.step()};
  }
  int64_t embedders() const { return is_sd3 ? sd3.embedders() : pixart.embedders(); }
  int64_t patches() const { return is_sd3 ? sd3.patches() : pixart.patches(); }
  int64_t head() const { return is_sd3 ? sd3.head() : pixart.head(); }
  int64_t text_once() const { return is_sd3 ? sd3.text_projection() : 0; }

  Counts sum_over(MeshShape shape) const {
    std::atomic<int64_t> begin = 0, step = 0;
    run_ranks(shape.ranks(), [&](Group world) {
      const auto mine = counts_of(is_sd3, Mesh::over(world, shape), text(is_sd3));
      begin += mine.begin;
      step += mine.step;
    });
    return {begin, step};
  }
  // The whole model, and what each of n - 1 further ranks repeats.
  Counts whole_and(int n, Counts repeated) const {
    const auto [begin, step] = whole_model();
    return {begin + (n - 1) * repeated.begin, step + (n - 1) * repeated.step};
  }
};

INSTANTIATE_TEST_SUITE_P(Families, Flops, testing::Bool(), [](const auto& family) {
  return std::string(family.param ? "Sd3" : "PixArt");
});

TEST_P(Flops, OneRankDoesTheWhole) {
  EXPECT_EQ(counts_of(is_sd3, Mesh{}, text(is_sd3)), whole_model());
}

TEST(SkippedBlocks, CostNothing) {
  const auto all = counts_of(true, Mesh{}, text(true));
  const auto less = counts_of(true, Mesh{}, text(true), {1, 4});
  const auto sd3 =
      whole(sd3_config(), {.rows = kBatch, .image_tokens = kImage, .text_tokens = kText});
  EXPECT_EQ(less, (Counts{all.begin, all.step - sd3.block(1) - sd3.block(4)}));
}

// Heads, hidden units and modulations are shared out, even unevenly; the little layers around the
// blocks are not.
TEST_P(Flops, OverTensorRanks) {
  for (const int n : {2, 3, 8})
    EXPECT_EQ(sum_over({.tensor = n}),
              whole_and(n, {embedders() + text_once(), patches() + head()}))
        << n;
}

// Tokens are shared out; all else is repeated, and so are the patches, which are cut when made.
TEST_P(Flops, OverSequenceRanks) {
  const auto begin = is_sd3 ? sd3.begin() - sd3.text_projection() : pixart.begin();
  for (const int n : {2, 3}) {
    for (const int ring : {1, n})
      EXPECT_EQ(sum_over({.sequence = n, .ring = ring}), whole_and(n, {begin, patches()}))
          << n << ", rings of " << ring;
  }
}

TEST_P(Flops, OverPipelineStages) {
  for (const int n : {2, 4}) {
    const auto repeated = is_sd3 ? embedders() : embedders() + pixart.modulations();
    EXPECT_EQ(sum_over({.pipeline = n}), whole_and(n, {repeated, 0})) << n;
  }
}

// Each rank has one branch, half of the rows; both embed the timesteps.
TEST_P(Flops, OverGuidanceRanks) {
  const auto f =
      whole(sd3_config(),
            {.rows = 2 * kBatch, .steps = kSteps, .image_tokens = kImage, .text_tokens = kText});
  const auto p = whole(pixart_config(), {.rows = 2 * kBatch,
                                         .steps = kSteps,
                                         .image_tokens = kImage,
                                         .text_tokens = 2 * kPixArtText});
  const auto d = sd3_config().width();
  const auto timesteps =
      linear_flops(kSteps, Sd3Config::kTimeChannels, d) + linear_flops(kSteps, d, d);
  const auto both = is_sd3 ? Counts{f.begin() + timesteps, f.step()}
                           : Counts{p.begin() + timesteps + p.modulations(), p.step()};
  EXPECT_EQ(sum_over({.guidance = 2}), both);
}

PixArtConfig compressed_pixart(KvSampling::Kind kind) {
  auto config = pixart_config();
  config.kv_sampling = {kind, 2};
  config.kv_compress_layers = {0, 2, 3};
  return config;
}

// 12 x 8 tokens of 40 channels: each of the three blocks asks 24 keys instead of 96, and convolves
// keys and values, four taps for each that is left.
TEST(CompressedFlops, SaveThreeQuartersOfTheAttention) {
  PixArtFlops::Batch batch{.rows = kBatch, .image_tokens = kImage, .text_tokens = kPixArtText};
  const auto plain = whole(pixart_config(), batch);
  batch.image_columns = kColumns / 2;
  const auto picks = whole(compressed_pixart(KvSampling::Kind::kGrid), batch);
  const auto squares = whole(compressed_pixart(KvSampling::Kind::kConv), batch);
  EXPECT_EQ(picks.step(), plain.step() - 3 * kBatch * attention_flops(96, 96 - 24, 40));
  EXPECT_EQ(squares.step(), picks.step() + 3 * kBatch * 2 * (24 * 40 * 2 * 4));
}

TEST(CompressedFlops, AreWhatRanOnEveryRank) {
  for (const auto kind : {KvSampling::Kind::kConv, KvSampling::Kind::kGrid})
    for (const auto& shape :
         {MeshShape{}, MeshShape{.tensor = 3}, MeshShape{.tensor = 8}, MeshShape{.sequence = 3},
          MeshShape{.sequence = 2, .ring = 2}, MeshShape{.pipeline = 2, .tensor = 2},
          MeshShape{.sequence = 3, .tensor = 2}})
      run_ranks(shape.ranks(), [&](Group world) {
        const c10::InferenceMode inference;
        const auto mesh = Mesh::over(world, shape);
        SCOPED_TRACE(to_string(shape));
        counts_of(pixart_model(compressed_pixart(kind), mesh), mesh, text(false));
      });
}

// Rank for rank what ran (counts_of), where the axes meet.
TEST_P(Flops, OverMeshesOfSeveralAxes) {
  for (const auto& shape :
       {MeshShape{.pipeline = 2, .tensor = 3}, MeshShape{.sequence = 2, .tensor = 2},
        MeshShape{.pipeline = 2, .sequence = 2, .ring = 2, .tensor = 2}})
    sum_over(shape);
}

}  // namespace
}  // namespace trireme
