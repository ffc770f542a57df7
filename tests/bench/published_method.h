// How a published time was reached: the ways in which a model was split, read from words such as
// "cfg2 x pipefusion4" or "ulysses4, torch.compile", and the software that ran it.
#pragma once

#include <string>

#include "parallel/plan/cluster.h"

namespace trireme {

struct Method {
  int guidance = 1, ulysses = 1, ring = 1, tensor = 1;
  int pipefusion = 1;    // stages and patches; keys and values of other patches are a step old
  int distrifusion = 1;  // patches; all are gathered behind the layer, and are a step old

  bool compiled = false;     // torch.compile, nexfort: fused element-wise work, few launches
  bool diffusers = false;    // diffusers' own eager blocks
  bool fp8 = false;          // products in fp8
  bool fa3 = false;          // FlashAttention 3
  bool half_sums = false;    // float16 accumulation, which consumer cards do twice as fast
  std::string unknown = {};  // words that were not understood

  int ranks() const { return guidance * ulysses * ring * tensor * pipefusion * distrifusion; }
};

Method read_method(const std::string& words);

// What software makes of a device's rates, which are those of eager PyTorch.
void apply(const Method& method, Rates& rates);

}  // namespace trireme
