// Inputs: what a job renders and with which model, read and checked before any weight is read and
// anything is written. Also the numbering of the files it makes: one a sample, or one a row where
// the job ends with text embeddings.
#pragma once

#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/pipelines/recipe.h"
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
  const Prompts& prompts() const { return prompts_; }
  const Repository& repository() const { return repository_; }
  const ModelFacts& model() const { return model_; }
  BeyondTable beyond_table() const;
  Recipe recipe(const Sample& sample) const { return recipe_for(sample, model_); }

  bool only_embeds() const { return job_.last_stage == JobStage::kEncode; }
  // Whether the sample has a file of its own.
  bool has_file(const Sample& sample) const { return !only_embeds() || sample.number == 0; }
  int64_t file_count() const;
  int64_t file_index(const Sample& sample) const;  // names the file
  int64_t first_file() const { return first_file_; }
  // file_index counted from this job's first file.
  int64_t position(const Sample& sample) const { return file_index(sample) - first_file_; }

  OutputOptions output_options() const;

 private:
  Job job_;
  Prompts prompts_;
  Repository repository_;
  ModelFacts model_;
  int64_t first_file_;
};

}  // namespace trireme
