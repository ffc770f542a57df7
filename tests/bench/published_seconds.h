// Seconds an image that the planner's costs give for a method that others published a time of.
#pragma once

#include <string>

#include "parallel/plan/cluster.h"
#include "tests/bench/published_method.h"
#include "tests/bench/published_models.h"

namespace trireme {

struct PublishedCase {
  PublishedModel model;
  Method method;
  int64_t pixels = 0;
  int64_t steps = 0;
  int warm_up = 1;      // steps that PipeFusion and DistriFusion do in full
  double launches = 1;  // of what the machine's software does for a piece of work
};

double seconds_of(const PublishedCase& c, Cluster cluster);

}  // namespace trireme
