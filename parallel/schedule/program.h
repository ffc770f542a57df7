// Program: what each rank of a replica does, in order, as plain data. One executor runs it on
// tensors, one simulator on costs, one tracer records what happened; all read the same value, so
// that what is predicted is what runs. Knows no tensor and no model. One rank: a loop over batches
// and steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme {

// What a rank of a replica holds. A rank may hold several things, or none.
struct Role {
  bool encodes = false;  // a part of the text encoders
  int stage = -1;        // of the transformer's pipeline; -1: no part of the transformer
  int place = 0;         // among the ranks of that stage: it sends to the same place of the next
  bool decodes = false;  // a part of the VAE, or the last word where a job ends before it

  bool operator==(const Role&) const = default;
};

// Of all ranks of a replica.
using Roles = std::vector<Role>;

int stage_count(const Roles& roles);
// Ranks that hold this stage, in order.
std::vector<int> ranks_of_stage(const Roles& roles, int stage);
// The rank that comes to every turn first: of the first stage, or else an encoder, or else of the
// VAE. A job may be only a part of the way: no encoders, no stages or nobody who decodes.
int leader_of(const Roles& roles);
// Batches that are on their way together: as few as leave no stage idle, and one to spare. With
// none to spare a stage waits whenever another takes longer than usual (a sixth of the time on two
// ranks of a CPU).
int batches_in_flight(const Roles& roles);
// Batches that the first stage has begun and another rank is not done with, at most. As many again
// as are in flight: those end one soon after the other, and a VAE with ranks of its own needs work
// until the next ones do. Fewer than one a stage beside those in flight would wait for ever where
// stages decode together, each at a turn of its own.
int most_open_batches(const Roles& roles, int in_flight);
// Whether encoders have ranks that hold nothing of the transformer: they work a batch ahead.
bool encodes_ahead(const Roles& roles);

// One pass of a batch through all stages. Batches are numbered in the order in which they begin.
struct Visit {
  int64_t batch = 0;
  int64_t step = 0;

  bool operator==(const Visit&) const = default;
};

struct Op {
  enum class Kind {
    kTurn,      // the leader: says that a turn (visit.step) is taken; the others: hear it
    kDone,      // the others: tell the leader that they are done with a batch, their visit.step-th
    kWait,      // the leader: until all have told it that
    kEncode,    // the encoders' ranks together: a batch's text embeddings
    kGiveText,  // ... to the transformer's ranks that do not encode
    kTakeText,  // there
    kBegin,     // the transformer's ranks: noise, and all that does not change between steps
    kExpect,    // posts a receive, so that the transfer overlaps with what is computed meanwhile
    kReceive,   // activations from the stage before; on the first, the latents from the last
    kForward,   // the ranks of a stage together: its blocks
    kStep,      // last stage: the scheduler's step
    kSend,      // to the stage after; from the last to the first
    kGiveLatents,  // last stage: of a batch that is done, to the VAE's other ranks
    kTakeLatents,  // there
    kDecode,       // the VAE's ranks together: a batch's pictures
  };

  Kind kind;
  Visit visit;    // of what is received or given: its own; a batch's last for kDecode
  int peer = -1;  // rank of the replica, of kExpect, kReceive and kSend

  bool operator==(const Op&) const = default;
};

using Program = std::vector<Op>;  // of one rank

// The programs of all ranks for batches of so many steps each, checked. See ProgramMaker, which
// makes the same as it goes.
std::vector<Program> make_programs(const Roles& roles, int in_flight,
                                   const std::vector<int64_t>& steps);

const char* to_string(Op::Kind kind);  // "forward"
std::string to_string(const Op& op);   // "forward batch 2 step 5"

}  // namespace trireme
