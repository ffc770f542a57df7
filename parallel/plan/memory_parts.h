// The parts of memory.h, a file each: memory_weights.cpp, memory_layers.cpp (what a product and an
// attention need), memory_encode.cpp, memory_denoise.cpp, memory_decode.cpp. All is in bytes.
#pragma once

#include "parallel/plan/memory.h"

namespace trireme {

// One rank of a replica and what it works on. All that it refers to must outlive this.
struct Post {
  const Workload& work;
  const Layout& layout;
  int rank;
  bool on_cpu;

  const Shape& shape() const { return work.shapes.front(); }
  int64_t element() const { return work.element_bytes; }
  Storage plain() const { return element() == 4 ? Storage::kFloat32 : Storage::kHalf; }
  int64_t samples() const;  // of a full batch
};

// What a rank is able to do a layer with: `storage` of its matrices, its part of the tensor axis.
struct Hands {
  Storage storage;
  int64_t element;
  Coordinate tensor;
  bool on_cpu;
  bool rounds_rows = false;  // with int8, what goes into a product is rounded as well (T5)
};

// Bytes that come of a step, and most that it takes beside what goes in, the result included.
struct Needs {
  int64_t result = 0;
  int64_t peak = 0;
};
Needs needs_of(const Product& product, int64_t rows, const Hands& hands);

struct Heads {
  int64_t batch = 1;
  int64_t heads = 1;  // of this rank
  int64_t queries = 0;
  int64_t keys = 0;
  int64_t head_dim = 0;
  bool biased = false;  // a bias on the scores, or some that must not be seen
};
// Softmax(q k^T) v with its heads side by side again: [batch, queries, heads x head_dim].
Needs needs_of(const Heads& heads, int64_t element, bool on_cpu);

// Whether a matrix of so many elements is held, and multiplied, in float64.
bool widens(const Product& product, int64_t elements, int64_t element_bytes, bool on_cpu);
// Whether a convolution is done by src/nn/winograd.h.
bool is_winograd(const Convolution& convolution, int64_t element, bool on_cpu);

int64_t encoder_weights(const EncoderWork& encoder, const Hands& hands);
int64_t transformer_weights(const Post& post);
int64_t vae_weights(const VaeWork& vae, int64_t element, bool on_cpu);

// Of one text, with its padding.
int64_t bytes_of_text(const Workload& work);
// What this rank keeps of batches that are being denoised while it encodes or decodes another.
int64_t other_batches(const Post& post);
int64_t latent_bytes(const Post& post, int64_t samples);  // float32
// Text embeddings that this rank keeps: for prompts that come again, and for a window of samples.
int64_t recent_texts(const Post& post);
int64_t waiting_texts(const Post& post);
int64_t waiting_latents(const Post& post);  // of a window of samples

StageMemory encode_memory(const Post& post);
StageMemory denoise_memory(const Post& post);
StageMemory decode_memory(const Post& post);

}  // namespace trireme
