// diffusers' names of a row's embeddings in a file, with the shapes that a model needs. A file may
// leave out the dimension of a batch of one.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "src/pipelines/recipe.h"
#include "src/weights/safetensors_header.h"

namespace trireme {

struct EmbedsTensor {
  std::string name;
  size_t dims;    // without the batch's
  int64_t width;  // of the last dimension, 0: any
};

// `prefix`: "" or "negative_".
std::vector<EmbedsTensor> embeds_tensors(const ModelFacts& model, const std::string& prefix);

bool fits(const StoredTensor& stored, const EmbedsTensor& wanted);
std::string shape_text(const EmbedsTensor& wanted);  // "[tokens, 4096]"
at::Tensor as_batch_of_one(const at::Tensor& x, size_t dims);

}  // namespace trireme
