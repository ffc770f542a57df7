// InputFiles: what an earlier job's last stage wrote, as the rows of this one: a file a row
// (embeddings, where this job begins with denoise) or a sample (latents, where it decodes), in a
// folder or the sub-folders of its shards. All headers are read and checked when it is made,
// tensors when they are asked for. A file of another program (diffusers' encode_prompt, saved by
// its names) is its tensors alone; the rest is the job's `sampling`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/config/carried_row.h"
#include "src/pipelines/denoise.h"
#include "src/pipelines/recipe.h"

namespace trireme {

// What a file holds for a sample. What is NaN or infinite there comes as zeros, and `problem` says
// so: a text for an Error (kBadData) or a message. All who read the file come to know it.
template <class T>
struct FromFile {
  T value;
  std::string problem;  // empty: none
};

class InputFiles {
 public:
  // Error: kMissingInput if there is no such folder or nothing in it; kBadData names the file that
  // does not fit the model, or two of one number.
  InputFiles(const Job& job, const ModelFacts& model);

  int64_t row_count() const { return static_cast<int64_t>(files_.size()); }
  // In the order of their indices, which may have gaps. Error (kBadData) for a sample that the
  // file's tensors do not fit.
  int64_t sample_count() const { return row_count() * pictures_; }
  Sample sample(int64_t n) const;
  int64_t index(int64_t n) const;  // of sample(n)
  int64_t pictures_of_a_row() const { return pictures_; }
  // The n of the sample with this index, if there is one.
  std::optional<int64_t> position(int64_t index) const;
  // xxh3-128 of which files there are, their tensors' shapes and what they carry.
  const std::string& fingerprint() const { return fingerprint_; }

  // The embeddings of a sample, a batch of one.
  FromFile<Conditioning> text(const Sample& sample, const Recipe& recipe,
                              const at::TensorOptions& options) const;
  // A sample's latents: float32 [channels, h, w].
  FromFile<at::Tensor> latents(const Sample& sample) const;
  // The `problem` of what this job reads for the sample.
  std::string problem(const Sample& sample, const Recipe& recipe) const;

 private:
  struct File {
    int64_t number;  // row or index
    std::filesystem::path path;
  };
  struct Opened;
  std::vector<std::filesystem::path> list() const;
  std::vector<File> numbered(const std::vector<std::filesystem::path>& paths);
  void check(const Opened& file) const;
  void check_pictures();
  PromptRow embeds_row(const Opened& file) const;
  Sample embeds_sample(const Opened& file, int64_t row, int64_t number) const;
  Sample latents_sample(const Opened& file, int64_t index) const;
  std::vector<File>::const_iterator find(int64_t number) const;

  std::string folder_;
  bool latents_;  // or embeddings
  Job sampling_;  // the job's own sampling and which of its keys it gives; nothing else
  ModelFacts model_;
  std::vector<File> files_;  // by number
  int64_t pictures_ = 1;     // of a row
  std::string fingerprint_;
};

}  // namespace trireme
