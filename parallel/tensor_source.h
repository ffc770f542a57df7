// TensorSource: where layers get their parameters, and Weights: one name prefix in it. A layer knows
// its cut, the source its bytes, and neither knows the other: a rank reads only what it holds.
//   Weights w = ...;   ColumnLinear fc1(w / "mlp" / "fc1", group, {.in = 96, .out = 384});
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "parallel/split.h"

namespace trireme {

class TensorSource {
 public:
  virtual ~TensorSource() = default;

  virtual bool has(const std::string& name) const = 0;
  // Error (kBadData) names the file if there is no such tensor.
  virtual std::vector<int64_t> shape(const std::string& name) const = 0;
  // The slice `part` of dimension `dim`, in the source's dtype and on its device. Counts as used.
  virtual at::Tensor read(const std::string& name, int64_t dim, Part part) = 0;
  // Counts the tensors below this prefix as used: another rank holds them.
  virtual void elsewhere(const std::string& prefix) = 0;
  // Text for messages: the file or folder that holds the tensor.
  virtual std::string place(const std::string& name) const = 0;
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
  // As read, or an undefined tensor when `wanted` is false.
  at::Tensor read_if(bool wanted, const std::string& name, at::IntArrayRef shape) const;
  // Another rank holds everything in this scope.
  void elsewhere() const;

 private:
  std::string path(const std::string& name) const;
  void expect_shape(const std::string& name, at::IntArrayRef shape) const;

  std::shared_ptr<TensorSource> source_;
  std::string prefix_;
};

}  // namespace trireme
