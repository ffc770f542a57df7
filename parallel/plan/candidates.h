// Candidates: the layouts that a plan chooses from. Every replica size that divides the ranks;
// every mesh of the transformer's axes; encoders and VAE together with the transformer, on one of
// its ranks or on all, or on ranks of their own; batches of 1, 2, 4 ... samples. What the user has
// fixed is fixed. One rank: batch sizes alone.
#pragma once

#include <optional>
#include <vector>

#include "parallel/plan/layout.h"
#include "parallel/plan/workload.h"

namespace trireme {

// Ranks of a replica; empty: all of them.
using RankList = std::vector<int>;

struct TransformerRanks {
  RankList ranks = {};
  MeshShape mesh = {};
};

// What the user left to choose: a field without a value is free.
struct Choices {
  std::optional<int> replicas = {};
  std::optional<int> batch_size = {};
  std::optional<RankList> text_encoders = {};
  std::optional<TransformerRanks> transformer = {};
  std::optional<RankList> vae = {};
  // In the order in which they are tried: a later one only where those before do not fit.
  std::vector<Offload> offload = {Offload::kNone};
  std::optional<int> window = {};
  // Encoders and VAE that the user did not name are split over ranks as well: faster, and equal to
  // rounding; otherwise each stays on one rank, which changes no bit.
  bool splits_others = true;
};

// In no order, with the first kind of offload.
std::vector<Layout> legal_layouts(const Workload& workload, int ranks, const Choices& choices);

// Whether a picture's bits are those of one rank.
bool keeps_bits(const Layout& layout);
// Axes and ranks that a reader has to think about: of two layouts as fast the simpler is taken.
int complexity(const Layout& layout);

}  // namespace trireme
