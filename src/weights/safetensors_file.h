// SafetensorsFile: an open safetensors file that hands out slices of its tensors. What a rank reads
// takes the memory of its share and a few MiB (slice_reader.h). It owns the file descriptor;
// several threads may read at once. mapped_file.h has the one that goes by other names.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "parallel/split.h"
#include "src/weights/read_only_file.h"
#include "src/weights/safetensors_header.h"

namespace trireme {

// Reads the header alone: what `inspect` and the memory plan need.
SafetensorsHeader read_safetensors_header(const ReadOnlyFile& file);

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  virtual ~SafetensorsFile() = default;

  const std::string& place() const { return file_.place(); }
  const SafetensorsHeader& header() const { return header_; }
  // nullptr if there is no such tensor.
  const StoredTensor* find(const std::string& name) const;

  // Fills destination with the slice `part` of dimension `dim`, as its dtype and on its device.
  // Error (kBadData) names the first number that is NaN or infinite, or does not fit the dtype.
  virtual void read_into(const at::Tensor& destination, const StoredTensor& tensor, int64_t dim,
                         Part part) const;
  // The slice as a tensor of its own, not to be written to: on the host and in the stored type it
  // is the file's own pages, if it stands in one piece.
  virtual at::Tensor read(const StoredTensor& tensor, int64_t dim, Part part,
                          const at::TensorOptions& options) const;
  // The whole tensor in its stored type, on the host.
  at::Tensor read(const std::string& name) const;

 protected:
  SafetensorsFile(ReadOnlyFile file, SafetensorsHeader header);

 private:
  std::vector<int64_t> shape_of_slice(const StoredTensor& tensor, int64_t dim, Part part) const;

  ReadOnlyFile file_;
  SafetensorsHeader header_;
  std::unordered_map<std::string, const StoredTensor*> by_name_;
};

}  // namespace trireme
