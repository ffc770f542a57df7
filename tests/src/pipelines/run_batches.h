// Batches denoised by the ranks of a mesh, by the programs that render jobs, with tiny transformers
// whose heads and blocks no number of ranks divides.
#pragma once

#include <map>

#include "src/pipelines/denoise.h"

namespace trireme {

constexpr int64_t kLatentHeight = 8, kLatentWidth = 12, kTextTokens = 7, kSamples = 2;

struct Sampling {
  int64_t steps = 3;
  double scale = 2;
  bool skips = false;               // blocks, in some of the steps
  const char* scheduler = nullptr;  // the family's own
};

// Eight blocks of five heads, with dual attention in two of them; text with padding.
enum class Tiny { kSd3, kPixArt, kPixArtKv };  // the last with compressed keys and values

// What this rank has of the results: all of it on the last stage, nothing elsewhere.
std::map<int64_t, Denoised> denoised(Tiny family, const Group& world, MeshShape shape,
                                     const std::vector<Sampling>& batches);

// Which of the mesh's stages a rank of it is.
int stage_of(int rank, MeshShape shape);
// One activation of all tokens and both guidance branches of SD3, in bytes.
int64_t activation_bytes();

}  // namespace trireme
