#include "src/render/sample_files.h"

#include <fmt/format.h>

#include "src/render/files.h"

namespace trireme {

SampleFiles::SampleFiles(const Inputs& inputs, const OutputFolder& output, const Pipeline& pipeline,
                         Progress& progress, StageClock& clock)
    : inputs_(inputs),
      output_(output),
      pipeline_(pipeline),
      progress_(progress),
      clock_(clock),
      outcome_(inputs.file_count()) {}

bool SampleFiles::writes() const {
  return pipeline_.placement().replica.rank() == pipeline_.writer();
}

void SampleFiles::write(const Batch& batch, const std::vector<Conditioning>& rows) {
  if (!writes()) return;
  for (size_t i = 0; i < rows.size(); ++i)
    write(batch.samples[i],
          embeds_file(inputs_.job(), inputs_.row_of(batch.samples[i]), batch.recipe, rows[i]));
}

void SampleFiles::write(const Batch& batch, const Denoised& denoised) {
  for (size_t i = 0; i < batch.samples.size(); ++i) {
    const auto& sample = batch.samples[i];
    const auto latents = denoised.latents[static_cast<int64_t>(i)];
    if (denoised.broken_at_step[i] >= 0) {
      fail(sample, denoised.broken_at_step[i]);
    } else if (inputs_.decodes()) {
      write_picture(batch, sample, latents);
    } else {
      write(sample, latents_file(inputs_.job(), sample, batch.recipe, latents));
    }
  }
}

// Rows go to the file as they come.
void SampleFiles::write_picture(const Batch& batch, const Sample& sample,
                                const at::Tensor& latents) {
  const auto timer = clock_.time(Stage::kDecode);
  clock_.count(Stage::kDecode, pipeline_.decode_flops(batch.recipe));
  if (!writes()) return pipeline_.decode(latents, batch.recipe, {});
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
  made(sample);
}

void SampleFiles::write(const Sample& sample, const std::string& bytes) {
  const auto timer = clock_.time(Stage::kWrite);
  output_.write(inputs_.file_index(sample), bytes);
  made(sample);
}

void SampleFiles::made(const Sample& sample) {
  ++done_;
  outcome_.note(inputs_.position(sample), Fate::kMade);
}

void SampleFiles::fail(const Sample& sample, int64_t step) {
  const auto why = fmt::format(
      "[denoise] sample {}: NaN or infinity after step {} -> finite latents "
      "-> weights that overflow this dtype; try dtype: float32",
      sample.index, step);
  if (inputs_.job().output.on_error == OnError::kStop) throw Error(Exit::kBadData, why);
  if (!writes()) return;
  ++failed_;
  outcome_.note(inputs_.position(sample), Fate::kFailed);
  progress_.message(why);
}

}  // namespace trireme
