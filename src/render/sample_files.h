// SampleFiles: the last thing that happens to a sample: its picture, latents or embeddings become a
// file, or it failed. The rank that writes hands them to its Recorder, which does the rest on its
// own threads; the others take part in decoding and write nothing.
#pragma once

#include "src/output/recorder.h"
#include "src/pipelines/pipeline.h"
#include "src/render/batches.h"
#include "src/report/progress.h"

namespace trireme {

class SampleFiles {
 public:
  // All must outlive this. `recorder`: on the rank that writes; null on others.
  SampleFiles(const Inputs& inputs, const Pipeline& pipeline, Recorder* recorder,
              Progress& progress, StageClock& clock);

  // What the rows of a portion are that cannot be made.
  void write(const std::vector<SampleRecord>& failed);
  // On the encoders' ranks, of which the first writes: a file a row.
  void write(const Batch& batch, const std::vector<Conditioning>& rows);
  // On the ranks that have the last word (Pipeline::roles), of which the first writes: from this
  // rank's rows of the latents. A sample that is not finite fails; Error (kBadData) if the job
  // stops then.
  void write(const Batch& batch, const Denoised& denoised);

 private:
  void write_picture(const Batch& batch, const Sample& sample, const at::Tensor& latents,
                     bool is_recorded);
  void fail(const Batch& batch, const Sample& sample, int64_t step);
  void put(const Sample& sample, const Recipe& recipe, std::function<std::string()> file,
           int64_t bytes);

  const Inputs& inputs_;
  const Pipeline& pipeline_;
  Recorder* recorder_;
  Progress& progress_;
  StageClock& clock_;
};

}  // namespace trireme
