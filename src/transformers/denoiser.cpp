#include "src/transformers/denoiser.h"

#include <fmt/format.h>

#include "parallel/error.h"

namespace trireme {
namespace {

constexpr int kFirstStage = 0;

Streams receive(const Group& pipeline, const Streams& like, int from) {
  Streams streams;
  streams.image = pipeline.receive(like.image, from);
  if (like.text.defined()) streams.text = pipeline.receive(like.text, from);
  return streams;
}

void send(const Group& pipeline, const Streams& streams, int to) {
  pipeline.send(streams.image, to);
  if (streams.text.defined()) pipeline.send(streams.text, to);
}

Split sum_of(const Split& a, const Split& b) {
  std::vector<int64_t> lengths;
  for (int r = 0; r < a.parts(); ++r) lengths.push_back(a[r].length + b[r].length);
  return Split::of_lengths(lengths);
}

}  // namespace

StreamSplits::StreamSplits(int64_t image_tokens, int64_t text_tokens, int ranks)
    : image(image_tokens, ranks), text(text_tokens, ranks), both(sum_of(image, text)) {}

at::Tensor predict(const Denoiser& denoiser, const Denoising& batch, const at::Tensor& latents,
                   int step, const SkippedBlocks& skipped) {
  const auto& pipeline = denoiser.pipeline();
  const int stage = pipeline.rank(), last = pipeline.size() - 1;
  auto streams = stage == kFirstStage ? batch.embed(latents.to(denoiser.dtype()))
                                      : receive(pipeline, batch.arriving(), stage - 1);
  streams = batch.blocks(std::move(streams), step, skipped);
  auto prediction = at::empty(latents.sizes(), latents.options().dtype(at::kFloat));
  if (stage == last) {
    prediction.copy_(batch.head(streams, step).narrow(1, 0, denoiser.latent_channels()));
  } else {
    send(pipeline, streams, stage + 1);
  }
  return pipeline.broadcast(prediction, last);
}

void require_stages(int64_t blocks, int stages) {
  if (stages <= blocks) return;
  throw Error(
      Exit::kBadJob,
      fmt::format("[layout.transformer.pipeline] {} stages -> at most {}, one for each block "
                  "of this model -> use the other ranks for replicas, guidance or tensor",
                  stages, blocks));
}

}  // namespace trireme
