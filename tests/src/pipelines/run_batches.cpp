#include "tests/src/pipelines/run_batches.h"

#include <nlohmann/json.hpp>

#include "parallel/schedule/run.h"
#include "src/schedulers/scheduler_config.h"
#include "tests/src/transformers/tiny_models.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

constexpr int64_t kBlocks = 8, kHeads = 5, kWidth = kHeads * kTinyHeadDim;

std::unique_ptr<Denoiser> model(Tiny family, const Mesh& mesh) {
  if (family == Tiny::kSd3)
    return std::make_unique<Sd3Transformer>(tiny_sd35(kBlocks, kHeads), random_weights(), mesh,
                                            at::kFloat);
  auto config = tiny_pixart(kBlocks, kHeads);
  if (family == Tiny::kPixArtKv) {
    config.kv_sampling = {KvSampling::Kind::kConv, 2};
    config.kv_compress_layers = {1, 2, 5, 7};
    config.qk_norm = true;
  }
  return std::make_unique<PixArtTransformer>(config, random_weights(), mesh, at::kFloat);
}

TextEmbeddings text(Tiny family, uint64_t seed) {
  const auto hidden = normals({kSamples, kTextTokens, kTinyTextWidth}, seed);
  if (family == Tiny::kSd3) return {hidden, normals({kSamples, kTinyPooledWidth}, seed + 1), {}};
  auto mask = at::ones({kSamples, kTextTokens}, at::kLong);
  mask[1].narrow(0, 3, kTextTokens - 3).zero_();
  return {hidden, {}, mask};
}

// PixArt begins late: at the noisiest timesteps a prediction's rounding is multiplied by
// 157.
std::shared_ptr<const Schedule> schedule(Tiny family, const Sampling& sampling) {
  const bool sd3 = family == Tiny::kSd3;
  const char* own = sd3 ? "FlowMatchEulerDiscreteScheduler" : "DPMSolverMultistepScheduler";
  const nlohmann::json json = {{"_class_name", sampling.scheduler ? sampling.scheduler : own}};
  ScheduleRequest request{.steps = sampling.steps};
  for (int64_t step = 0; step < sampling.steps && !sd3; ++step)
    request.timesteps.push_back(static_cast<double>(300 - 100 * step));
  return std::make_shared<const Schedule>(make_schedule(SchedulerConfig(json), request));
}

DenoiseRequest request(Tiny family, const Sampling& sampling, uint64_t seed) {
  Guidance guidance{.scale = sampling.scale};
  if (sampling.skips) guidance.skipped = {1};
  guidance.skip_stop = 0.7;
  return {.seeds = {seed, seed + 1},
          .height = kLatentHeight,
          .width = kLatentWidth,
          .text = {text(family, seed + 1), text(family, seed + 3)},
          .guidance = guidance,
          .schedule = schedule(family, sampling),
          .num_inference_steps = sampling.steps};
}

Roles roles_of(MeshShape shape) {
  const int inner = shape.sequence * shape.tensor;
  Roles roles(shape.ranks());
  for (int rank = 0; rank < shape.ranks(); ++rank)
    roles[rank] = {.stage = stage_of(rank, shape),
                   .place = rank / (inner * shape.pipeline) * inner + rank % inner};
  return roles;
}

void perform(const Op& op, StagedBatch& batch) {
  const auto step = op.visit.step;
  if (op.kind == Op::Kind::kExpect) batch.expect(step);
  if (op.kind == Op::Kind::kReceive) batch.receive(step);
  if (op.kind == Op::Kind::kForward) batch.forward(step);
  if (op.kind == Op::Kind::kStep) batch.step(step);
  if (op.kind == Op::Kind::kSend) batch.send(step);
}

}  // namespace

int stage_of(int rank, MeshShape shape) {
  return rank / (shape.sequence * shape.tensor) % shape.pipeline;
}

int64_t activation_bytes() {
  const auto tokens = kLatentHeight * kLatentWidth / 4 + kTextTokens;
  return 2 * kSamples * tokens * kWidth * static_cast<int64_t>(sizeof(float));
}

std::map<int64_t, Denoised> denoised(Tiny family, const Group& world, MeshShape shape,
                                     const std::vector<Sampling>& batches) {
  const c10::InferenceMode inference;
  const auto mesh = Mesh::over(world, shape);
  const auto denoiser = model(family, mesh);
  const auto request_of = [&](int64_t batch) {
    return request(family, batches[batch], 100 * static_cast<uint64_t>(batch) + 7);
  };
  const auto roles = roles_of(shape);
  ProgramMaker program(roles, world.rank(), shape.pipeline,
                       [&, next = int64_t{0}]() mutable -> std::optional<int64_t> {
                         if (next == static_cast<int64_t>(batches.size())) return std::nullopt;
                         return request_of(next++).schedule->size();
                       });
  std::map<int64_t, StagedBatch> staged;
  std::map<int64_t, Denoised> results;
  Turns turns(world.on_hosts(), leader_of(roles));
  run(program, turns, {.perform = [&](const Op& op) {
        const auto [batch, step] = op.visit;
        if (op.kind == Op::Kind::kTakeText) return;
        if (op.kind == Op::Kind::kBegin)
          staged.emplace(batch, StagedBatch(*denoiser, mesh, request_of(batch), at::kCPU));
        auto& work = staged.at(batch);
        perform(op, work);
        if (op.kind == Op::Kind::kStep && work.is_last(step)) results.emplace(batch, work.result());
      }});
  return results;
}

}  // namespace trireme
