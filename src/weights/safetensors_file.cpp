#include "src/weights/safetensors_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "parallel/error.h"
#include "src/weights/numbers.h"
#include "src/weights/slice_reader.h"

namespace trireme {
namespace {

std::unordered_map<std::string, const StoredTensor*> index_of(const SafetensorsHeader& header) {
  std::unordered_map<std::string, const StoredTensor*> out;
  for (const auto& tensor : header.tensors) out[tensor.name] = &tensor;
  return out;
}

}  // namespace

SafetensorsHeader read_safetensors_header(const ReadOnlyFile& file) {
  std::string start(std::min<int64_t>(8, file.size()), '\0');
  file.read(start.data(), static_cast<int64_t>(start.size()), 0);
  std::string json(safetensors_header_length(start, file.size(), file.place()), '\0');
  file.read(json.data(), static_cast<int64_t>(json.size()), 8);
  return parse_safetensors_header(json, file.size(), file.place());
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), header_(read_safetensors_header(file_)), by_name_(index_of(header_)) {}

SafetensorsFile::SafetensorsFile(ReadOnlyFile file, SafetensorsHeader header)
    : file_(std::move(file)), header_(std::move(header)), by_name_(index_of(header_)) {}

const StoredTensor* SafetensorsFile::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

std::vector<int64_t> SafetensorsFile::shape_of_slice(const StoredTensor& tensor, int64_t dim,
                                                     Part part) const {
  auto shape = tensor.shape;
  const auto dims = static_cast<int64_t>(shape.size());
  bool inside = dims == 0 ? dim == 0 && part == Part{0, 1} : dim >= 0 && dim < dims;
  if (inside && dims > 0) {
    inside = part.begin >= 0 && part.length >= 0 && part.end() <= shape[dim];
    shape[dim] = part.length;
  }
  if (inside) return shape;
  throw Error(Exit::kBug, fmt::format("[weights] {}: {} has shape [{}] -> {} to {} of dimension {} "
                                      "is not inside -> a wrong cut in a layer",
                                      place(), tensor.name, fmt::join(tensor.shape, ", "),
                                      part.begin, part.end(), dim));
}

void SafetensorsFile::read_into(const at::Tensor& destination, const StoredTensor& tensor,
                                int64_t dim, Part part) const {
  const auto shape = shape_of_slice(tensor, dim, part);
  if (!destination.sizes().equals(shape)) {
    throw Error(Exit::kBug,
                fmt::format("[weights] {}: {} has shape [{}] -> its slice {} to {} of dimension {} "
                            "cannot fill [{}] -> a wrong cut in a layer",
                            place(), tensor.name, fmt::join(tensor.shape, ", "), part.begin,
                            part.end(), dim, fmt::join(destination.sizes(), ", ")));
  }
  const auto dense = destination.is_contiguous()
                         ? destination
                         : at::empty_like(destination, at::MemoryFormat::Contiguous);
  SliceReader(file_, tensor, dim, part, destination.scalar_type()).read_into(dense);
  if (!dense.is_same(destination)) destination.copy_(dense);
}

at::Tensor SafetensorsFile::read(const StoredTensor& tensor, int64_t dim, Part part,
                                 const at::TensorOptions& options) const {
  const auto shape = shape_of_slice(tensor, dim, part);
  if (options.device().is_cpu()) {
    const auto type = c10::typeMetaToScalarType(options.dtype());
    auto pages = SliceReader(file_, tensor, dim, part, type).map();
    if (pages.defined()) return pages;
  }
  auto own = at::empty(shape, options);
  SafetensorsFile::read_into(own, tensor, dim, part);  // of this file's tensor, whatever its names
  return own;
}

at::Tensor SafetensorsFile::read(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: no tensor {} -> it is needed -> the file "
                            "was made for something else",
                            place(), name));
  }
  const Part all{0, tensor->shape.empty() ? 1 : tensor->shape[0]};
  return read(*tensor, 0, all, scalar_type(tensor->type));
}

}  // namespace trireme
