// Effort: what a rank does and says in some layers, in seconds by kind, with the FLOPs and bytes
// that they come from. Every kind has its formula in effort.cpp; efforts add up.
#pragma once

#include <cstdint>

#include "parallel/coordinates.h"
#include "parallel/plan/cluster.h"
#include "parallel/plan/talk.h"
#include "parallel/plan/workload.h"

namespace trireme {

constexpr double kFloatBytes = 4;

// Bytes that a rank sends, by kind as report.json counts them.
struct Sent {
  double all_reduce = 0, all_gather = 0, all_to_all = 0, send = 0;
};

struct Effort {
  // The device computes.
  double products = 0;
  double weights = 0;  // what reading them takes longer than the products of few rows
  double attention = 0;
  double convolutions = 0;
  double element_wise = 0;
  // The host launches all of that; on a CPU it is one more thing to do.
  double launches = 0;
  // Ranks talk, with nothing to hide it behind.
  double sums = 0;      // over tensor
  double gathers = 0;   // over tensor or sequence
  double trades = 0;    // Ulysses: tokens for heads
  double exchange = 0;  // a picture's bands: edge rows and moments
  double passing = 0;   // a ring's keys and values, all of it
  double unhidden = 0;  // the part of it that attention does not hide
  double late = 0;      // what the host needs longer than the device and its talk

  int64_t flops = 0;
  Sent sent = {};

  double device() const { return products + weights + attention + convolutions + element_wise; }
  double talk() const { return sums + gathers + trades + exchange + unhidden; }
  double seconds() const { return device() + talk() + late; }
  Effort& operator+=(const Effort& more);
};
Effort operator*(double times, const Effort& effort);
// Sets what the host is late by: on a GPU it runs ahead as long as the device and its talk take
// longer; a CPU launches and computes in turn.
void finish(Effort& effort, const Rates& rates);

// Where a rank stands and what a batch is there.
struct Setting {
  const Rates& rates;
  MeshCoordinates at = {};
  Talk tensor = {}, ulysses = {}, ring = {}, sequence = {};
  int64_t rows = 1;  // of the latents: samples x branches of guidance on this rank; texts
  int64_t steps = 1;
  int64_t image_tokens = 0;
  int64_t text_tokens = 0;
  int64_t width = 0;  // of the model
  int64_t element_bytes = 4;
  bool text_travels = false;  // element-wise work on the text's tokens too
  Storage storage = Storage::kFloat32;
};

Effort effort_once(const Layer& layer, const Setting& place);
Effort effort_every(const Layer& layer, const Setting& place);
// That the ranks of a sequence gather the prediction behind it.
Effort effort_of_head(const Layer& last, const Setting& place);

// Of one picture's latents on one rank of a patch.
Effort effort_of_decoder(const VaeWork& vae, const Shape& shape, const Coordinate& patch,
                         const Talk& talk, const Rates& rates, int64_t element_bytes);

// Bytes of an element of a matrix as it lies in memory, codes with their scales.
double bytes_of(Storage storage);
// FLOP/s of attention over so many keys.
double attention_rate(const Rates& rates, int64_t head_dim, int64_t keys);

}  // namespace trireme
