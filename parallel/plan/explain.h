// explain: why a plan took one layout and not another, and what would help where nothing fits.
#pragma once

#include <string>

#include "parallel/plan/planner.h"

namespace trireme {

// Of a rival that fits: the term of cost.h by which it lost most; of one that does not: the bytes.
std::string why_not(const PlanRequest& request, const Candidate& rival, const Candidate& chosen);

// Changes of the job or the machines, each of which alone makes some layout fit; where none does,
// those that save most.
std::vector<Remedy> remedies_for(const PlanRequest& request, const Candidate& nearest);

}  // namespace trireme
