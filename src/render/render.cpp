#include "src/render/render.h"

#include <fmt/format.h>
#include <malloc.h>

#include <chrono>
#include <thread>

#include "src/pipelines/recent_embeddings.h"
#include "src/render/batches.h"
#include "src/render/files.h"
#include "src/render/inputs.h"
#include "src/render/outcome.h"
#include "src/render/tally.h"

namespace trireme {
namespace {

constexpr int kSpeaker = 0;  // the rank that says and writes what is said and written once
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);

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
// tenth of a step.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
}

Pipeline load(const Inputs& inputs, const Machine& machine, StageClock& clock) {
  const auto timer = clock.time(Stage::kLoad);
  const auto& job = inputs.job();
  give_freed_memory_back();
  Pipeline pipeline(inputs.repository(),
                    place(job.layout, machine.world, block_count(inputs.repository())),
                    {.dtype = scalar_type(job.model.dtype),
                     .device = machine.device,
                     .denoises = job.last_stage != JobStage::kEncode,
                     .decodes = job.last_stage == JobStage::kDecode,
                     .tiles = decodes_in_tiles(job.model)});
  keep_freed_memory();
  return pipeline;
}

ProgressOptions progress_options(const Inputs& inputs, const Machine& machine) {
  return {.pictures = inputs.file_count(),
          .steps_per_picture = inputs.recipe(inputs.prompts().sample(0)).num_inference_steps,
          .voice = voice_for(machine.terminal)};
}

// A job under way on this rank.
class Renderer {
 public:
  Renderer(const Inputs& inputs, const Machine& machine);
  Exit run();

 private:
  // Each takes a batch one stage further, and says false if a signal asks to stop.
  bool visit(const Batch& batch);
  bool make(const Batch& batch);
  bool denoise(const Batch& batch, const std::vector<Conditioning>& rows);

  void write_embeds(const Batch& batch, const std::vector<Conditioning>& rows);
  void finish_sample(const Batch& batch, const Sample& sample, const at::Tensor& latents);
  void make_picture(const Batch& batch, const Sample& sample, const at::Tensor& latents);
  void fail(const Sample& sample, int64_t step);
  void write(const Sample& sample, const std::string& bytes);
  void show_progress();
  bool is_done(const Batch& batch) const;

  Exit finish();
  RankReport rank_report() const;

  const Inputs& inputs_;
  const Machine& machine_;
  StageClock clock_;
  double begun_ = steady_seconds();
  OutputFolder output_;
  int replicas_;
  Pipeline pipeline_;
  RecentEmbeddings embeddings_;
  Outcome outcome_;
  Progress progress_;
  ProgressCounts counts_;  // of this replica
  Tally tally_;
  bool stopped_ = false;
};

Renderer::Renderer(const Inputs& inputs, const Machine& machine)
    : inputs_(inputs),
      machine_(machine),
      output_(open_output(inputs, machine.world)),
      replicas_(replica_count(inputs.job().layout, machine.world.size())),
      pipeline_(load(inputs, machine, clock_)),
      embeddings_(pipeline_),
      outcome_(inputs.file_count()),
      progress_(progress_options(inputs, machine)),
      tally_(machine.world, replicas_) {}

Exit Renderer::run() {
  const int replica = machine_.world.rank() / (machine_.world.size() / replicas_);
  for_each_batch(inputs_, inputs_.job().layout.batch_size.value_or(1), [&](const Batch& batch) {
    if (batch.number % replicas_ == replica) stopped_ = !visit(batch);
    return !stopped_;
  });
  return finish();
}

bool Renderer::is_done(const Batch& batch) const {
  for (const auto& sample : batch.samples)
    if (!output_.is_done(inputs_.file_index(sample))) return false;
  return true;
}

bool Renderer::visit(const Batch& batch) {
  const auto& replica = pipeline_.placement().replica;
  // Ranks may look at different moments: the first one's eyes count, and anyone's wish to stop.
  const bool missing = replica.rank() == 0 && !is_done(batch);
  const int64_t stops = machine_.stop_signal() != 0;
  const auto agreed = replica.all_reduce(at::tensor({int64_t{missing}, stops}, at::kLong));
  if (agreed[1].item<int64_t>() != 0) return false;
  if (agreed[0].item<int64_t>() != 0) return make(batch);
  for (const auto& sample : batch.samples) outcome_.note(inputs_.position(sample), Fate::kWasThere);
  counts_.skipped += static_cast<int64_t>(batch.samples.size());
  return true;
}

bool Renderer::make(const Batch& batch) {
  std::vector<Conditioning> rows;
  {
    const auto timer = clock_.time(Stage::kEncode);
    for (const auto& sample : batch.samples) rows.push_back(embeddings_(sample, batch.recipe));
  }
  if (!inputs_.only_embeds()) return denoise(batch, rows);
  write_embeds(batch, rows);
  return true;
}

void Renderer::write_embeds(const Batch& batch, const std::vector<Conditioning>& rows) {
  const auto& placement = pipeline_.placement();
  if (placement.replica.rank() == placement.text_encoders.front())
    for (size_t i = 0; i < rows.size(); ++i)
      write(batch.samples[i], embeds_file(inputs_.job(), batch.samples[i], batch.recipe, rows[i]));
  counts_.done += static_cast<int64_t>(rows.size());
  show_progress();
}

