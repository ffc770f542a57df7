// Inputs: what a job renders and with which model, read and checked before any weight is read and
// anything is written: its rows, or the files of an earlier job. Also the numbering of the files it
// makes: one a sample, or one a row where the job ends with text embeddings.
#pragma once

#include <optional>
#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"
#include "src/output/shard_store.h"
#include "src/pipelines/recipe.h"
#include "src/render/input_files.h"
#include "src/transformers/position_table.h"
#include "src/weights/repository.h"

namespace trireme {

struct ReadSample {
  Sample sample;
  Recipe recipe;
  std::string problem;  // on one line; empty: none
};

class Inputs {
 public:
  // Error: kBadJob for what the model cannot do, all of it; kBadData and kMissingInput for prompts
  // and checkpoints.
  explicit Inputs(Job job);

  const Job& job() const { return job_; }
  int64_t sample_count() const {
    return files_ ? files_->sample_count() : prompts_->sample_count();
  }
  // kBadData for one whose row cannot be read.
  Sample sample(int64_t n) const { return files_ ? files_->sample(n) : prompts_->sample(n); }
  // Numbers of the first samples whose rows can be read, at most so many. kBadData where none can.
  std::vector<int64_t> readable(int64_t most) const;
  Sample first_readable() const { return sample(readable(1).front()); }
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
  bool only_embeds() const { return job_.last_stage == JobStage::kEncode; }

  // The files of this job: by position from zero, and by the index that names them.
  int64_t file_count() const;
  int64_t index(int64_t position) const;
  std::optional<int64_t> position_of(int64_t index) const;  // nothing for another job's
  int64_t index_of(const Sample& sample) const { return only_embeds() ? sample.row : sample.index; }
  // The sample of a file, how it is made, or why it cannot be.
  ReadSample read(int64_t position) const;
  void let_go() const;                                  // of what was read
  int64_t row_number(int64_t index) const;              // of the sample's row
  std::optional<int64_t> byte_of(int64_t index) const;  // where its row stands in a file

  // Of the rows, or of the files that the job goes on from.
  const std::string& rows_hash() const { return rows_; }
  StoreOptions store_options() const;

 private:
  int64_t pictures_of_a_file() const;
  std::string where(int64_t position) const;  // its row is in a file
  void check_rows() const;
  bool is_readable(int64_t n) const;
  std::vector<Problem> problems_at(int64_t n) const;

  Job job_;
  Repository repository_;
  ModelFacts model_;
  std::optional<Prompts> prompts_;   // either these
  std::optional<InputFiles> files_;  // or these
  std::string rows_;                 // their fingerprint
};

}  // namespace trireme
