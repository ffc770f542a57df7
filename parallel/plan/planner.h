// The planner: describe (Workload, Cluster), plan, run. It looks at every legal layout that the
// user allows, throws out what does not fit into memory, and takes the best of the rest, each
// judged by its programs run on costs. A bound below what a simulation can give orders the
// candidates, so most are never simulated and the pick is still the best of all.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "parallel/plan/candidates.h"
#include "parallel/plan/cluster.h"
#include "parallel/plan/cost.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/memory.h"
#include "parallel/plan/predict.h"
#include "parallel/plan/workload.h"

namespace trireme {

enum class Goal {
  kThroughput,  // most images per hour of the whole job
  kLatency,     // fewest seconds until one picture is there
  kMemory,      // the smallest peak of any rank
};

struct PlanRequest {
  Workload workload;
  Cluster cluster;
  Goal goal = Goal::kThroughput;
  Choices choices = {};
  // Every rank is to stay below, whatever it has: with this much a run ran out of memory.
  std::optional<int64_t> most_bytes = {};
};

struct Candidate {
  Layout layout;
  Prediction prediction;
  int64_t peak_bytes = 0;     // of the rank that is fullest for what it may hold
  int64_t limit_bytes = 0;    // of that rank
  int64_t lacking_bytes = 0;  // there; on a CPU, whose ranks share its memory, on its node
  std::string why = {};       // it lost, or does not fit: the term and the numbers

  bool fits() const { return lacking_bytes <= 0; }
};

// One rank of the plan, with the terms of its operations: forward() of one evaluation, the others
// of a batch.
struct PlannedRank {
  int rank = 0;  // of the world
  int replica = 0;
  std::string node = {};
  RankMemory memory = {};
  int64_t peak_bytes = 0;
  int64_t limit_bytes = 0;
  Terms encode = {}, begin = {}, forward = {}, step = {}, decode = {}, load = {};
  // Of a batch, as the rank that has most of its component has it: FLOPs, and bytes that the
  // component's ranks send each other.
  double encode_flops = 0, denoise_flops = 0, decode_flops = 0;
  Sent sent = {};
};

struct Plan {
  Candidate chosen;
  std::vector<PlannedRank> ranks;  // of the world
  std::vector<Candidate> rivals;   // the nearest first
  int64_t considered = 0;          // layouts
  int64_t simulated = 0;
};

// The smallest changes after each of which the job would fit, when nothing does.
struct Remedy {
  std::string change;  // "components: {text_encoder_3: {quantize: int8}}"
  int64_t bytes = 0;   // that it saves on the fullest rank
};
struct NothingFits {
  Candidate nearest;
  std::vector<Remedy> remedies;
};

// The best layout, or why there is none. `rivals`: how many to judge besides.
std::variant<Plan, NothingFits> make_plan(const PlanRequest& request, int rivals = 3);

// The layout whose fullest rank has most room, or lacks least.
Candidate smallest(PlanRequest request);

// What one layout is: the plan of a job that leaves nothing open, whether it fits or not.
Plan plan_of(const PlanRequest& request, const Layout& layout);

}  // namespace trireme
