// Weights without files. MemorySource serves given tensors; RandomSource makes up any tensor that a
// layer asks for, from its name alone, so that a model of any shape can be built on every rank.
// Both may be shared by ranks that are threads.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>

#include "parallel/tensor_source.h"

namespace trireme {

class MemorySource : public TensorSource {
 public:
  explicit MemorySource(std::map<std::string, at::Tensor> tensors, Quantization how = {})
      : tensors_(std::move(tensors)), how_(how) {}

  bool has(const std::string& name) const override { return tensors_.count(name) == 1; }
  std::vector<int64_t> shape(const std::string& name) const override;
  at::TensorOptions options(const std::string& name) const override;
  void read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                 Part part) override;
  void elsewhere(const std::string& scope) override;
  std::string place(const std::string&) const override { return "memory"; }
  Quantization quantization() const override { return how_; }

  // Names that nobody has read or counted as elsewhere.
  std::vector<std::string> unused() const;

 private:
  const at::Tensor& tensor(const std::string& name) const;

  std::map<std::string, at::Tensor> tensors_;
  Quantization how_;
  mutable std::mutex lock_;
  std::set<std::string> used_;
};

// Matrices are normal with variance 1 / inputs; vectors named "weight" lie around one, others
// around zero. Whatever is asked for is there, but for the names in `absent`.
class RandomSource : public TensorSource {
 public:
  explicit RandomSource(uint64_t seed = 0, at::ScalarType dtype = at::kFloat,
                        std::set<std::string> absent = {})
      : seed_(seed), dtype_(dtype), absent_(std::move(absent)) {}

  bool has(const std::string& name) const override { return absent_.count(name) == 0; }
  std::vector<int64_t> shape(const std::string& name) const override;
  at::TensorOptions options(const std::string&) const override { return dtype_; }
  void read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                 Part part) override;
  void elsewhere(const std::string&) override {}
  std::string place(const std::string&) const override { return "random weights"; }
  void expect(const std::string& name, at::IntArrayRef shape) const override;

  // Everything asked for until now, whole: a state dict for an oracle.
  std::map<std::string, at::Tensor> tensors() const;

 private:
  at::Tensor make(const std::string& name, at::IntArrayRef shape) const;

  uint64_t seed_;
  at::ScalarType dtype_;
  std::set<std::string> absent_;
  mutable std::mutex lock_;
  mutable std::map<std::string, std::vector<int64_t>> shapes_;  // the first asked for is right
};

Weights memory_weights(std::map<std::string, at::Tensor> tensors, Quantization how = {});
Weights random_weights(uint64_t seed = 0, at::ScalarType dtype = at::kFloat);

}  // namespace trireme
