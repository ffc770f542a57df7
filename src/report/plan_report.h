// A plan in words and for machines: what `trireme plan` prints. Gigabytes are 1e9 bytes.
#pragma once

#include <string>

#include "parallel/plan/planner.h"

namespace trireme {

// For `plan --json`, and for report.json's `predicted`: layout as a job file says it, seconds,
// bytes, candidates (job.md, "What machines read").
std::string to_json(const Plan& plan, const PlanRequest& request);
// Of a job that fits nowhere: `fits`: false, the nearest layout and what would help.
std::string to_json(const NothingFits& nothing);

// The job, the layout rank by rank, time and memory by stage, and why the rivals lost.
// `every_term`: all terms of every kind of rank.
std::string in_words(const Plan& plan, const PlanRequest& request, bool every_term);

// "2 replicas of 2 ranks: guidance 2 ... (predicted: 4.2 s a picture, 1.2 of 10 GB)"
std::string in_one_line(const Plan& plan);

}  // namespace trireme
