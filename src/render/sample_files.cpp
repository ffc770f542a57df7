#include "src/render/sample_files.h"

#include <fmt/format.h>

#include "src/render/files.h"

namespace trireme {
namespace {

std::string broken_after(const Sample& sample, int64_t step) {
  return fmt::format(
      "[denoise] sample {}: NaN or infinity after step {} -> finite latents "
      "-> weights that overflow this dtype; try dtype: float32",
      sample.index, step);
}

}  // namespace

SampleFiles::SampleFiles(const Inputs& inputs, const Pipeline& pipeline, Recorder* recorder,
                         Progress& progress, StageClock& clock)
    : inputs_(inputs),
      pipeline_(pipeline),
      recorder_(recorder),
      progress_(progress),
      clock_(clock) {}

void SampleFiles::write(const std::vector<SampleRecord>& failed) {
  if (!recorder_) return;
  for (const auto& record : failed) {
    recorder_->put([record] { return Finished{record, {}}; }, 0);
    progress_.message(record.reason);
  }
}

void SampleFiles::write(const Batch& batch, const std::vector<Conditioning>& rows) {
  if (!recorder_) return;
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& sample = batch.samples[i];
    if (batch.recorded[i]) continue;
    auto bytes = embeds_file(inputs_.job(), inputs_.row_of(sample), batch.recipe, rows[i]);
    const auto size = static_cast<int64_t>(bytes.size());
    put(
        sample, batch.recipe, [bytes = std::move(bytes)] { return bytes; }, size);
  }
}

void SampleFiles::write(const Batch& batch, const Denoised& denoised) {
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const auto& sample = batch.samples[i];
    const auto latents = denoised.latents[static_cast<int64_t>(i)];
    const auto step = denoised.broken_at_step[i];
    if (step != kUnbroken) {
      if (!batch.recorded[i]) fail(batch, sample, step);
    } else if (inputs_.decodes()) {
      write_picture(batch, sample, latents, batch.recorded[i]);
    } else if (recorder_ && !batch.recorded[i]) {
      auto bytes = latents_file(inputs_.job(), sample, batch.recipe, latents);
      const auto size = static_cast<int64_t>(bytes.size());
      put(
          sample, batch.recipe, [bytes = std::move(bytes)] { return bytes; }, size);
    }
  }
}

void SampleFiles::write_picture(const Batch& batch, const Sample& sample, const at::Tensor& latents,
                                bool is_recorded) {
  const auto timer = clock_.time(Stage::kDecode);
  clock_.count(Stage::kDecode, pipeline_.decode_flops(batch.recipe));
  if (!recorder_) return pipeline_.decode(latents, batch.recipe, {});
  auto pixels = std::make_shared<std::string>();
  pixels->reserve(static_cast<size_t>(batch.recipe.asked.height * batch.recipe.asked.width * 3));
  pipeline_.decode(latents, batch.recipe, [&](const at::Tensor& rows) {
    pixels->append(reinterpret_cast<const char*>(rows.const_data_ptr<uint8_t>()),
                   static_cast<size_t>(rows.numel()));
  });
  if (is_recorded) return;
  put(
      sample, batch.recipe,
      [&job = inputs_.job(), sample, recipe = batch.recipe, pixels,
       scheduler = pipeline_.scheduler_class(batch.recipe)] {
        return picture_file(job, sample, recipe, scheduler, *pixels);
      },
      static_cast<int64_t>(pixels->size()));
}

// `file` makes its bytes on a thread of the recorder.
void SampleFiles::put(const Sample& sample, const Recipe& recipe, std::function<std::string()> file,
                      int64_t bytes) {
  const auto writing = clock_.time(Stage::kWrite);
  recorder_->put([&inputs = inputs_, sample, recipe,
                  file = std::move(file)] { return finished(inputs, sample, recipe, file()); },
                 bytes);
}

void SampleFiles::fail(const Batch& batch, const Sample& sample, int64_t step) {
  const bool before = step == kBrokenBefore;
  const auto why =
      before ? inputs_.files().problem(sample, batch.recipe) : broken_after(sample, step);
  if (inputs_.job().output.on_error == OnError::kStop) throw Error(Exit::kBadData, why);
  write({{.index = inputs_.index_of(sample),
          .verdict = Verdict::kFailed,
          .code = before ? kBadInput : "nan",
          .reason = why}});
}

}  // namespace trireme
