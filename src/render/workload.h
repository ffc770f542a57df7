// workload_of: a job and its checkpoint as plain numbers for the planner, from config.json files
// and the job's rows; no weight is read.
#pragma once

#include "parallel/plan/workload.h"
#include "src/render/inputs.h"

namespace trireme {

// `element_bytes`: of the dtype in which the job runs. Rows beyond the first hundred thousand are
// taken to be like those.
Workload workload_of(const Inputs& inputs, int64_t element_bytes);

}  // namespace trireme
