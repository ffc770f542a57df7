// Handover: how text embeddings get from the encoders' ranks to the transformer's, and latents from
// its last stage to the VAE's. Every rank that has them gives a piece and every one that needs them
// gets what its part of the layout reads, so nothing is gathered on one rank first. It happens once
// a batch, so it goes over the hosts; nobody waits for it but who takes.
#pragma once

#include <deque>

#include "src/pipelines/denoise.h"
#include "src/pipelines/placement.h"

namespace trireme {

class Handover {
 public:
  // `placement` must outlive this. `text_on_every_stage`: whether every stage of the transformer
  // reads the tokens' embeddings, not only the first.
  Handover(const Placement& placement, bool text_on_every_stage, at::Device device)
      : placement_(placement), text_on_every_stage_(text_on_every_stage), device_(device) {}

  // On the encoders' ranks, which all have the whole embeddings.
  void give_text(const Conditioning& text);
  // On the transformer's ranks that do not encode: the guidance branches that this rank evaluates.
  Conditioning take_text();

  // On the ranks of the last stage, which all have the whole latents.
  void give_latents(const Denoised& denoised);
  // On the VAE's other ranks: the rows of the latents that this rank decodes, of so many samples.
  Denoised take_latents(int64_t batch);

  // What this rank decodes of latents that it has as a whole: rows of [batch, channels, h, w].
  at::Tensor mine(const at::Tensor& latents) const;

 private:
  struct Needs {
    bool positive, negative, tokens;
  };
  Needs needs_of(int rank) const;  // of the transformer
  void give(const TextEmbeddings& text, int to, bool tokens);
  TextEmbeddings take(const int64_t* shapes, bool tokens);

  const Placement& placement_;
  bool text_on_every_stage_;
  at::Device device_;
  std::deque<Pending> given_;  // latents under way
};

}  // namespace trireme
