// One evaluation of a transformer by all stages of a pipeline.
#pragma once

#include "parallel/mesh.h"
#include "src/transformers/denoiser.h"

namespace trireme {

// latents [batch, channels, h, w] -> the prediction, float32 [batch, channels, h, w], on every rank
// of the pipeline.
inline at::Tensor predict(const Denoiser& denoiser, const Group& pipeline, const Denoising& batch,
                          const at::Tensor& latents, int step, const SkippedBlocks& skipped = {}) {
  const int stage = pipeline.rank(), last = pipeline.size() - 1;
  const auto arriving = stage > 0 ? batch.arriving() : Streams{};
  auto streams = stage == 0 ? batch.embed(latents.to(denoiser.dtype())) : Streams{};
  for (auto part : {&Streams::image, &Streams::text})
    if (stage > 0 && (arriving.*part).defined())
      streams.*part = pipeline.receive(arriving.*part, stage - 1);
  streams = batch.blocks(std::move(streams), step, skipped);
  auto prediction = at::empty(latents.sizes(), latents.options().dtype(at::kFloat));
  if (stage == last) {
    prediction.copy_(batch.head(streams, step).narrow(1, 0, denoiser.latent_channels()));
  } else {
    for (const auto& part : {streams.image, streams.text})
      if (part.defined()) pipeline.send(part, stage + 1);
  }
  return pipeline.broadcast(prediction, last);
}

}  // namespace trireme
