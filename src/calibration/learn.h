// learn: rates that would have predicted a run, from its report.json, which has what was predicted
// beside what was measured.
#pragma once

#include <string>
#include <vector>

#include "parallel/plan/cluster.h"

namespace trireme {

struct Learned {
  std::string rate;  // "matmul"
  double before, after;
};

// Changes the rates of all devices of the cluster. What a stage took is laid to the rates that it
// needs, half of the way (the square root of the ratio) and at most four times. Error (kBadData)
// for a report without a prediction or with nothing made.
std::vector<Learned> learn(Cluster& cluster, const std::string& report_json,
                           const std::string& file);

}  // namespace trireme
