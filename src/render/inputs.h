// Inputs: what a job renders and with which model, read and checked before any weight is read and
// anything is written: its rows, or the files of an earlier job. Also the numbering of the files it
// makes: one a sample, or one a row where the job ends with text embeddings.
#pragma once

#include <optional>
#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/pipelines/recipe.h"
#include "src/render/input_files.h"
#include "src/report/output_folder.h"
#include "src/transformers/position_table.h"
#include "src/weights/repository.h"

namespace trireme {

class Inputs {
 public:
  // Error: kBadJob for what the model cannot do, all of it; kBadData and kMissingInput for prompts
  // and checkpoints.
  explicit Inputs(Job job);

  const Job& job() const { return job_; }
  int64_t sample_count() const {
    return files_ ? files_->sample_count() : prompts_->sample_count();
  }
  Sample sample(int64_t n) const { return files_ ? files_->sample(n) : prompts_->sample(n); }
  PromptRow row_of(const Sample& sample) const;  // of a job that encodes
  // What an earlier job wrote; of a job that does not encode.
  const InputFiles& files() const { return *files_; }
  const Repository& repository() const { return repository_; }
  const ModelFacts& model() const { return model_; }
  BeyondTable beyond_table() const;
  Recipe recipe(const Sample& sample) const { return recipe_for(sample, model_); }

  bool encodes() const { return job_.first_stage == JobStage::kEncode; }
  bool denoises() const { return job_.first_stage <= JobStage::kDenoise && !only_embeds(); }
  bool decodes() const { return job_.last_stage == JobStage::kDecode; }
  // A component is read, used for a window of samples and freed: see StagedRun.
  bool staged() const { return job_.layout.offload == LayoutChoice::Offload::kStaged; }
  bool only_embeds() const { return job_.last_stage == JobStage::kEncode; }
  // Whether the sample has a file of its own.
  bool has_file(const Sample& sample) const { return !only_embeds() || sample.number == 0; }
  int64_t file_count() const;
  int64_t file_index(const Sample& sample) const;  // names the file
  // Which of this job's files that is, from zero; nothing for another job's.
  std::optional<int64_t> position_of(int64_t file_index) const;
  int64_t position(const Sample& sample) const { return *position_of(file_index(sample)); }

  OutputOptions output_options() const;

 private:
  Job job_;
  Repository repository_;
  ModelFacts model_;
  std::optional<Prompts> prompts_;   // either these
  std::optional<InputFiles> files_;  // or these
  std::string rows_;                 // their fingerprint
};

}  // namespace trireme
