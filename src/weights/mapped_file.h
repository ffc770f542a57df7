// MappedFile: a safetensors file under the names that a model's layers ask for. What an original
// single file calls joint_blocks.0.x_block.attn.qkv.weight is three tensors of the model, each some
// rows of it. A rank still reads only the slices that it holds, as the file's own pages where it
// can. It owns the file's descriptor; a map that renames nothing makes it the plain file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "src/weights/safetensors_file.h"

namespace trireme {

// One tensor of the model, out of tensors of a file.
struct MappedTensor {
  enum class Form {
    kRows,        // the pieces, one below the other
    kTransposed,  // of the only piece, which is a matrix
    kIdentity,    // a matrix that no file holds
  };
  std::string name;            // the model's
  std::vector<int64_t> shape;  // the model's
  std::vector<StoredTensor> pieces;
  Form form = Form::kRows;
};
using TensorMap = std::vector<MappedTensor>;

// As if the file held the tensor like this: what of it is counted and listed.
StoredTensor as_stored(const MappedTensor& tensor);
// The rows of a stored tensor as a tensor of their own, whose name says which they are.
StoredTensor rows_of(const StoredTensor& tensor, Part rows);

class MappedFile final : public SafetensorsFile {
 public:
  // The header is not read again: the map was made from it.
  MappedFile(const std::filesystem::path& path, std::shared_ptr<const TensorMap> map);

  using SafetensorsFile::read;
  void read_into(const at::Tensor& destination, const StoredTensor& tensor, int64_t dim,
                 Part part) const override;
  at::Tensor read(const StoredTensor& tensor, int64_t dim, Part part,
                  const at::TensorOptions& options) const override;

 private:
  const MappedTensor& mapped(const StoredTensor& tensor) const;
  void read_rows(const at::Tensor& destination, const MappedTensor& tensor, int64_t dim,
                 Part part) const;

  std::shared_ptr<const TensorMap> map_;
  std::unordered_map<std::string, const MappedTensor*> by_name_;
};

}  // namespace trireme
