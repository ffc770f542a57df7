// Planning: from a job and machines to a layout that leaves nothing open. What the user wrote
// stands; `auto` and what a layout does not name are the planner's (parallel/plan/planner.h).
#pragma once

#include <optional>
#include <variant>

#include "parallel/plan/planner.h"
#include "src/config/job.h"
#include "src/render/inputs.h"

namespace trireme {

// What is planned: the job in numbers, the machines, and what of the layout is open.
PlanRequest plan_request(const Inputs& inputs, const Cluster& cluster);

// The layout of a job that leaves nothing open.
std::optional<Layout> written_layout(const LayoutChoice& choice, int ranks);

// A job's plan with what was chosen over its layout: quantization that the user allowed and that
// nothing fits without.
struct PlannedJob {
  PlanRequest request;
  std::variant<Plan, NothingFits> result;
  std::map<std::string, Quantize> quantized = {};  // by component, beyond what the job says
};
// `most_bytes`: every rank is to stay below; batches may then be smaller than the job says, and
// components come one at a time.
PlannedJob plan_job(const Inputs& inputs, const Cluster& cluster, int rivals = 3,
                    std::optional<int64_t> most_bytes = {});

// For somebody who cannot have what he asked for: what is there, what is needed, what would help.
// `kUnavailable`.
Error nothing_fits_error(const NothingFits& nothing);

}  // namespace trireme
