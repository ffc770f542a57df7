// Job: all that a job file says, as plain values. A field holds what the user wrote or, where the
// file is silent, the default below; `optional` without a value means that the model, the machine
// or the planner decides later. The smallest job is a version, a model and one prompt.
//
//   version: 1
//   model: {path: stabilityai/stable-diffusion-3-medium-diffusers}
//   prompts: [a photo of a cat]
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/layout.h"
#include "src/config/sampling.h"
#include "src/config/source.h"

namespace trireme {

// A path or the name of a repository. Relative paths are relative to the job file.
struct Location {
  std::string written;   // as in the job
  std::string resolved;  // an absolute path, or org/name[@revision] unchanged
  bool hub = false;      // org/name[@revision]: to be found, offline, in the Hugging Face cache

  bool operator==(const Location&) const = default;
};

enum class Dtype { kAuto, kFloat32, kBFloat16, kFloat16 };  // auto: bfloat16 on a GPU, else float32

// One entry of `model.components`. Without one the component comes from the model's path.
struct ComponentChoice {
  bool absent = false;           // null: leave it out
  std::optional<Location> path;  // take it from elsewhere: a folder or a .safetensors file
  Quantize quantize = Quantize::kNone;
  bool double_quant = true;  // nf4: the scales of its blocks are 8-bit codes
  bool tiling = false;       // the VAE: large pictures are decoded in tiles, as diffusers can
  // SD3's transformer, `position_table: extend`: pictures larger than its table of positions are
  // made all the same, beyond what it was trained for.
  bool extend_positions = false;

  bool operator==(const ComponentChoice&) const = default;
};

struct ModelChoice {
  Location path;        // a diffusers folder, a single .safetensors file or org/name[@revision]
  std::string variant;  // diffusers' file variant, such as fp16; empty: none
  Dtype dtype = Dtype::kAuto;
  std::map<std::string, ComponentChoice> components;  // by diffusers' component names

  bool operator==(const ModelChoice&) const = default;
};

// One row of prompts: as many pictures as num_images_per_prompt says.
struct PromptRow {
  int64_t row = 0;  // its number, from zero, whatever subset is rendered
  std::string prompt;
  std::string prompt_2;   // SD3; empty: prompt
  std::string prompt_3;   // SD3; empty: prompt
  Sampling sampling;      // the job's with the row's own values over it
  bool own_seed = false;  // the row gave its seed: picture n draws from seed + n

  bool operator==(const PromptRow&) const = default;
};

// Prompts in a file: .txt (a prompt a line), .jsonl or .csv. See prompts.h for reading it.
struct DatasetChoice {
  Location path;
  std::optional<int64_t> first_row;  // rows: 0-999999, both ends included; none: all
  std::optional<int64_t> last_row;

  bool operator==(const DatasetChoice&) const = default;
};

enum class JobStage { kEncode, kDenoise, kDecode };
enum class DeviceChoice { kAuto, kCuda, kCpu };
enum class OutputFormat { kPng, kJpeg, kWebp, kLatents, kEmbeds };
enum class Container { kFolder, kWebdataset };
enum class Metadata { kNone, kMinimal, kFull };
enum class OnError { kQuarantine, kStop };

// How many samples may fail before the job counts as failed: a count, or a share of all.
struct FailureBudget {
  std::optional<int64_t> count;
  double percent = 0.1;

  bool allows(int64_t failed, int64_t total) const;
  bool operator==(const FailureBudget&) const = default;
};

struct OutputChoice {
  Location path;                             // created
  OutputFormat format = OutputFormat::kPng;  // not given: latents or embeds after such a last stage
  Container container = Container::kFolder;
  int quality = 95;           // 1 to 100, of jpeg and webp; the others have none
  bool captions = false;      // webdataset: the prompt beside each sample as a .txt member
  int64_t shard_size = 1000;  // samples a shard or sub-folder
  Metadata metadata = Metadata::kFull;
  OnError on_error = OnError::kQuarantine;
  FailureBudget max_failed;
  bool says_max_failed = false;  // the job gives it

  bool operator==(const OutputChoice&) const = default;
};

struct Job {
  ModelChoice model;
  std::vector<PromptRow> prompts;        // either here
  std::optional<DatasetChoice> dataset;  // or in a file
  Sampling sampling;
  std::vector<std::string> sampling_keys;    // those that the job itself gives
  JobStage first_stage = JobStage::kEncode;  // stages: any contiguous part
  JobStage last_stage = JobStage::kDecode;
  std::optional<Location> input;  // what an earlier job's last stage wrote; then no prompts
  LayoutChoice layout;
  DeviceChoice device = DeviceChoice::kAuto;
  std::optional<int> threads;  // CPU threads a rank; none: an even share of the cores
  OutputChoice output;

  Source source;  // the file it came from, for messages
};

// Reads a job file. `overrides` are `key.path=value`, the value being YAML and a number in the path
// an index (prompts.0.seed=3); they are laid over the file before it is checked. Throws one Error:
// kBadJob with all that is wrong in the file, kMissingInput or kNoPermission where it cannot be
// had.
Job read_job(const std::string& path, const std::vector<std::string>& overrides = {});

// The same for a text already in memory, named `path` in messages and for relative paths.
Job parse_job(std::string_view text, const std::string& path,
              const std::vector<std::string>& overrides = {});

}  // namespace trireme
