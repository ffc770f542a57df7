#include "src/pipelines/handover.h"

#include <algorithm>
#include <array>

namespace trireme {
namespace {

// How each tensor of a text is announced: dimensions and one (0: there is none), dtype, sizes.
constexpr int64_t kMaxDims = 4, kPerTensor = kMaxDims + 2, kTensors = 3;
constexpr int64_t kHeader = 1 + 2 * kTensors * kPerTensor;  // and whether there is a negative text

using Numbers = std::vector<int64_t>;

at::Tensor to_tensor(const Numbers& numbers) {
  return at::tensor(numbers, at::kLong);
}

Numbers to_numbers(const at::Tensor& x) {
  const auto* begin = x.const_data_ptr<int64_t>();
  return {begin, begin + x.numel()};
}

std::array<at::Tensor, kTensors> tensors_of(const TextEmbeddings& text) {
  return {text.hidden, text.pooled, text.mask};
}

void announce(const TextEmbeddings& text, Numbers& header) {
  for (const auto& x : tensors_of(text)) {
    Numbers shape(kPerTensor, 0);
    if (x.defined()) {
      shape[0] = x.dim() + 1;
      shape[1] = static_cast<int64_t>(x.scalar_type());
      std::copy(x.sizes().begin(), x.sizes().end(), shape.begin() + 2);
    }
    header.insert(header.end(), shape.begin(), shape.end());
  }
}

// A tensor as announced that takes no memory.
at::Tensor announced(const int64_t* shape) {
  if (shape[0] == 0) return {};
  const at::IntArrayRef sizes(shape + 2, static_cast<size_t>(shape[0] - 1));
  return at::empty({}, static_cast<at::ScalarType>(shape[1])).expand(sizes);
}

at::Tensor on(at::Device device, const at::Tensor& x) {
  return x.defined() ? x.to(device) : x;
}

}  // namespace

Handover::Needs Handover::needs_of(int rank) const {
  const auto& role = placement_.roles[rank];
  const auto half = placement_.guidance_half(rank);
  return {.positive = !half || *half == 1,
          .negative = !half || *half == 0,
          .tokens = text_on_every_stage_ || role.stage == 0};
}

// Every encoding rank gives its share of the tokens; the first one also all that is small.
void Handover::give(const TextEmbeddings& text, int to, bool tokens) {
  const auto& encoders = placement_.layout.text_encoders;
  const int mine = placement_.encoder_tensor.rank();
  const Split split(text.hidden.size(1), static_cast<int>(encoders.size()));
  const auto send = [&](const at::Tensor& x) {
    if (x.defined()) placement_.text.start_send(x.cpu(), to);
  };
  if (tokens) send(shard(text.hidden, 1, split, mine));
  if (mine > 0) return;
  send(text.pooled);
  send(text.mask);
}

void Handover::give_text(const Conditioning& text) {
  Numbers header{int64_t{text.negative.has_value()}};
  announce(text.positive, header);
  announce(text.negative.value_or(TextEmbeddings{}), header);
  for (const int to : placement_.layout.transformer) {
    if (placement_.roles[to].encodes) continue;
    const auto needs = needs_of(to);
    if (placement_.encoder_tensor.rank() == 0) placement_.text.start_send(to_tensor(header), to);
    if (needs.positive || !text.negative) give(text.positive, to, needs.tokens);
    if (needs.negative && text.negative) give(*text.negative, to, needs.tokens);
  }
}

TextEmbeddings Handover::take(const int64_t* shapes, bool tokens) {
  const auto& encoders = placement_.layout.text_encoders;
  TextEmbeddings text{announced(shapes), announced(shapes + kPerTensor),
                      announced(shapes + 2 * kPerTensor)};
  const Split split(text.hidden.size(1), static_cast<int>(encoders.size()));
  std::vector<at::Tensor> pieces;
  for (size_t giver = 0; giver < encoders.size(); ++giver) {
    const auto receive = [&](const at::Tensor& like) {
      return like.defined() ? placement_.text.receive(like, encoders[giver]) : at::Tensor();
    };
    const auto piece = shard(text.hidden, 1, split, static_cast<int>(giver));
    if (tokens) pieces.push_back(receive(piece));
    if (giver > 0) continue;
    text.pooled = receive(text.pooled);
    text.mask = receive(text.mask);
  }
  if (tokens) text.hidden = at::cat(pieces, 1);
  return {on(device_, text.hidden), on(device_, text.pooled), on(device_, text.mask)};
}

Conditioning Handover::take_text() {
  const auto header = to_numbers(placement_.text.receive(to_tensor(Numbers(kHeader, 0)),
                                                         placement_.layout.text_encoders.front()));
  const bool guided = header[0] != 0;
  const auto needs = needs_of(placement_.replica.rank());
  const auto* shapes = header.data() + 1;
  Conditioning text;
  if (needs.positive || !guided) text.positive = take(shapes, needs.tokens);
  if (needs.negative && guided) text.negative = take(shapes + kTensors * kPerTensor, needs.tokens);
  return text;
}

at::Tensor Handover::mine(const at::Tensor& latents) const {
  const auto& patch = placement_.patch;
  return shard(latents, 2, Split(latents.size(2), patch.size()), patch.rank());
}

// The ranks of the last stage share the takers among them.
void Handover::give_latents(const Denoised& denoised) {
  const auto& role = placement_.roles[placement_.replica.rank()];
  const auto givers = placement_.last_stage();
  const auto latents = denoised.latents.cpu();
  for (size_t band = 0; band < placement_.layout.vae.size(); ++band) {
    const int to = placement_.layout.vae[band];
    const bool has_them = placement_.roles[to].stage == role.stage;
    if (has_them || givers[band % givers.size()] != placement_.replica.rank()) continue;
    Numbers header(latents.sizes().begin(), latents.sizes().end());
    header.insert(header.end(), denoised.broken_at_step.begin(), denoised.broken_at_step.end());
    const Split rows(latents.size(2), static_cast<int>(placement_.layout.vae.size()));
    placement_.latents.start_send(to_tensor(header), to);
    given_.push_back(placement_.latents.start_send(
        shard(latents, 2, rows, static_cast<int>(band)).contiguous(), to));
    while (!given_.empty() && given_.front().ready()) given_.pop_front();
  }
}

Denoised Handover::take_latents(int64_t batch) {
  const auto givers = placement_.last_stage();
  const int from = givers[placement_.patch.rank() % givers.size()];
  const auto header =
      to_numbers(placement_.latents.receive(to_tensor(Numbers(4 + batch, 0)), from));
  const auto whole = at::empty({}, at::kFloat).expand({header[0], header[1], header[2], header[3]});
  return {placement_.latents.receive(mine(whole), from).to(device_),
          {header.begin() + 4, header.end()}};
}

}  // namespace trireme
