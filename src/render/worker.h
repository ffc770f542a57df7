// Worker: what a rank does for each operation of its program: the text, latents and half-denoised
// batches that it holds between them, and the model that works on them.
#pragma once

#include <map>
#include <memory>

#include "parallel/schedule/program.h"
#include "src/pipelines/handover.h"
#include "src/pipelines/pipeline.h"
#include "src/pipelines/recent_embeddings.h"
#include "src/render/batches.h"
#include "src/render/sample_files.h"

namespace trireme {

class Worker {
 public:
  // All must outlive this.
  Worker(const Inputs& inputs, Pipeline& pipeline, SampleFiles& files, StageClock& clock);

  // Batches in the order in which a program numbers them.
  void add(Batch batch) { batches_.emplace(next_batch_++, std::move(batch)); }
  const Batch& batch(int64_t number) const { return batches_.at(number); }
  void forget_before(int64_t number);
  void start_over();  // another program follows, which numbers its batches from zero

  void perform(const Op& op);

 private:
  void carry_out(const Op& op);
  void fetch_what_follows(const Op& op);
  void encode(int64_t number);
  void begin(int64_t number);
  void denoise(const Op& op);
  bool staged() const { return pipeline_.placement().layout.offload == Offload::kStaged; }
  Conditioning waiting(Conditioning text) const;
  Denoised waiting(Denoised denoised) const;
  Conditioning take_text(int64_t number);
  // By what a file's reading says; an Error (kBadData) if the job stops then.
  bool is_broken(const std::string& problem) const;
  Denoised read_latents(const Batch& batch) const;
  Denoised result(int64_t number) const;
  void end(int64_t number);

  const Inputs& inputs_;
  Pipeline& pipeline_;
  SampleFiles& files_;
  StageClock& clock_;
  const Role role_;
  const bool has_all_rows_;  // of the latents
  RecentEmbeddings embeddings_;
  Handover handover_;
  int64_t next_batch_ = 0;
  // By batch.
  std::map<int64_t, Batch> batches_;
  std::map<int64_t, std::vector<bool>> broken_before_;  // samples whose embeddings are, in files
  std::map<int64_t, Conditioning> texts_;
  std::map<int64_t, StagedBatch> staged_;
  std::map<int64_t, Denoised> denoised_;
};

}  // namespace trireme
