// OutputJob: what OUT/job.json says about the files of an output folder, for those who look at one
// without its model, its prompts or the job file: `trireme verify` and `trireme status`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/output/file_system.h"
#include "src/output/metadata.h"
#include "src/output/shard_store.h"

namespace trireme {

struct OutputJob {
  StoreOptions store;  // owns what its functions need
  MetadataDetail metadata = MetadataDetail::kFull;
  bool captions = false;         // members .txt
  std::string fingerprint = {};  // as it stands there

  // Of a sample's members in a tar, in order: "json", "png".
  std::vector<std::string> suffixes() const;
  bool has_metadata_file() const;
};

// Error: kMissingInput where there is no such folder, or one without job.json; kBadData for a
// job.json that is damaged, which its fingerprint tells, or none of ours.
OutputJob read_output_job(FileSystem& files, const std::filesystem::path& out);

}  // namespace trireme
