#include "src/render/set_up.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "src/output/writer.h"
#include "src/render/gather.h"

namespace trireme {
namespace {

at::ScalarType scalar_type(Dtype dtype) {
  if (dtype == Dtype::kBFloat16) return at::kBFloat16;
  return dtype == Dtype::kFloat16 ? at::kHalf : at::kFloat;
}

bool decodes_in_tiles(const ModelChoice& model) {
  const auto vae = model.components.find("vae");
  return vae != model.components.end() && vae->second.tiling;
}

// On a CPU the host is where weights are already.
bool waits_on_host(const Layout& layout, at::Device device) {
  return layout.offload == Offload::kModel && !device.is_cpu();
}

void tell_of_record(Watch& watch, const Inputs& inputs, const SampleRecord& record) {
  if (record.verdict != Verdict::kFailed) return;
  watch.sample_failed({.index = record.index,
                       .row = inputs.row_number(record.index),
                       .code = record.code,
                       .reason = record.reason});
}

// A batch that is written while the next one is made, and work for all threads.
int64_t most_waiting(int64_t batch_size, const RecorderOptions& options) {
  return std::max<int64_t>(2 * batch_size, 2 * options.encoders);
}

}  // namespace

Job for_device(Job job, at::Device device) {
  if (job.model.dtype == Dtype::kAuto)
    job.model.dtype = device.is_cuda() ? Dtype::kBFloat16 : Dtype::kFloat32;
  return job;
}

Pipeline make_pipeline(const Inputs& inputs, const Layout& layout, const Machine& machine) {
  const auto& job = inputs.job();
  return {inputs.repository(),
          place(layout, machine.world),
          {.dtype = scalar_type(job.model.dtype),
           .device = machine.device,
           .encodes = inputs.encodes(),
           .denoises = inputs.denoises(),
           .decodes = inputs.decodes(),
           .tiles = decodes_in_tiles(job.model),
           .waits_on_host = waits_on_host(layout, machine.device),
           .beyond_table = inputs.beyond_table()}};
}

std::vector<int> writers(const Pipeline& pipeline, int replicas) {
  std::vector<int> ranks;
  for (int replica = 0; replica < replicas; ++replica)
    ranks.push_back(replica * pipeline.placement().replica.size() + pipeline.writer());
  return ranks;
}

WatchOptions watch_options(const Inputs& inputs, const Settled& settled, const Machine& machine,
                           const RenderReports& reports, const JobOutput& output,
                           const Pipeline& pipeline) {
  const auto& replica = pipeline.placement().replica;
  return {.output = output.path,
          .run = broadcast_text(machine.world, new_run(), kSpeaker),
          .rank = machine.world.rank(),
          .lane = replica.rank(),
          .start = {.host = machine.host,
                    .device = machine.device_name,
                    .ranks = machine.world.size(),
                    .replica = machine.world.rank() / replica.size(),
                    .pid = getpid(),
                    .layout = nlohmann::json(to_string(settled.layout)).dump(),
                    .fingerprint = output.fingerprint,
                    .samples = inputs.file_count()},
          .trace = reports.trace,
          .memory_bytes =
              [] {
                return std::map<std::string, int64_t>{{"host_peak", peak_host_bytes()}};
              },
          // The folder is the same for all ranks, and so is what is wrong with it.
          .tell = machine.world.rank() == kSpeaker ? reports.warning : nullptr};
}

std::unique_ptr<Recorder> make_recorder(const Inputs& inputs, int64_t batch_size,
                                        const Pipeline& pipeline, JobOutput& output, Watch& watch) {
  if (pipeline.placement().replica.rank() != pipeline.writer()) return nullptr;
  RecorderOptions options{.writer = this_writer()};
  options.most_samples = most_waiting(batch_size, options);
  options.recorded = [&](const SampleRecord& record) { tell_of_record(watch, inputs, record); };
  options.sealed = [&](int64_t place) {
    const auto verdicts = output.store.verdicts(place);
    watch.shard_sealed({.shard = output.store.shards()[place].number,
                        .done = verdicts.done,
                        .failed = verdicts.failed,
                        .skipped = verdicts.skipped});
  };
  return std::make_unique<Recorder>(output.disk, output.store, output.claims, std::move(options));
}

ProgressOptions progress_options(const Inputs& inputs, const Machine& machine) {
  return {.pictures = inputs.file_count(),
          .steps_per_picture =
              inputs.denoises() ? inputs.recipe(inputs.first_readable()).num_inference_steps : 1,
          .voice = voice_for(machine.terminal)};
}

}  // namespace trireme
