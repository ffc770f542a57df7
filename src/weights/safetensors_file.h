// SafetensorsFile: an open safetensors file that hands out slices of its tensors. It reads with
// pread, never by mapping the file, straight into the result or through a buffer of 1 MiB a thread,
// so a rank's memory while loading is its share and a few MiB. It owns the file descriptor; several
// threads may read at once.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <unordered_map>

#include "parallel/split.h"
#include "src/weights/safetensors_header.h"

namespace trireme {

// A file's descriptor, closed at the end; errors of the system become ours.
class ReadOnlyFile {
 public:
  explicit ReadOnlyFile(const std::filesystem::path& path);
  ReadOnlyFile(ReadOnlyFile&& other) noexcept;
  ReadOnlyFile& operator=(ReadOnlyFile&&) = delete;
  ~ReadOnlyFile();

  const std::string& place() const { return place_; }
  int64_t size() const { return size_; }
  // Fills the buffer; Error (kInputOutput) if the file ends before or cannot be read.
  void read(void* buffer, int64_t bytes, int64_t offset) const;

 private:
  std::string place_;
  int fd_ = -1;
  int64_t size_ = 0;
};

// Reads the header alone: what `inspect` and the memory plan need.
SafetensorsHeader read_safetensors_header(const ReadOnlyFile& file);

class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::string& place() const { return file_.place(); }
  const SafetensorsHeader& header() const { return header_; }
  // nullptr if there is no such tensor.
  const StoredTensor* find(const std::string& name) const;

  // Fills destination with the slice `part` of dimension `dim`, as its dtype and on its device.
  // Error (kBadData) names the first number that is NaN or infinite, or does not fit the dtype.
  void read_into(const at::Tensor& destination, const StoredTensor& tensor, int64_t dim,
                 Part part) const;
  // The whole tensor in its own type, on the host.
  at::Tensor read(const std::string& name) const;

 private:
  ReadOnlyFile file_;
  SafetensorsHeader header_;
  std::unordered_map<std::string, const StoredTensor*> by_name_;
};

}  // namespace trireme
