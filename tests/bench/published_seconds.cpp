#include "tests/bench/published_seconds.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/plan/cost.h"
#include "parallel/plan/effort.h"
#include "parallel/plan/talk.h"

namespace trireme {
namespace {

// Times that gathered keys and values are read or written until they lie where attention wants
// them.
constexpr double kOfGather = 4;
// Of the rate of one collective, what gathers of many small tensors reach.
constexpr double kGathering = 0.8;

// Others compute at every evaluation what trireme computes once a batch.
void compute_anew(Layer& layer) {
  for (auto product : layer.once) {
    if (product.rows == Rows::kSteps || product.rows == Rows::kStepSamples)
      product.rows = Rows::kSamples;
    layer.every.push_back(product);
  }
  layer.once.clear();
}

// PipeFusion's patches come with all of the text, and so do ranks of a sequence where it does not
// divide.
void with_whole_text(Layer& layer) {
  for (auto& product : layer.every)
    if (product.rows == Rows::kText) product.rows = Rows::kAllText;
}

TransformerWork as_others_do(TransformerWork work) {
  for (auto* layer : {&work.every_stage, &work.first, &work.last}) compute_anew(*layer);
  for (auto& block : work.blocks) compute_anew(block);
  return work;
}

Shape shape_of(const PublishedCase& c) {
  const auto side = c.pixels / 16;
  return {.pictures = 1,
          .latent_height = c.pixels / 8,
          .latent_width = c.pixels / 8,
          .image_tokens = side * side,
          .text_tokens = c.model.text_tokens,
          .branches = c.model.branches,
          .steps = c.steps};
}

std::vector<int> first_ranks(int count) {
  std::vector<int> ranks(count);
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

// One evaluation and step of a layout that trireme has too.
double exact_step(const PublishedCase& c, const Cluster& cluster) {
  const auto& m = c.method;
  const int ranks = m.guidance * m.ulysses * m.ring * m.tensor;
  const Layout layout{.replica_size = ranks,
                      .transformer = first_ranks(ranks),
                      .mesh = {.guidance = m.guidance,
                               .sequence = m.ulysses * m.ring,
                               .ring = m.ring,
                               .tensor = m.tensor}};
  auto work = c.model.work;
  if (c.model.text_tokens % (m.ulysses * m.ring) != 0)
    for (auto& block : work.transformer->blocks) with_whole_text(block);
  const OperationCosts costs(work, shape_of(c), layout, cluster, 0);
  return costs.seconds(Op::Kind::kForward, 0) + costs.seconds(Op::Kind::kStep, 0);
}

// Of a rank with 1/patches of the tokens as queries and all of the keys and values.
Setting patch_setting(const PublishedCase& c, const Cluster& cluster, int patches) {
  const auto shape = shape_of(c);
  return {.rates = cluster.nodes.front().device.rates,
          .at = {.ulysses = {0, patches}},
          .rows = std::max<int64_t>(shape.branches / c.method.guidance, 1),
          .image_tokens = shape.image_tokens,
          .text_tokens = shape.text_tokens,
          .width = c.model.work.transformer->width,
          .element_bytes = c.model.work.element_bytes,
          .text_travels = c.model.work.transformer->text_travels,
          .storage = c.model.work.transformer->storage};
}

// Groups of this many neighbours, as many as there are ranks.
Talk neighbours(const PublishedCase& c, const Cluster& cluster, int count) {
  std::vector<int> nodes, all;
  for (int rank = 0; rank < count; ++rank) nodes.push_back(cluster.node_of(rank));
  for (int rank = 0; rank < c.method.ranks(); ++rank) all.push_back(cluster.node_of(rank));
  return Talk(cluster, nodes, all);
}

double bytes_of_tokens(const Setting& p) {
  const auto tokens = p.image_tokens + (p.text_travels ? p.text_tokens : 0);
  return static_cast<double>(p.rows * tokens * p.width * p.element_bytes);
}

// DistriFusion: keys and values of all patches are gathered while the layer goes on with old ones.
double distrifusion(const PublishedCase& c, const Cluster& cluster) {
  const int n = c.method.distrifusion;
  const auto place = patch_setting(c, cluster, n);
  const auto talk = neighbours(c, cluster, n);
  const double gather =
      talk.reduce_or_gather(2.0 * (n - 1) / n * bytes_of_tokens(place) / kGathering);
  double fresh = 0, stale = 0;  // seconds of a step
  for (const auto& block : c.model.work.transformer->blocks) {
    auto effort = effort_every(block, place);
    effort.element_wise += kOfGather * bytes_of_tokens(place) / place.rates.copy;
    fresh += std::max(effort.device() + gather, effort.launches);
    stale += std::max(side_by_side(effort.device(), gather, talk.hidden()), effort.launches);
  }
  return c.warm_up * fresh + static_cast<double>(c.steps - c.warm_up) * stale;
}

// PipeFusion: as many patches as stages go through the stages one after the other; a patch is
// handed on while the next one is computed. The warm-up goes through the stages in turn.
double pipefusion(const PublishedCase& c, const Cluster& cluster) {
  const int n = c.method.pipefusion;
  auto blocks = c.model.work.transformer->blocks;
  const auto whole = patch_setting(c, cluster, 1), patch = patch_setting(c, cluster, n);
  const auto talk = neighbours(c, cluster, n);
  double in_turn = 0, patches = 0;
  for (auto& block : blocks) {
    in_turn += effort_every(block, whole).seconds();
    with_whole_text(block);
    patches += effort_every(block, patch).seconds();
  }
  const auto count = static_cast<double>(blocks.size());
  const double largest = std::ceil(count / n) / count;  // stage, of all blocks
  const double hand_on = talk.pass_on(bytes_of_tokens(patch) / n);
  const double stage = side_by_side(patches * largest, hand_on, talk.hidden());
  const auto stale = static_cast<double>(c.steps - c.warm_up);
  return c.warm_up * (in_turn + n * talk.pass_on(bytes_of_tokens(whole))) + stale * n * stage +
         (n - 1) * stage;
}

}  // namespace

double seconds_of(const PublishedCase& given, Cluster cluster) {
  auto c = given;
  c.model.work.transformer = as_others_do(*c.model.work.transformer);
  for (auto& node : cluster.nodes) {
    apply(c.method, node.device.rates);
    node.device.rates.traffic *= c.model.traffic;
    node.device.rates.launch *= c.launches;
  }
  if (c.method.pipefusion > 1) return pipefusion(c, cluster);
  if (c.method.distrifusion > 1) return distrifusion(c, cluster);
  return static_cast<double>(c.steps) * exact_step(c, cluster);
}

}  // namespace trireme
