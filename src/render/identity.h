// What makes the pixels of a job, so that a run never goes on with another's: the job's own words,
// and by hashes its rows, the weights and settings of every component that it uses, and the kind of
// arithmetic of this machine.
#pragma once

#include "src/output/output_folder.h"
#include "src/render/inputs.h"
#include "src/render/machine.h"

namespace trireme {

struct JobIdentity {
  OutputIdentity output;
  std::string hashes = {};  // of the files of weights, with sizes and dates; empty: as noted
};

// Reads all weights that it has not hashed before: what a file's hash was is looked up in
// OUT/.trireme/weights.json. Writes nothing: OUT may be somebody else's.
JobIdentity identity_of(const Inputs& inputs, const Machine& machine, FileSystem& files);
// For the next run, once OUT is ours.
void note_hashes(const Inputs& inputs, const JobIdentity& identity, FileSystem& files);

// Such as "torch 2.11.0, cpu, AVX512". Of more than two threads also how many: from three on
// oneDNN's sums depend on it.
std::string arithmetic_of(const Machine& machine);

}  // namespace trireme
