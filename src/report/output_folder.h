// OutputFolder: OUT of `container: folder`. A handle on names: it holds no open file, is copied
// freely, and every rank may have one. One rank calls open() before the others write; each sample
// is written by one rank, and metadata by one rank that was given the rows.
//
//   OUT/job.json                the normalised job with its fingerprint
//   OUT/00000000.png            or OUT/00000/00000000.png above one shard of samples
//   OUT/metadata.jsonl          sorted by index
//
// A sample's file is there whole or not at all, so a file that is there is a sample that is done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "src/report/atomic_file.h"
#include "src/report/metadata.h"

namespace trireme {

struct OutputOptions {
  std::string extension = "png";
  std::int64_t samples = 0;  // files of the whole job, done or not
  std::int64_t shard_size = 1000;
  MetadataDetail metadata = MetadataDetail::kFull;
  std::string job = "{}";        // the normalised job as JSON
  std::string fingerprint = {};  // of all in it that determines the bytes of the output
  // Keys that a job may change between runs; they are not named when fingerprints differ.
  std::vector<std::string> may_change = {"layout",      "threads",         "device",
                                         "output.path", "output.on_error", "output.max_failed"};
};

class OutputFolder {
 public:
  // A handle on an OUT that another rank opens; touches nothing.
  OutputFolder(std::filesystem::path path, OutputOptions options);

  // Makes OUT or checks that it was begun by this job, removes what killed runs left, writes
  // job.json. kBadJob where another job made samples in it, naming the first keys that differ;
  // kCannotCreate where it holds samples without a job.json, or a job.json that is none of ours. A
  // job that made no sample, because its model's path was wrong, say, may be mended and run again.
  static OutputFolder open(std::filesystem::path path, OutputOptions options);

  const std::filesystem::path& path() const { return path_; }
  std::string file_name(std::int64_t index) const;  // relative to OUT
  std::filesystem::path file_for(std::int64_t index) const;

  bool is_done(std::int64_t index) const;
  std::vector<std::int64_t> done_samples() const;  // sorted; lists folders, opens no file

  void write(std::int64_t index, std::string_view bytes) const;
  AtomicFile begin_file(std::int64_t index) const;  // to write in parts, then commit()

  // Lays these rows over those that an earlier run of the job wrote. A run that was killed wrote
  // none: give the rows of samples that are skipped as done, too.
  void write_metadata(const std::vector<MetadataRow>& rows) const;

 private:
  bool has_sub_folders() const { return options_.samples > options_.shard_size; }
  std::vector<std::filesystem::path> sample_folders() const;
  bool holds_samples() const;
  void check_begun_by_us(const std::string& job_json, bool holds_samples) const;
  std::string job_json() const;

  std::filesystem::path path_;
  OutputOptions options_;
};

}  // namespace trireme
