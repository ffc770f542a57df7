#include "parallel/plan/candidates.h"

#include <algorithm>
#include <numeric>

namespace trireme {
namespace {

constexpr int kLargestBatch = 32;

std::vector<int> divisors(int n) {
  std::vector<int> all;
  for (int d = 1; d <= n; ++d)
    if (n % d == 0) all.push_back(d);
  return all;
}

RankList range(int first, int count) {
  RankList ranks(count);
  std::iota(ranks.begin(), ranks.end(), first);
  return ranks;
}

RankList listed(const RankList& ranks, int size) {
  return ranks.empty() ? range(0, size) : ranks;
}

int64_t least_of(const Workload& work, int64_t Shape::*number) {
  int64_t least = work.shapes.front().*number;
  for (const auto& shape : work.shapes) least = std::min(least, shape.*number);
  return least;
}

// Meshes of so many ranks. Ulysses hands out heads and the tensor axis cuts them, so together they
// have at most as many ranks as there are heads.
std::vector<MeshShape> meshes(const Workload& work, int ranks) {
  const auto& model = *work.transformer;
  const auto blocks = static_cast<int64_t>(model.blocks.size());
  const auto tokens = least_of(work, &Shape::image_tokens);
  const int branches = static_cast<int>(least_of(work, &Shape::branches));
  std::vector<MeshShape> all;
  for (const int guidance : divisors(ranks)) {
    if (guidance > branches) continue;
    for (const int pipeline : divisors(ranks / guidance)) {
      if (pipeline > blocks) continue;
      for (const int sequence : divisors(ranks / guidance / pipeline)) {
        const int tensor = ranks / guidance / pipeline / sequence;
        if (tensor > model.heads || sequence > tokens) continue;
        for (const int ring : divisors(sequence))
          if (sequence / ring * tensor <= model.heads)
            all.push_back({guidance, pipeline, sequence, ring, tensor});
      }
    }
  }
  return all;
}

// Where the three components are in a replica, the transformer's mesh aside.
struct Placing {
  RankList encoders, transformer, vae;

  bool operator==(const Placing&) const = default;
};

// Every rank must have something to do.
bool leaves_idle(const Placing& p, int size) {
  std::vector<bool> used(size);
  for (const auto* ranks : {&p.encoders, &p.transformer, &p.vae})
    for (const int rank : *ranks) used.at(rank) = true;
  return std::find(used.begin(), used.end(), false) != used.end();
}

void add(std::vector<Placing>& all, Placing p, int size) {
  if (!leaves_idle(p, size) && std::find(all.begin(), all.end(), p) == all.end())
    all.push_back(std::move(p));
}

// Where a component may go beside the transformer's ranks: one of them, all of them, all of the
// replica, or ranks outside.
std::vector<RankList> places_of(const std::optional<RankList>& fixed, const RankList& transformer,
                                int size, bool at_the_end, bool splits) {
  if (fixed) return {listed(*fixed, size)};
  const int one = at_the_end ? transformer.back() : transformer.front();
  std::vector<RankList> all = {{one}};
  if (splits && transformer.size() > 1) all.push_back(transformer);
  RankList outside;
  for (int rank = 0; rank < size; ++rank)
    if (std::find(transformer.begin(), transformer.end(), rank) == transformer.end())
      outside.push_back(rank);
  if (outside.empty()) return all;
  all.push_back({at_the_end ? outside.back() : outside.front()});
  if (splits && outside.size() > 1) all.push_back(outside);
  return all;
}

// The ranks of the transformer: all, or all but one or two at the ends for the others.
std::vector<RankList> transformer_ranks(const Choices& choices, int size) {
  if (choices.transformer) return {listed(choices.transformer->ranks, size)};
  std::vector<RankList> all = {range(0, size)};
  if (size >= 2) all.push_back(range(1, size - 1));
  if (size >= 2) all.push_back(range(0, size - 1));
  if (size >= 3) all.push_back(range(1, size - 2));
  return all;
}

std::vector<Placing> placings(const Choices& choices, int size) {
  std::vector<Placing> all;
  for (const auto& transformer : transformer_ranks(choices, size))
    for (const auto& encoders : places_of(choices.text_encoders, transformer, size,
                                          /*at_the_end=*/false, choices.splits_others))
      for (const auto& vae :
           places_of(choices.vae, transformer, size, /*at_the_end=*/true, choices.splits_others))
        add(all, {encoders, transformer, vae}, size);
  return all;
}

std::vector<int> batch_sizes(const Workload& work, const Choices& choices) {
  if (choices.batch_size) return {*choices.batch_size};
  std::vector<int> all;
  for (int size = 1; size <= kLargestBatch && (size == 1 || size <= work.pictures()); size *= 2)
    all.push_back(size);
  return all;
}

std::vector<MeshShape> meshes_for(const Workload& work, const Choices& choices, int ranks) {
  if (choices.transformer) return {choices.transformer->mesh};
  if (!work.transformer) return {MeshShape{.pipeline = ranks}};  // of a part that is not there
  return meshes(work, ranks);
}

bool fits_in(const RankList& ranks, int size) {
  return ranks.empty() || *std::max_element(ranks.begin(), ranks.end()) < size;
}

bool is_possible(const Choices& choices, int size) {
  if (choices.text_encoders && !fits_in(*choices.text_encoders, size)) return false;
  if (choices.vae && !fits_in(*choices.vae, size)) return false;
  if (!choices.transformer) return true;
  const auto& [ranks, mesh] = *choices.transformer;
  const auto count = ranks.empty() ? size : static_cast<int>(ranks.size());
  return fits_in(ranks, size) && mesh.ranks() == count;
}

}  // namespace

std::vector<Layout> legal_layouts(const Workload& work, int ranks, const Choices& choices) {
  std::vector<Layout> all;
  for (const int size : divisors(ranks)) {
    if (choices.replicas && *choices.replicas * size != ranks) continue;
    if (!is_possible(choices, size)) continue;
    for (const auto& [encoders, transformer, vae] : placings(choices, size)) {
      const auto shapes = meshes_for(work, choices, static_cast<int>(transformer.size()));
      for (const auto& mesh : shapes)
        for (const int batch : batch_sizes(work, choices))
          all.push_back({.replicas = ranks / size,
                         .replica_size = size,
                         .batch_size = batch,
                         .text_encoders = encoders,
                         .transformer = transformer,
                         .vae = vae,
                         .mesh = mesh,
                         .offload = choices.offload.front(),
                         .window = choices.window});
    }
  }
  return all;
}

bool keeps_bits(const Layout& layout) {
  return layout.mesh.sequence == 1 && layout.mesh.tensor == 1 && layout.text_encoders.size() == 1 &&
         layout.vae.size() == 1;
}

int complexity(const Layout& layout) {
  const auto& mesh = layout.mesh;
  int count = keeps_bits(layout) ? 0 : 4;
  for (const int axis : {mesh.guidance, mesh.pipeline, mesh.sequence, mesh.ring, mesh.tensor})
    count += axis > 1;
  count += layout.text_encoders.size() > 1;
  count += layout.vae.size() > 1;
  count += layout.transformer.size() < static_cast<size_t>(layout.replica_size);
  for (int batch = layout.batch_size; batch > 1; batch /= 2) ++count;
  return count;
}

}  // namespace trireme
