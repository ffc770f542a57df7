// The part of verify_output that looks at metadata.jsonl, failed.jsonl and report.json.
#pragma once

#include <filesystem>
#include <vector>

#include "src/output/output_job.h"
#include "src/output/shard_store.h"
#include "src/output/verify.h"

namespace trireme {

// They are made at the end of a run: one that is at work, or was killed, leaves those of an earlier
// one, which tell of less.
std::vector<Damage> verify_descriptions(FileSystem& files, const std::filesystem::path& out,
                                        const OutputJob& job, const ShardStore& store);

}  // namespace trireme
