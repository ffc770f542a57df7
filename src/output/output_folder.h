// An output folder as a whole: that it belongs to one job. OUT/job.json says which: the normalised
// job, and what makes its pixels beside it (the prompts, the weights, the kind of arithmetic) by
// hashes; all of it as one fingerprint. A folder that another job began is refused.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/output/file_system.h"

namespace trireme {

struct OutputIdentity {
  std::string job = "{}";        // the normalised job as JSON
  std::string made_of = "{}";    // JSON: what else the pixels depend on, by name
  std::string fingerprint = {};  // of both, without what may change
  // Keys that a job may change between runs; they are not named when fingerprints differ.
  std::vector<std::string> may_change = {"layout",      "threads",         "device",
                                         "output.path", "output.on_error", "output.max_failed"};
};

// Makes OUT or checks that it was begun by this job, removes what killed runs left, writes
// job.json. kBadJob where another job made samples in it, naming the first keys that differ with
// both values; kCannotCreate where it holds samples without a job.json, or a job.json that is none
// of ours. A job that made no sample, because its model's path was wrong, say, may be mended and
// run again.
void begin_output(FileSystem& files, const std::filesystem::path& out,
                  const OutputIdentity& identity);

// Whether samples, whole shards or records of some are in OUT, of any job.
bool holds_samples(FileSystem& files, const std::filesystem::path& out);

}  // namespace trireme
