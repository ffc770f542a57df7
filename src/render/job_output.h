// JobOutput: what this rank has to do with OUT: the disk, the shards in it and the claims on them.
// Owns these for one run.
#pragma once

#include <string>
#include <vector>

#include "src/output/claims.h"
#include "src/output/shard_store.h"
#include "src/render/inputs.h"
#include "src/render/machine.h"

namespace trireme {

struct JobOutput {
  // Collective: OUT is made or found, and looked through, by the speaker before any rank goes on.
  // `inputs` must outlive this. Error: as begin_output().
  JobOutput(const Inputs& inputs, const Machine& machine, int64_t batch_size);
  JobOutput(const JobOutput&) = delete;

  Disk disk;
  std::filesystem::path path;
  std::string fingerprint;           // on the speaker
  std::vector<std::string> damaged;  // on the speaker: files that were taken back
  ShardStore store;                  // the speaker fills these two first
  Claims claims;
  int64_t portion_size;

  // What is recorded of the whole job now, at a glance.
  Verdicts verdicts() const;
};

// How far a job is whose replicas have nothing more to take.
enum class Rest {
  kComplete,  // all shards are sealed
  kSomeFree,  // a portion may be taken: who held it is gone
  kHeld,      // others, of another run, work on what is left
};
// Seals what can be sealed.
Rest rest_of(const JobOutput& output, Claims& claims);

}  // namespace trireme
