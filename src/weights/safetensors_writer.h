// Writes safetensors files: latents and embeds that a later job reads. The same tensors and
// metadata give the same bytes. A file appears whole or not at all: it is written beside its place
// under another name, brought to the disk, then renamed. No tensors and no metadata: a valid, empty
// file.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace trireme {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;  // any device and strides
};

// In the order given. Error: kInputOutput (disk full, ...), kNoPermission, kCannotCreate (no such
// folder), kBug (two tensors of one name). Nothing half-written is left behind.
void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

// The bytes of such a file, for containers that put them into something larger.
std::string safetensors_bytes(const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

}  // namespace trireme
