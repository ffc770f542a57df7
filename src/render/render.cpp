#include "src/render/render.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>

#include "parallel/schedule/run.h"
#include "src/render/batches.h"
#include "src/render/inputs.h"
#include "src/render/lanes.h"
#include "src/render/sample_files.h"
#include "src/render/staged.h"
#include "src/render/tally.h"
#include "src/render/worker.h"

namespace trireme {
namespace {

constexpr int kSpeaker = 0;  // the rank that says and writes what is said and written once

at::ScalarType scalar_type(Dtype dtype) {
  if (dtype == Dtype::kBFloat16) return at::kBFloat16;
  return dtype == Dtype::kFloat16 ? at::kHalf : at::kFloat;
}

// The job with `dtype: auto` settled, which the pictures' bytes depend on.
Job for_device(Job job, at::Device device) {
  if (job.model.dtype == Dtype::kAuto)
    job.model.dtype = device.is_cuda() ? Dtype::kBFloat16 : Dtype::kFloat32;
  return job;
}

OutputFolder open_output(const Inputs& inputs, const Group& world) {
  const auto& path = inputs.job().output.path.resolved;
  const auto options = inputs.output_options();
  auto folder =
      world.rank() == kSpeaker ? OutputFolder::open(path, options) : OutputFolder(path, options);
  world.barrier();  // nobody writes before it is there
  return folder;
}

bool decodes_in_tiles(const ModelChoice& model) {
  const auto vae = model.components.find("vae");
  return vae != model.components.end() && vae->second.tiling;
}

// What is freed while weights are read and laid out leaves holes that later ones do not fit, and a
// rank's memory at load is to stay within its share: pieces of 128 KiB and more come from the
// system and go back to it.
void give_freed_memory_back() {
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

// Layers free memory and ask for as much again at once; to hand it to the system in between costs a
// tenth of a step, and saves up to a seventh of the memory: a job that is staged wants that.
void keep_freed_memory(bool less) {
  mallopt(M_MMAP_THRESHOLD, (less ? 8 : 32) << 20);
  mallopt(M_TRIM_THRESHOLD, (less ? 32 : 256) << 20);
}

// On a CPU the host is where weights are already.
bool waits_on_host(const Inputs& inputs, at::Device device) {
  return inputs.job().layout.offload == LayoutChoice::Offload::kModel && !device.is_cpu();
}

Pipeline make_pipeline(const Inputs& inputs, const Machine& machine) {
  const auto& job = inputs.job();
  return {inputs.repository(),
          place(job.layout, machine.world, block_count(inputs.repository())),
          {.dtype = scalar_type(job.model.dtype),
           .device = machine.device,
           .encodes = inputs.encodes(),
           .denoises = inputs.denoises(),
           .decodes = inputs.decodes(),
           .tiles = decodes_in_tiles(job.model),
           .waits_on_host = waits_on_host(inputs, machine.device),
           .beyond_table = inputs.beyond_table()}};
}

ProgressOptions progress_options(const Inputs& inputs, const Machine& machine) {
  return {.pictures = inputs.file_count(),
          .steps_per_picture =
              inputs.denoises() ? inputs.recipe(inputs.sample(0)).num_inference_steps : 1,
          .voice = voice_for(machine.terminal)};
}

// Whether each file was there when the run began, as one rank sees it: all ranks form the same
// batches.
std::vector<uint8_t> files_there(const Inputs& inputs, const OutputFolder& output,
                                 const Group& world) {
  auto there = at::zeros({inputs.file_count()}, at::kByte);
  if (world.rank() == kSpeaker)
    for (const auto index : output.done_samples())
      if (const auto at = inputs.position_of(index)) there[*at] = 1;
  there = world.broadcast(there, kSpeaker);
  const auto* begin = there.const_data_ptr<uint8_t>();
  return {begin, begin + there.numel()};
}

// The rank of each replica that writes.
std::vector<int> writers(const Pipeline& pipeline, int replicas) {
  std::vector<int> ranks;
  for (int replica = 0; replica < replicas; ++replica)
    ranks.push_back(replica * pipeline.placement().replica.size() + pipeline.writer());
  return ranks;
}

// The most that a stage and the weights beside it took together.
int64_t peak_of_tensors(const RankReport& report, bool staged) {
  int64_t weights = 0, beyond = 0, together = 0;
  for (const auto& [name, stage] : report.stages) {
    const auto more = stage.activations_bytes + stage.buffers_bytes;
    weights += stage.weights_bytes;
    beyond = std::max(beyond, more);
    together = std::max(together, stage.weights_bytes + more);
  }
  return staged ? together : weights + beyond;
}

// A job under way on this rank.
class Renderer {
 public:
  Renderer(const Inputs& inputs, const Machine& machine, const RenderReports& reports);
  Exit run();

 private:
  void hold(const Parts& parts);
  RunResult run_batches();
  RunResult run_in_stages();
  RunCallbacks callbacks();
  std::optional<int64_t> next_steps();
  bool is_there(const Batch& batch) const;
  void perform(const Op& op);
  void after_visit(Visit visit);
  void show_progress();

  Exit finish();
  void write_schedule(Report& report, const Trace& lanes) const;
  RankReport rank_report() const;

  const Inputs& inputs_;
  const Machine& machine_;
  const RenderReports& reports_;
  MemoryMeter memory_;
  StageClock clock_;
  double begun_ = steady_seconds();
  OutputFolder output_;
  std::vector<uint8_t> there_;
  int replicas_;
  Pipeline pipeline_;
  const Role role_;
  Progress progress_;
  SampleFiles files_;
  Worker worker_;
  Batches batches_;
  ProgressCounts counts_;  // of this replica
  Tally tally_;
  RunResult result_;
};

Renderer::Renderer(const Inputs& inputs, const Machine& machine, const RenderReports& reports)
    : inputs_(inputs),
      machine_(machine),
      reports_(reports),
      memory_(machine.memory, machine.world),
      clock_(steady_seconds, [&](std::optional<Stage> stage) { memory_.left(stage); }),
      output_(open_output(inputs, machine.world)),
      there_(files_there(inputs, output_, machine.world)),
      replicas_(replica_count(inputs.job().layout, machine.world.size())),
      pipeline_(make_pipeline(inputs, machine)),
      role_(pipeline_.roles()[pipeline_.placement().replica.rank()]),
      progress_(progress_options(inputs, machine)),
      files_(inputs, output_, pipeline_, progress_, clock_),
      worker_(inputs, pipeline_, files_, clock_),
      batches_(inputs, inputs.job().layout.batch_size.value_or(1)),
      tally_(machine.world, writers(pipeline_, replicas_)) {}

Exit Renderer::run() {
  // A place where it cannot be written is found before the work.
  if (!reports_.trace.empty() && machine_.world.rank() == kSpeaker)
    write_atomically(reports_.trace, to_chrome_json(std::vector<ReplicaLanes>{}));
  result_ = inputs_.staged() ? run_in_stages() : run_batches();
  return finish();
}

// Reads what this rank needs of these components and frees what it held of others.
void Renderer::hold(const Parts& parts) {
  const auto timer = clock_.time(Stage::kLoad);
  give_freed_memory_back();
  memory_.hold(pipeline_, parts);
  keep_freed_memory(/*less=*/inputs_.staged());
}

RunCallbacks Renderer::callbacks() {
  return {.perform = [&](const Op& op) { perform(op); },
          .wants_to_stop = [&] { return machine_.stop_signal() != 0; },
          .after_visit = [&](Visit visit) { after_visit(visit); }};
}

RunResult Renderer::run_batches() {
  hold({.text = true, .transformer = true, .vae = true});
  const auto& placement = pipeline_.placement();
  const auto roles = pipeline_.roles();
  Turns turns(placement.turns, leader_of(roles));
  placement.turns.watch(true);
  ProgramMaker program(roles, placement.replica.rank(), batches_in_flight(roles),
                       [&] { return next_steps(); });
  auto calls = callbacks();
  calls.after_turn = [&] { worker_.forget_before(program.oldest()); };
  return trireme::run(program, turns, calls);
}

RunResult Renderer::run_in_stages() {
  pipeline_.placement().turns.watch(true);
  return StagedRun(
      pipeline_, worker_, [&](const Parts& parts) { hold(parts); }, [&] { return next_steps(); },
      callbacks(), inputs_.job().layout.window)();
}

bool Renderer::is_there(const Batch& batch) const {
  return std::all_of(batch.samples.begin(), batch.samples.end(),
                     [&](const Sample& sample) { return there_[inputs_.position(sample)] != 0; });
}

// The next batch that this replica makes: replicas take them in turn.
std::optional<int64_t> Renderer::next_steps() {
  const int replica = machine_.world.rank() / pipeline_.placement().replica.size();
  while (auto batch = batches_.next()) {
    if (batch->number % replicas_ != replica) continue;
    if (is_there(*batch)) {
      for (const auto& sample : batch->samples)
        files_.outcome().note(inputs_.position(sample), Fate::kWasThere);
      counts_.skipped += static_cast<int64_t>(batch->samples.size());
      continue;
    }
    const auto steps = inputs_.denoises() ? pipeline_.schedule(batch->recipe)->size() : 1;
    worker_.add(std::move(*batch));
    return steps;
  }
  return std::nullopt;
}

void Renderer::perform(const Op& op) {
  const auto& batch = worker_.batch(op.visit.batch);
  const auto stage = role_.stage < 0 ? std::string() : fmt::format("stage {}, ", role_.stage);
  machine_.world.note(fmt::format("{}{}, sample {}, step {}", stage, to_string(op.kind),
                                  batch.samples.front().index, op.visit.step));
  worker_.perform(op);
  show_progress();
}

void Renderer::after_visit(Visit visit) {
  if (!inputs_.only_embeds())
    counts_.steps += static_cast<int64_t>(worker_.batch(visit.batch).samples.size());
  show_progress();
}

void Renderer::show_progress() {
  pipeline_.placement().turns.pulse();
  counts_.done = files_.done();
  counts_.failed = files_.failed();
  tally_.tell(counts_);
  progress_.update(tally_.heard());
}

RankReport Renderer::rank_report() const {
  RankReport report{.rank = machine_.world.rank(),
                    .host = machine_.host,
                    .device = machine_.device.str(),
                    .host_peak_bytes = peak_host_bytes()};
  report.peak_bytes = report.host_peak_bytes;
  for (const auto& [kind, count] : machine_.world.traffic().by_kind)
    report.sent_bytes[kind] = count.bytes;
  set_stages(report, clock_);
  memory_.fill(report);
  if (machine_.device.is_cuda()) report.peak_bytes = peak_of_tensors(report, inputs_.staged());
  return report;
}

void Renderer::write_schedule(Report& report, const Trace& lanes) const {
  const auto roles = pipeline_.roles();
  const auto replicas = lanes_of_replicas(lanes, roles, batches_in_flight(roles));
  for (size_t replica = 0; replica < replicas.size(); ++replica)
    report.schedules.push_back(schedule_report(replicas[replica], static_cast<int>(replica)));
  if (!reports_.trace.empty()) write_atomically(reports_.trace, to_chrome_json(replicas));
}

Exit Renderer::finish() {
  const auto& world = machine_.world;
  show_progress();
  tally_.tell(counts_, /*end=*/true);
  world.note("waiting for the other replicas");
  tally_.wait_until_complete([&] { progress_.update(tally_.heard()); });
  pipeline_.placement().turns.watch(false);
  world.note("report");
  const auto outcome = files_.outcome().over(world);
  Report report{.done = outcome.count(Fate::kMade),
                .failed = outcome.count(Fate::kFailed),
                .skipped = outcome.count(Fate::kWasThere),
                .total_seconds = steady_seconds() - begun_,
                .ranks = gather_reports(world, rank_report())};
  const auto lanes = gather_lanes(world, result_.lane);
  if (world.rank() == kSpeaker) {
    progress_.update(tally_.heard());
    progress_.finish();
    write_schedule(report, lanes);
    output_.write_metadata(metadata_rows(inputs_, outcome));
    write_atomically(output_.path() / "report.json", to_json(report));
    if (reports_.memory) reports_.memory(memory_table(report));
  }
  const auto stopped = world.all_reduce(at::tensor(int64_t{result_.stopped})).item<int64_t>() != 0;
  if (stopped) return Exit::kDrained;
  return inputs_.job().output.max_failed.allows(report.failed, inputs_.file_count())
             ? Exit::kDone
             : Exit::kTooManyFailed;
}

}  // namespace

Exit render(const Job& job, const Machine& machine, const RenderReports& reports) {
  const c10::InferenceMode inference;
  const Inputs inputs(for_device(job, machine.device));
  return Renderer(inputs, machine, reports).run();
}

}  // namespace trireme
