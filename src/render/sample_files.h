// SampleFiles: the last thing that happens to a sample: its picture, latents or embeddings become a
// file, or it failed. Notes what became of each on the rank that writes.
#pragma once

#include "src/pipelines/pipeline.h"
#include "src/render/batches.h"
#include "src/render/outcome.h"
#include "src/report/output_folder.h"
#include "src/report/progress.h"

namespace trireme {

class SampleFiles {
 public:
  // All must outlive this.
  SampleFiles(const Inputs& inputs, const OutputFolder& output, const Pipeline& pipeline,
              Progress& progress, StageClock& clock);

  // On the encoders' ranks, of which the first writes: a file a row.
  void write(const Batch& batch, const std::vector<Conditioning>& rows);
  // On the ranks that have the last word (Pipeline::roles), of which the first writes: from this
  // rank's rows of the latents. A sample that is not finite fails; Error (kBadData) if the job
  // stops then.
  void write(const Batch& batch, const Denoised& denoised);

  Outcome& outcome() { return outcome_; }
  // Of what this rank wrote.
  int64_t done() const { return done_; }
  int64_t failed() const { return failed_; }

 private:
  bool writes() const;
  void write_picture(const Batch& batch, const Sample& sample, const at::Tensor& latents);
  void write(const Sample& sample, const std::string& bytes);
  void fail(const Sample& sample, int64_t step);
  void made(const Sample& sample);

  const Inputs& inputs_;
  const OutputFolder& output_;
  const Pipeline& pipeline_;
  Progress& progress_;
  StageClock& clock_;
  Outcome outcome_;
  int64_t done_ = 0, failed_ = 0;
};

}  // namespace trireme
