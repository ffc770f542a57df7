// TensorSource: where layers get their parameters, and Weights: one name prefix in it. A layer
// knows its cut, the source its bytes, and neither knows the other: a rank reads only what it
// holds.
//   Weights w = ...;   ColumnLinear fc1(w / "mlp" / "fc1", group, {.in = 96, .out = 384});
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/quantization.h"
#include "parallel/residence.h"
#include "parallel/split.h"

namespace trireme {

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  virtual bool has(const std::string& name) const = 0;
  // Error (kBadData) names the file if there is no such tensor.
  virtual std::vector<int64_t> shape(const std::string& name) const = 0;
  // The dtype and device that this tensor is read in.
  virtual at::TensorOptions options(const std::string& name) const = 0;
  // Fills destination, which may be a part of a larger tensor, with the slice `part` of dimension
  // `dim`; converts to its dtype and device. Counts as used.
  virtual void read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                         Part part) = 0;
  // Counts the tensor `scope` and those below it ("scope.weight") as used: another rank holds them.
  virtual void elsewhere(const std::string& scope) = 0;
  // Text for messages: the file or folder that holds the tensor.
  virtual std::string place(const std::string& name) const = 0;
  // Error (kBadData) unless the stored shape is `shape`.
  virtual void expect(const std::string& name, at::IntArrayRef shape) const;

  // How linear layers are to hold their weights.
  virtual Quantization quantization() const { return {}; }
  // What a tensor stands for that holds codes instead of numbers.
  virtual std::optional<StoredCodes> codes(const std::string&) const { return {}; }

  // The slice as a tensor of its own, not to be written to: a source may lend what it has.
  virtual at::Tensor read(const std::string& name, int64_t dim, Part part);

  // From here on tensors that layers keep live there; without, they are where they are.
  void keep_in(std::shared_ptr<Residence> residence) { residence_ = std::move(residence); }
  void keep(const at::Tensor& tensor) const {
    if (residence_) residence_->add(tensor);
  }

 private:
  std::shared_ptr<Residence> residence_;
};

class Weights {
 public:
  explicit Weights(std::shared_ptr<TensorSource> source, std::string prefix = "")
      : source_(std::move(source)), prefix_(std::move(prefix)) {}

  // The scope of a child module: (w / "attn") reads "attn.<name>".
  Weights operator/(const std::string& child) const;
  Weights operator/(int64_t index) const { return *this / std::to_string(index); }

  bool has(const std::string& name) const;
  // The whole tensor, or its slice; Error (kBadData) if the stored shape is not `shape`.
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor read(const std::string& name, at::IntArrayRef shape, int64_t dim, Part part) const;
  // The slice into a part of a larger tensor, with no copy in between.
  void read_into(const at::Tensor& destination, const std::string& name, at::IntArrayRef shape,
                 int64_t dim, Part part) const;
  // As read, or an undefined tensor when `wanted` is false.
  at::Tensor read_if(bool wanted, const std::string& name, at::IntArrayRef shape) const;
  // Another rank holds everything in this scope.
  void elsewhere() const;
  // A tensor that a layer made of what it read, and keeps; those that are read are known.
  void keep(const at::Tensor& tensor) const { source_->keep(tensor); }
  at::TensorOptions options(const std::string& name) const;
  Quantization quantization() const { return source_->quantization(); }
  std::optional<StoredCodes> codes(const std::string& name) const;
  // "file: tensor", for messages.
  std::string where(const std::string& name) const;

 private:
  std::string path(const std::string& name) const;

  std::shared_ptr<TensorSource> source_;
  std::string prefix_;
};

// The same slice of `name` in each scope, one below the other along dimension 0. Each is read
// straight into its place: the peak is the result.
at::Tensor read_stacked(at::ArrayRef<Weights> scopes, const std::string& name,
                        at::IntArrayRef shape, int64_t dim, Part part);

}  // namespace trireme