bool Renderer::denoise(const Batch& batch, const std::vector<Conditioning>& rows) {
  const auto go_on = [&](int64_t step) {
    if (step > 0) counts_.steps += static_cast<int64_t>(batch.samples.size());
    show_progress();
    return machine_.stop_signal() == 0;
  };
  Denoised denoised;
  {
    const auto timer = clock_.time(Stage::kDenoise);
    denoised = pipeline_.denoise(batch.samples, batch.recipe, stack(rows), go_on);
  }
  if (!denoised.complete) return false;
  counts_.steps += static_cast<int64_t>(batch.samples.size());  // the last
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const auto& sample = batch.samples[i];
    if (denoised.broken_at_step[i] >= 0) {
      fail(sample, denoised.broken_at_step[i]);
    } else {
      finish_sample(batch, sample, denoised.latents[static_cast<int64_t>(i)]);
    }
  }
  show_progress();
  return true;
}

// On the ranks that have the last stage: latents to a file, which the first of them writes.
void Renderer::finish_sample(const Batch& batch, const Sample& sample, const at::Tensor& latents) {
  ++counts_.done;
  const auto& placement = pipeline_.placement();
  if (inputs_.job().last_stage == JobStage::kDecode) {
    if (placement.holds(placement.vae)) make_picture(batch, sample, latents);
  } else if (placement.replica.rank() == placement.transformer.front()) {
    write(sample, latents_file(inputs_.job(), sample, batch.recipe, latents));
  }
}

// Rows go to the file as they come.
void Renderer::make_picture(const Batch& batch, const Sample& sample, const at::Tensor& latents) {
  const auto timer = clock_.time(Stage::kDecode);
  const auto& placement = pipeline_.placement();
  if (placement.replica.rank() != placement.vae.front())
    return pipeline_.decode(latents, batch.recipe, {});
  auto file = output_.begin_file(inputs_.file_index(sample));
  auto png =
      picture_writer(inputs_.job(), sample, batch.recipe, pipeline_.scheduler_class(batch.recipe),
                     [&](std::string_view bytes) { file.write(bytes); });
  pipeline_.decode(latents, batch.recipe, [&](const at::Tensor& rows) {
    const auto writing = clock_.time(Stage::kWrite);
    png.rows({rows.const_data_ptr<uint8_t>(), static_cast<size_t>(rows.numel())});
  });
  const auto writing = clock_.time(Stage::kWrite);
  png.finish();
  file.commit();
  outcome_.note(inputs_.position(sample), Fate::kMade);
}

void Renderer::fail(const Sample& sample, int64_t step) {
  const auto why = fmt::format(
      "[denoise] sample {}: NaN or infinity after step {} -> finite latents "
      "-> weights that overflow this dtype; try dtype: float32",
      sample.index, step);
  if (inputs_.job().output.on_error == OnError::kStop) throw Error(Exit::kBadData, why);
  ++counts_.failed;
  outcome_.note(inputs_.position(sample), Fate::kFailed);
  if (pipeline_.placement().replica.rank() == kSpeaker) progress_.message(why);
}

void Renderer::write(const Sample& sample, const std::string& bytes) {
  const auto timer = clock_.time(Stage::kWrite);
  output_.write(inputs_.file_index(sample), bytes);
  outcome_.note(inputs_.position(sample), Fate::kMade);
}

void Renderer::show_progress() {
  tally_.tell(counts_);
  progress_.update(tally_.heard());
}

RankReport Renderer::rank_report() const {
  RankReport report{.rank = machine_.world.rank(),
                    .host = machine_.host,
                    .device = machine_.device.str(),
                    .peak_bytes = peak_host_bytes()};
  for (const auto& [kind, count] : machine_.world.traffic().by_kind)
    report.sent_bytes[kind] = count.bytes;
  set_seconds(report, clock_);
  return report;
}

Exit Renderer::finish() {
  const auto& world = machine_.world;
  tally_.tell(counts_, /*end=*/true);
  if (world.rank() == kSpeaker) {
    while (!tally_.complete()) {
      progress_.update(tally_.heard());
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }
  const auto outcome = outcome_.over(world);
  Report report{.done = outcome.count(Fate::kMade),
                .failed = outcome.count(Fate::kFailed),
                .skipped = outcome.count(Fate::kWasThere),
                .total_seconds = steady_seconds() - begun_,
                .ranks = gather_reports(world, rank_report())};
  if (world.rank() == kSpeaker) {
    progress_.update(tally_.heard());
    progress_.finish();
    output_.write_metadata(metadata_rows(inputs_, outcome));
    write_atomically(output_.path() / "report.json", to_json(report));
  }
  const auto stopped = world.all_reduce(at::tensor(int64_t{stopped_})).item<int64_t>() != 0;
  if (stopped) return Exit::kDrained;
  return inputs_.job().output.max_failed.allows(report.failed, inputs_.file_count())
             ? Exit::kDone
             : Exit::kTooManyFailed;
}

}  // namespace

Exit render(const Job& job, const Machine& machine) {
  const c10::InferenceMode inference;
  const Inputs inputs(for_device(job, machine.device));
  return Renderer(inputs, machine).run();
}

}  // namespace trireme
