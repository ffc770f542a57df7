// predict: what a layout does, from its programs run on costs. Ranks that do the same are simulated
// once, and of a long job its beginning, its steady pace and its end.
#pragma once

#include <map>
#include <string>

#include "parallel/plan/cluster.h"
#include "parallel/plan/cost.h"
#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"
#include "parallel/schedule/trace.h"

namespace trireme {

struct Prediction {
  double seconds_per_image = 0;  // one picture alone, from its prompt to its pixels
  double images_per_hour = 0;    // of the whole world, when it is under way
  double job_seconds = 0;        // loading and all pictures of the job
  double load_seconds = 0;
  double bubble = 0;  // part of the time of the transformer's ranks, 0..1
};

// Seconds that a replica needs for a picture at least: what its busiest rank does for a batch. No
// simulation gives less.
double least_seconds_per_image(const OperationCosts& costs, const Layout& layout,
                               const Shape& shape);

// The same for one picture alone, which no two stages work on at a time.
double least_seconds_alone(const OperationCosts& costs, const Layout& layout, const Shape& shape);

// Where the time of the busiest rank goes, seconds a picture by the names of cost.h; "waiting" is
// what it is idle.
std::map<std::string, double> breakdown(const Workload& workload, const Layout& layout,
                                        const Cluster& cluster);

Prediction predict(const Workload& workload, const Layout& layout, const Cluster& cluster);

// What every rank of the first replica does for its first batches.
Trace predicted_trace(const Workload& workload, const Layout& layout, const Cluster& cluster,
                      int batches);

}  // namespace trireme
