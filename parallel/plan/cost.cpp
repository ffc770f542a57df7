#include "parallel/plan/cost.h"

#include <algorithm>
#include <numeric>

#include "parallel/plan/cost_parts.h"

namespace trireme {
namespace {

// Of a text encoder's layer: activations read or written, in the residual stream's float32.
constexpr double kEncoderTraffic = 20;

}  // namespace

double sum(const Terms& terms) {
  return std::accumulate(terms.begin(), terms.end(), 0.0,
                         [](double sum, const Term& term) { return sum + term.seconds; });
}

Terms terms_of(const Effort& e) {
  Terms terms;
  for (const auto& term :
       {Term{"matrix products", e.products}, Term{"reading weights", e.weights},
        Term{"attention", e.attention}, Term{"convolutions", e.convolutions},
        Term{"element-wise work", e.element_wise}, Term{"sums over tensor", e.sums},
        Term{"gathers", e.gathers}, Term{"trading tokens for heads", e.trades},
        Term{"keys and values on their way", e.unhidden}, Term{"edges of bands", e.exchange},
        Term{"launching", e.late}})
    if (term.seconds > 0) terms.push_back(term);
  return terms;
}

OperationCosts::OperationCosts(const Workload& work, const Shape& shape, const Layout& layout,
                               const Cluster& cluster, int first_rank)
    : layout_(layout), cluster_(cluster), roles_(roles_of(layout)) {
  int node = cluster.node_of(first_rank), begin = 0;
  for (int n = 0; n < node; ++n) begin += cluster.nodes[n].devices;
  for (int rank = first_rank; rank < first_rank + layout.replica_size; ++rank) {
    while (rank >= begin + cluster.nodes[node].devices) begin += cluster.nodes[node++].devices;
    nodes_.push_back(node);
  }
  add_encoders(work);
  add_stages(work, shape);
  add_decoder(work, shape);
  add_moving();
  add_messages(work, shape);
  add_table();
}

std::vector<int> OperationCosts::nodes_of(const std::vector<int>& ranks) const {
  std::vector<int> nodes;
  nodes.reserve(ranks.size());
  for (const int rank : ranks) nodes.push_back(nodes_[rank]);
  return nodes;
}

// The different devices that these ranks are.
std::vector<const Rates*> OperationCosts::kinds_of(const std::vector<int>& ranks) const {
  std::vector<const Rates*> kinds;
  int last = -1;
  for (const int rank : ranks) {
    if (nodes_[rank] == last) continue;
    last = nodes_[rank];
    const auto& rates = cluster_.nodes[last].device.rates;
    const bool known =
        std::any_of(kinds.begin(), kinds.end(), [&](const Rates* kind) { return *kind == rates; });
    if (!known) kinds.push_back(&rates);
  }
  return kinds;
}

Talk OperationCosts::talk(const std::vector<int>& ranks, const std::vector<int>& at_once) const {
  return ranks.size() < 2 ? Talk() : Talk(cluster_, nodes_of(ranks), nodes_of(at_once));
}

// A text is encoded by itself.
void OperationCosts::add_encoders(const Workload& work) {
  const auto& ranks = layout_.text_encoders;
  const auto together = talk(ranks, ranks);
  const auto n = static_cast<int>(ranks.size());
  for (const auto* rates : kinds_of(ranks)) {
    Effort text;
    for (const auto& encoder : work.encoders) {
      const Setting place{.rates = *rates,
                          .at = {.tensor = {0, n}},
                          .tensor = together,
                          .text_tokens = encoder.tokens,
                          .width = encoder.width,
                          .element_bytes = work.element_bytes,
                          .storage = encoder.storage};
      auto layer = effort_every(encoder.layer, place);
      layer.element_wise += kEncoderTraffic * kFloatBytes *
                            static_cast<double>(encoder.tokens * encoder.width) / rates->copy;
      text += static_cast<double>(encoder.layers) * layer;
      text += effort_every(encoder.rest, place);
      if (encoder.cuts_vocab && n > 1) {
        const double bytes =
            2.0 * (n - 1) / n *
            static_cast<double>(encoder.tokens * encoder.width * work.element_bytes);
        text.sums += together.reduce_or_gather(bytes);
        text.sent.all_reduce += bytes;
      }
    }
    const double texts = work.texts_per_picture * layout_.batch_size;
    encode_.effort = slower(encode_.effort, texts * text);
  }
  for (const auto& encoder : work.encoders)
    encoder_bytes_ +=
        static_cast<double>(encoder.layers) * weights_of(encoder.layer, encoder.storage, n) +
        weights_of(encoder.rest, encoder.storage, n) +
        bytes_of(encoder.storage) * static_cast<double>(encoder.vocab * encoder.width) /
            (encoder.cuts_vocab ? n : 1);
}

// A band in the middle has neighbours on both sides.
void OperationCosts::add_decoder(const Workload& work, const Shape& shape) {
  if (!work.vae) return;
  const auto& ranks = layout_.vae;
  const Coordinate patch{ranks.size() > 2 ? 1 : 0, static_cast<int>(ranks.size())};
  const auto together = talk(ranks, ranks);
  for (const auto* rates : kinds_of(ranks))
    decode_.effort = slower(decode_.effort, static_cast<double>(layout_.batch_size) *
                                                effort_of_decoder(*work.vae, shape, patch, together,
                                                                  *rates, work.element_bytes));
  for (const auto& c : work.vae->convolutions)
    decoder_bytes_ += static_cast<double>(c.in * c.out * c.kernel * c.kernel * work.element_bytes);
}

// Components that wait on the host come over its link for every batch.
void OperationCosts::add_moving() {
  const auto& rates = cluster_.nodes[nodes_.front()].device.rates;
  if (layout_.offload != Offload::kModel || rates.host_to_device == 0) return;
  const double seconds_a_byte = 1 / rates.host_to_device;
  encode_.moving = encoder_bytes_ * seconds_a_byte;
  for (auto& stage : stages_) stage.begin.moving = stage.weight_bytes * seconds_a_byte;
  decode_.moving = decoder_bytes_ * seconds_a_byte;
}

// Text goes to each rank of the transformer, activations from place to place, latents in bands.
void OperationCosts::add_messages(const Workload& work, const Shape& shape) {
  bytes_.text = static_cast<double>(work.embedding_bytes * layout_.batch_size);
  if (!work.transformer) return;
  const auto& model = *work.transformer;
  const auto rows = rows_of(layout_, shape);
  const auto tokens = shape.image_tokens + (model.text_travels ? shape.text_tokens : 0);
  bytes_.activations =
      static_cast<double>(rows * tokens * model.width * work.element_bytes) / layout_.mesh.sequence;
  bytes_.latents =
      kFloatBytes * layout_.batch_size *
      static_cast<double>(model.latent_channels * shape.latent_height * shape.latent_width);
}

void OperationCosts::add_table() {
  by_rank_.resize(roles_.size());
  for (int rank = 0; rank < static_cast<int>(roles_.size()); ++rank) {
    double bytes = 0;
    if (roles_[rank].encodes) bytes += encoder_bytes_;
    if (roles_[rank].decodes) bytes += decoder_bytes_;
    if (roles_[rank].stage >= 0 && !stages_.empty())
      bytes += stages_[roles_[rank].stage].weight_bytes;
    for (const auto work : {kEncode, kBegin, kForward, kStep, kDecode})
      if (const auto* part = share(work, rank)) by_rank_[rank][work] = part->seconds();
    const bool staged = layout_.offload == Offload::kStaged;  // counted for every window
    const auto& rates = cluster_.nodes[nodes_[rank]].device.rates;
    by_rank_[rank][kLoad] = staged ? 0 : bytes / rates.load;
  }
}

const OperationCosts::Share* OperationCosts::share(Work work, int rank) const {
  const auto& role = roles_[rank];
  if (work == kEncode) return role.encodes ? &encode_ : nullptr;
  if (work == kDecode) return role.decodes ? &decode_ : nullptr;
  if (role.stage < 0 || stages_.empty()) return nullptr;
  const auto& stage = stages_[role.stage];
  if (work == kBegin) return &stage.begin;
  return work == kForward ? &stage.forward : &stage.step;
}

const Effort& OperationCosts::effort(Work work, int rank) const {
  static const Effort kNone{};
  const auto* part = share(work, rank);
  return part ? part->effort : kNone;
}

Terms OperationCosts::terms(Work work, int rank) const {
  const auto* part = share(work, rank);
  if (!part) return {};
  auto terms = terms_of(part->effort);
  if (part->moving > 0) terms.push_back({"bringing weights", part->moving});
  return terms;
}

Terms OperationCosts::encode(int rank) const {
  return terms(kEncode, rank);
}
Terms OperationCosts::begin(int rank) const {
  return terms(kBegin, rank);
}
Terms OperationCosts::forward(int rank) const {
  return terms(kForward, rank);
}
Terms OperationCosts::step(int rank) const {
  return terms(kStep, rank);
}
Terms OperationCosts::decode(int rank) const {
  return terms(kDecode, rank);
}
Terms OperationCosts::load(int rank) const {
  return {{"weights from files", by_rank_[rank][kLoad]}};
}

double OperationCosts::seconds(Op::Kind kind, int rank) const {
  switch (kind) {
    case Op::Kind::kEncode:
      return by_rank_[rank][kEncode];
    case Op::Kind::kBegin:
      return by_rank_[rank][kBegin];
    case Op::Kind::kForward:
      return by_rank_[rank][kForward];
    case Op::Kind::kStep:
      return by_rank_[rank][kStep];
    case Op::Kind::kDecode:
      return by_rank_[rank][kDecode];
    default:
      return 0;
  }
}

double OperationCosts::transfer(int from, const Op& send) const {
  const auto over = [&](int to, double bytes) {
    const auto& link =
        nodes_[from] == nodes_[to] ? cluster_.nodes[nodes_[from]].link : cluster_.between;
    return link.latency + (bytes > 0 ? bytes / link.rate : 0);
  };
  switch (send.kind) {
    case Op::Kind::kSend:
      return over(send.peer, roles_[send.peer].stage == 0 ? bytes_.latents : bytes_.activations);
    case Op::Kind::kGiveText:
      return over(layout_.transformer.back(), bytes_.text);
    case Op::Kind::kGiveLatents:
      return over(layout_.vae.front(), bytes_.latents);
    default:
      return 0;
  }
}

Costs OperationCosts::costs() const {
  return {.compute = [this](int rank, const Op& op) { return seconds(op.kind, rank); },
          .transfer = [this](int from, const Op& send) { return transfer(from, send); }};
}

}  // namespace trireme
