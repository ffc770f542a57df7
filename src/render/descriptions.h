// The files of OUT that describe its samples, made from the manifests and the rows: metadata.jsonl
// (of a folder of single files), failed.jsonl (where samples failed) and README.md. They say
// nothing of when, where or by whom, so that the same samples give the same bytes.
#pragma once

#include "src/render/inputs.h"
#include "src/render/job_output.h"

namespace trireme {

// Of what is recorded by now; replaces what an earlier run wrote.
void write_descriptions(const Inputs& inputs, JobOutput& output, const Verdicts& verdicts);

}  // namespace trireme
