// Program: what the stages of a pipeline do, in order, as plain data. One executor runs it on
// tensors, one simulator on costs, one tracer records what happened; all read the same value, so
// that what is predicted is what runs. Knows no tensor. One stage: a loop over batches and steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme {

// One pass of a batch through all stages.
struct Visit {
  int batch = 0;
  int step = 0;

  bool operator==(const Visit&) const = default;
};

// The order in which every stage takes the visits of batches of so many steps each, `in_flight`
// batches at a time: batches take turns, and a batch that is done leaves its turn to the next one
// at once, whatever the steps of either. With at least as many in flight as stages no stage waits
// but at the beginning and the end.
std::vector<Visit> circular(const std::vector<int>& steps, int in_flight);

struct Op {
  enum class Kind {
    kBegin,    // first stage: noise and embeddings of a new batch
    kReceive,  // activations from the stage before; on the first, the latents from the last
    kForward,  // this stage's blocks
    kStep,     // last stage: the scheduler's step
    kSend,     // to the stage after; from the last to the first
    kFinish,   // last stage: a batch's latents are done
  };

  Kind kind;
  Visit visit;
  int peer = -1;  // of a receive or send

  bool operator==(const Op&) const = default;
};

using Program = std::vector<Op>;  // of one stage

// One program a stage, checked.
std::vector<Program> pipeline_programs(const std::vector<int>& steps, int in_flight, int stages);

// That the programs fit together: every send meets its receive, in one order for each pair, and no
// stage waits for ever. Sends do not wait. Error (kBug) names the stage and the operation
// otherwise.
void check_programs(const std::vector<Program>& programs);

std::string to_string(const Op& op);  // "forward batch 2 step 5"

}  // namespace trireme
