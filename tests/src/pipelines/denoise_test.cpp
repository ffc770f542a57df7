// Batches denoised over the ranks of a mesh, by the programs that render jobs: the latents are
// those of one rank, and what is sent is an activation a boundary and step, a latent back, and a
// latent where guidance meets.
#include "src/pipelines/denoise.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "parallel/schedule/run.h"
#include "src/schedulers/scheduler_config.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

constexpr int64_t kHeight = 8, kWidth = 12, kTextTokens = 7, kSamples = 2;

struct Sampling {
  int64_t steps = 3;
  double scale = 5;
  bool skips = false;
  const char* scheduler = "FlowMatchEulerDiscreteScheduler";
};

DenoiseRequest request(const Sampling& sampling, uint64_t seed) {
  const auto text = [&](int number) {
    return TextEmbeddings{normals({kSamples, kTextTokens, 24}, static_cast<int>(seed) + number),
                          normals({kSamples, 20}, static_cast<int>(seed) + number + 1),
                          {}};
  };
  const nlohmann::json json = {{"_class_name", sampling.scheduler}, {"shift", 3.0}};
  const SchedulerConfig config(json);
  Guidance guidance{.scale = sampling.scale};
  if (sampling.skips) guidance.skipped = {1};
  guidance.skip_stop = 0.7;
  return {.seeds = {seed, seed + 1},
          .height = kHeight,
          .width = kWidth,
          .text = {text(1), text(3)},
          .guidance = guidance,
          .schedule =
              std::make_shared<const Schedule>(make_schedule(config, {.steps = sampling.steps})),
          .num_inference_steps = sampling.steps};
}

using Jobs = std::vector<Sampling>;

// What this rank of the last stage ends up with; nothing on the others.
std::map<int64_t, Denoised> denoised(const Group& world, MeshShape shape, const Jobs& jobs) {
  const c10::InferenceMode inference;
  const auto mesh = Mesh::over(world, shape);
  const Sd3Transformer model(golden_sd3(true), random_weights(), mesh, at::kFloat);
  Roles roles(shape.ranks());
  const int inner = shape.sequence * shape.tensor;
  for (int rank = 0; rank < shape.ranks(); ++rank)
    roles[rank] = {.stage = rank / inner % shape.pipeline,
                   .place = rank / (inner * shape.pipeline) * inner + rank % inner};
  std::map<int64_t, DenoiseRequest> requests;
  ProgramMaker program(roles, world.rank(), shape.pipeline,
                       [&, next = size_t{0}]() mutable -> std::optional<int64_t> {
                         if (next == jobs.size()) return std::nullopt;
                         const auto made = request(jobs[next], 100 * next + 7);
                         requests.emplace(next, made);
                         ++next;
                         return made.schedule->size();
                       });
  std::map<int64_t, StagedBatch> staged;
  std::map<int64_t, Denoised> results;
  const auto perform = [&](const Op& op) {
    const auto [batch, step] = op.visit;
    if (op.kind == Op::Kind::kTakeText) return;
    if (op.kind == Op::Kind::kBegin)
      staged.emplace(batch, StagedBatch(model, mesh, requests.at(batch), at::kCPU));
    auto& work = staged.at(batch);
    if (op.kind == Op::Kind::kExpect) work.expect(step);
    if (op.kind == Op::Kind::kReceive) work.receive(step);
    if (op.kind == Op::Kind::kForward) work.forward(step);
    if (op.kind == Op::Kind::kSend) work.send(step);
    if (op.kind != Op::Kind::kStep) return;
    work.step(step);
    if (work.is_last(step)) results.emplace(batch, work.result());
  };
  Turns turns(world.on_hosts(), leader_of(roles));
  run(program, turns, {.perform = perform});
  return results;
}

const Jobs kJobs = {{.steps = 3},
                    {.steps = 1},
                    {.steps = 5, .scale = 1},
                    {.steps = 4, .skips = true},
                    {.steps = 2, .scheduler = "FlowMatchHeunDiscreteScheduler"},
                    {.steps = 2}};

class Denoising : public testing::TestWithParam<MeshShape> {};

INSTANTIATE_TEST_SUITE_P(
    Meshes, Denoising,
    testing::Values(MeshShape{.guidance = 2}, MeshShape{.pipeline = 2}, MeshShape{.pipeline = 3},
                    MeshShape{.guidance = 2, .pipeline = 2}, MeshShape{.pipeline = 2, .tensor = 2},
                    MeshShape{.guidance = 2, .pipeline = 3},
                    MeshShape{.pipeline = 3, .sequence = 2},
                    MeshShape{.guidance = 2, .pipeline = 2, .tensor = 2},
                    MeshShape{.guidance = 2, .sequence = 2, .ring = 2, .tensor = 2}));

// Batches of any number of steps, with and without guidance, follow each other.
TEST_P(Denoising, MakesTheLatentsOfOneRank) {
  const auto shape = GetParam();
  const auto whole = denoised({}, {}, kJobs);
  ASSERT_EQ(whole.size(), kJobs.size());
  run_ranks(shape.ranks(), [&](Group world) {
    const auto results = denoised(world, shape, kJobs);
    const int stage = world.rank() / (shape.sequence * shape.tensor) % shape.pipeline;
    ASSERT_EQ(results.size(), stage == shape.pipeline - 1 ? kJobs.size() : 0);
    for (const auto& [batch, result] : results) {
      if (shape.ranks() == shape.pipeline) {
        expect_same_bits(result.latents, whole.at(batch).latents);
      } else {
        expect_close(result.latents, whole.at(batch).latents);
      }
      EXPECT_EQ(result.broken_at_step, (std::vector<int64_t>{-1, -1}));
    }
  });
}

constexpr int64_t kFloat = 4, kWord = 8;
constexpr int64_t kLatents = kSamples * 4 * kHeight * kWidth * kFloat;
// Both guidance branches of all tokens.
constexpr int64_t kActivation = 2 * kSamples * (kHeight * kWidth / 4 + kTextTokens) * 32 * kFloat;

TEST(DenoisingTraffic, AGuidanceGroupSendsALatentAStep) {
  for (const double scale : {5.0, 1.0}) {  // 1: no guidance, nothing to meet for
    run_ranks(2, [&](Group world) {
      denoised(world, {.guidance = 2}, {{.steps = 3, .scale = scale}});
      auto sent = world.traffic().by_kind;
      EXPECT_EQ(sent["all_gather"].bytes, scale > 1 ? 3 * kLatents : 0);
      EXPECT_EQ(sent["all_gather"].messages, scale > 1 ? 3 : 0);
    });
  }
}

// Beside a word a turn from the first rank to each other one, and one more at either end.
TEST(DenoisingTraffic, APipelineSendsAnActivationABoundaryAndALatentBack) {
  constexpr int64_t kSteps = 3, kBatches = 4;
  for (const int stages : {2, 3}) {
    run_ranks(stages, [&](Group world) {
      denoised(world, {.pipeline = stages}, Jobs(kBatches, {.steps = kSteps}));
      const auto sent = world.traffic().by_kind.at("send").bytes;
      const bool first = world.rank() == 0, last = world.rank() == stages - 1;
      const int64_t words = first ? (kBatches * kSteps + 1) * (stages - 1) : 2;
      const int64_t expected =
          last ? kBatches * (kSteps - 1) * kLatents : kBatches * kSteps * kActivation;
      EXPECT_EQ(sent - words * kWord, expected) << "rank " << world.rank() << " of " << stages;
    });
  }
}

}  // namespace
}  // namespace trireme
