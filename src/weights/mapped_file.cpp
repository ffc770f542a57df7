#include "src/weights/mapped_file.h"

#include <fmt/format.h>

#include <algorithm>

namespace trireme {
namespace {

SafetensorsHeader header_of(const TensorMap& map) {
  SafetensorsHeader out;
  for (const auto& tensor : map) out.tensors.push_back(as_stored(tensor));
  return out;
}

}  // namespace

StoredTensor as_stored(const MappedTensor& tensor) {
  StoredTensor out{.name = tensor.name, .shape = tensor.shape};
  if (tensor.pieces.empty()) return out;
  out.type = tensor.pieces.front().type;
  out.begin = tensor.pieces.front().begin;
  out.end = out.begin;
  for (const auto& piece : tensor.pieces) out.end += piece.bytes();
  return out;
}

StoredTensor rows_of(const StoredTensor& tensor, Part rows) {
  const int64_t row = tensor.shape.at(0) == 0 ? 0 : tensor.bytes() / tensor.shape[0];
  StoredTensor out = tensor;
  out.name = fmt::format("{} (rows {} to {})", tensor.name, rows.begin, rows.end() - 1);
  out.shape[0] = rows.length;
  out.begin = tensor.begin + rows.begin * row;
  out.end = out.begin + rows.length * row;
  return out;
}

MappedFile::MappedFile(const std::filesystem::path& path, std::shared_ptr<const TensorMap> map)
    : SafetensorsFile(ReadOnlyFile(path), header_of(*map)), map_(std::move(map)) {
  for (const auto& tensor : *map_) by_name_[tensor.name] = &tensor;
}

const MappedTensor& MappedFile::mapped(const StoredTensor& tensor) const {
  return *by_name_.at(tensor.name);
}

void MappedFile::read_into(const at::Tensor& destination, const StoredTensor& stored, int64_t dim,
                           Part part) const {
  const auto& tensor = mapped(stored);
  if (tensor.form == MappedTensor::Form::kIdentity) {
    const auto whole = at::eye(tensor.shape[0], destination.options().device(at::kCPU));
    destination.copy_(whole.narrow(dim, part.begin, part.length));
  } else if (tensor.form == MappedTensor::Form::kTransposed) {
    const auto& piece = tensor.pieces.front();
    const auto turned = at::empty_like(destination.t(), at::MemoryFormat::Contiguous);
    SafetensorsFile::read_into(turned, piece, 1 - dim, part);
    destination.copy_(turned.t());
  } else {
    read_rows(destination, tensor, dim, part);
  }
}

void MappedFile::read_rows(const at::Tensor& destination, const MappedTensor& tensor, int64_t dim,
                           Part part) const {
  int64_t row = 0;  // of the tensor, where the piece begins
  for (const auto& piece : tensor.pieces) {
    const int64_t rows = piece.shape.empty() ? 1 : piece.shape[0];
    const auto begin = dim > 0 ? row : std::max(row, part.begin);
    const auto end = dim > 0 ? row + rows : std::min(row + rows, part.end());
    row += rows;
    if (begin >= end) continue;
    const auto inside = dim > 0 ? part : Part{begin - (row - rows), end - begin};
    const auto target =
        tensor.pieces.size() == 1
            ? destination
            : destination.narrow(0, begin - (dim > 0 ? 0 : part.begin), end - begin);
    SafetensorsFile::read_into(target, piece, dim, inside);
  }
}

at::Tensor MappedFile::read(const StoredTensor& stored, int64_t dim, Part part,
                            const at::TensorOptions& options) const {
  const auto& tensor = mapped(stored);
  if (tensor.form == MappedTensor::Form::kRows && tensor.pieces.size() == 1)
    return SafetensorsFile::read(tensor.pieces.front(), dim, part, options);
  auto sizes = tensor.shape;
  sizes.at(dim) = part.length;
  auto own = at::empty(sizes, options);
  read_into(own, stored, dim, part);
  return own;
}

}  // namespace trireme
