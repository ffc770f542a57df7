// What a job says about its layout: who holds what, as far as the user cares to say. `auto` leaves
// everything to the planner and `balanced` places whole components, as diffusers does; otherwise a
// component that is not named here is placed automatically. The numbers are the user's: nothing
// here has been checked against a world size until check_layout has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

struct Job;

enum class Quantize { kNone, kInt8, kNf4, kFp8 };

// Ranks inside a replica, counted from zero. Written `0`, `0-3`, `[0, 2]` or `all`, the default.
struct RankChoice {
  bool all = true;
  std::vector<int> list;  // in the order written, without repeats; empty with `all`

  bool operator==(const RankChoice&) const = default;
};

struct TextEncodersChoice {
  RankChoice ranks = {};
  int tensor = 1;  // heads and hidden units of each encoder

  int64_t degree() const { return tensor; }
  bool operator==(const TextEncodersChoice&) const = default;
};

struct TransformerChoice {
  RankChoice ranks = {};
  int guidance = 1;  // 2: one half computes the prompt, the other the negative prompt
  int pipeline = 1;  // contiguous ranges of blocks
  int sequence = 1;  // tokens
  int ring = 1;      // of sequence: ranks among which keys and values travel; the rest trade heads
  int tensor = 1;    // heads and hidden units
  std::vector<int64_t> blocks = {};  // of each stage of the pipeline; empty: by their cost

  int64_t degree() const { return int64_t{1} * guidance * pipeline * sequence * tensor; }
  bool operator==(const TransformerChoice&) const = default;
};

struct VaeChoice {
  RankChoice ranks = {};
  int patch = 1;  // bands of rows

  int64_t degree() const { return patch; }
  bool operator==(const VaeChoice&) const = default;
};

struct LayoutChoice {
  enum class Mode { kAuto, kBalanced, kExplicit };
  enum class Offload {
    kNone,
    kModel,  // a component waits on the host until it is needed
    kStaged  // loaded, used, freed
  };
  enum class Goal { kThroughput, kLatency, kMemory };

  Mode mode = Mode::kAuto;
  // Groups of ranks that work on different samples; none: 1 where a component is named, else the
  // planner's choice.
  std::optional<int> replicas = {};
  std::optional<int> batch_size = {};  // samples that travel together; none: the planner's choice
  std::optional<TextEncodersChoice> text_encoders = {};
  std::optional<TransformerChoice> transformer = {};
  std::optional<VaeChoice> vae = {};
  std::optional<Offload> offload = {};  // none: the planner's choice, `none` where all fits
  // What the planner makes as good as it can; none: images per hour, of one picture its seconds.
  std::optional<Goal> goal = {};
  // What the planner may quantize, if nothing fits otherwise: encoders' and transformer's weights.
  std::vector<Quantize> may_quantize = {};
  // Staged: samples that go through a stage before the next stage is loaded; none: as many as wait
  // in 128 MiB.
  std::optional<int> window = {};

  bool operator==(const LayoutChoice&) const = default;
};

// The ranks that a choice means in a replica of `replica_size` ranks.
std::vector<int> resolve_ranks(const RankChoice& ranks, int replica_size);

// Refuses, all at once and with the numbers, a layout that does not fit `world_size` ranks: the
// replicas must share them evenly, every rank named must be inside a replica, the product of a
// component's axes must equal the number of its ranks, and no rank may be left without work.
// `auto` and `balanced` fit any world. Throws Error(kBadJob) with the places in the job file.
void check_layout(const Job& job, int world_size);

}  // namespace trireme
