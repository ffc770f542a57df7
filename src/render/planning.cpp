#include "src/render/planning.h"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/plan/balanced.h"
#include "parallel/plan/explain.h"
#include "src/pipelines/pipeline.h"
#include "src/render/workload.h"

namespace trireme {
namespace {

constexpr double kGb = 1e9;
constexpr size_t kMostRemedies = 4;

Goal goal_of(const LayoutChoice& choice, const Workload& work) {
  if (!choice.goal) return work.pictures() == 1 ? Goal::kLatency : Goal::kThroughput;
  if (*choice.goal == LayoutChoice::Goal::kLatency) return Goal::kLatency;
  return *choice.goal == LayoutChoice::Goal::kMemory ? Goal::kMemory : Goal::kThroughput;
}

Offload offload_of(LayoutChoice::Offload offload) {
  if (offload == LayoutChoice::Offload::kModel) return Offload::kModel;
  return offload == LayoutChoice::Offload::kStaged ? Offload::kStaged : Offload::kNone;
}

// `model` is taken where the user names it: it has not run on a GPU yet (docs/gpu.md).
std::vector<Offload> offloads(const LayoutChoice& choice) {
  if (choice.offload) return {offload_of(*choice.offload)};
  return {Offload::kNone, Offload::kStaged};
}

MeshShape mesh_of(const TransformerChoice& choice) {
  return {.guidance = choice.guidance,
          .pipeline = choice.pipeline,
          .sequence = choice.sequence,
          .ring = choice.ring,
          .tensor = choice.tensor,
          .blocks = choice.blocks};
}

Choices choices_of(const LayoutChoice& choice, const Cluster& cluster) {
  Choices choices{.replicas = choice.replicas,
                  .batch_size = choice.batch_size,
                  .offload = offloads(choice),
                  .window = choice.window};
  // On a CPU larger batches are no faster, and a kill costs what is in flight.
  if (!choices.batch_size && cluster.device(0).on_host()) choices.batch_size = 1;
  const bool named = choice.text_encoders || choice.transformer || choice.vae;
  if (named && !choices.replicas) choices.replicas = 1;
  choices.splits_others = !named;
  if (const auto& c = choice.text_encoders) choices.text_encoders = c->ranks.list;
  if (const auto& c = choice.transformer)
    choices.transformer = TransformerRanks{c->ranks.list, mesh_of(*c)};
  if (const auto& c = choice.vae) choices.vae = c->ranks.list;
  return choices;
}

void check_blocks(const Inputs& inputs) {
  const auto& job = inputs.job();
  if (!job.layout.transformer || job.layout.transformer->blocks.empty()) return;
  const auto& blocks = job.layout.transformer->blocks;
  int64_t sum = 0;
  for (const auto count : blocks) sum += count;
  const auto all = block_count(inputs.repository());
  if (sum == all) return;
  throw job_error(job.source, {{.place = "layout.transformer.blocks",
                                .message = fmt::format("{} in all -> {}, as the transformer has "
                                                       "them -> a count for another model",
                                                       sum, all)}});
}

Storage storage_of(Quantize kind) {
  if (kind == Quantize::kInt8) return Storage::kInt8;
  return kind == Quantize::kFp8 ? Storage::kFp8 : Storage::kNf4Double;
}

bool is_plain(Storage storage) {
  return storage == Storage::kFloat32 || storage == Storage::kHalf;
}

// A layout that somebody else chose.
std::variant<Plan, NothingFits> checked(const PlanRequest& request, const Layout& layout) {
  auto plan = plan_of(request, layout);
  if (plan.chosen.fits()) return plan;
  return NothingFits{plan.chosen, remedies_for(request, plan.chosen)};
}

// Component by component, the largest first, until something fits.
void quantize_until_it_fits(PlannedJob& planned, const std::vector<Quantize>& kinds, int rivals) {
  for (const auto kind : kinds) {
    auto request = planned.request;
    std::map<std::string, Quantize> quantized;
    const auto fits = [&] {
      planned.result = make_plan(request, rivals);
      if (!std::holds_alternative<Plan>(planned.result)) return false;
      planned.request = request;
      planned.quantized = quantized;
      return true;
    };
    for (auto& encoder : request.workload.encoders) {
      if (!encoder.gated || !is_plain(encoder.storage)) continue;
      encoder.storage = storage_of(kind);
      quantized[encoder.name] = kind;
      if (fits()) return;
    }
    if (request.workload.transformer && is_plain(request.workload.transformer->storage)) {
      request.workload.transformer->storage = storage_of(kind);
      quantized["transformer"] = kind;
      if (fits()) return;
    }
  }
}

// Halves the batch until a rank stays below what ran out; then one component after the other.
void make_smaller(PlannedJob& planned, int rivals) {
  auto& choices = planned.request.choices;
  const auto fits = [&] {
    planned.result = make_plan(planned.request, rivals);
    return std::holds_alternative<Plan>(planned.result);
  };
  for (int batch = choices.batch_size.value_or(1) / 2; batch >= 1; batch /= 2) {
    choices.batch_size = batch;
    if (fits()) return;
  }
  choices.offload = {Offload::kStaged};
  fits();
}

}  // namespace

PlanRequest plan_request(const Inputs& inputs, const Cluster& cluster) {
  check_blocks(inputs);
  const bool halves = inputs.job().model.dtype != Dtype::kFloat32;
  PlanRequest request{.workload = workload_of(inputs, halves ? 2 : 4), .cluster = cluster};
  request.goal = goal_of(inputs.job().layout, request.workload);
  request.choices = choices_of(inputs.job().layout, cluster);
  return request;
}

std::optional<Layout> written_layout(const LayoutChoice& choice, int ranks) {
  if (!choice.text_encoders || !choice.transformer || !choice.vae || !choice.batch_size)
    return std::nullopt;
  const int replicas = choice.replicas.value_or(1), size = ranks / replicas;
  return Layout{.replicas = replicas,
                .replica_size = size,
                .batch_size = *choice.batch_size,
                .text_encoders = resolve_ranks(choice.text_encoders->ranks, size),
                .transformer = resolve_ranks(choice.transformer->ranks, size),
                .vae = resolve_ranks(choice.vae->ranks, size),
                .mesh = mesh_of(*choice.transformer),
                .offload = offload_of(choice.offload.value_or(LayoutChoice::Offload::kNone)),
                .window = choice.window};
}

PlannedJob plan_job(const Inputs& inputs, const Cluster& cluster, int rivals,
                    std::optional<int64_t> most_bytes) {
  const auto& layout = inputs.job().layout;
  PlannedJob planned{.request = plan_request(inputs, cluster), .result = NothingFits{}};
  planned.request.most_bytes = most_bytes;
  if (const auto written = written_layout(layout, cluster.ranks())) {
    planned.result = checked(planned.request, *written);
  } else if (layout.mode == LayoutChoice::Mode::kBalanced) {
    planned.result = checked(planned.request, balanced_layout(planned.request.workload, cluster));
  } else {
    planned.result = make_plan(planned.request, rivals);
    const auto nothing = [&] { return std::holds_alternative<NothingFits>(planned.result); };
    if (nothing() && !planned.request.choices.splits_others) {
      planned.request.choices.splits_others = true;
      planned.result = make_plan(planned.request, rivals);
    }
    // A job that has begun keeps the codes that it has, which its pictures depend on.
    if (nothing() && !most_bytes) quantize_until_it_fits(planned, layout.may_quantize, rivals);
  }
  if (most_bytes && std::holds_alternative<NothingFits>(planned.result))
    make_smaller(planned, rivals);
  return planned;
}

Error nothing_fits_error(const NothingFits& nothing) {
  const auto& nearest = nothing.nearest;
  auto text = fmt::format(
      "[plan] {:.2f} GB on the fullest rank of the smallest layout -> {:.2f} GB, as are there -> ",
      static_cast<double>(nearest.peak_bytes) / kGb,
      static_cast<double>(nearest.limit_bytes) / kGb);
  if (nothing.remedies.empty())
    return {Exit::kUnavailable, text + "no single change that we know would do"};
  text += "any of these would help: ";
  const auto count = std::min(nothing.remedies.size(), kMostRemedies);
  for (size_t i = 0; i < count; ++i)
    text += fmt::format("{}{} (-{:.2f} GB)", i == 0 ? "" : "; ", nothing.remedies[i].change,
                        static_cast<double>(nothing.remedies[i].bytes) / kGb);
  return {Exit::kUnavailable, text};
}

}  // namespace trireme
