#include "tests/support/sources.h"

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "parallel/error.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

void copy_part(const at::Tensor& destination, const at::Tensor& whole, int64_t dim, Part part) {
  destination.copy_(whole.dim() == 0 ? whole : whole.narrow(dim, part.begin, part.length));
}

}  // namespace

const at::Tensor& MemorySource::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  throw Error(
      Exit::kBadData,
      fmt::format("[weights] memory: {} -> must be there -> the test gave other names", name));
}

std::vector<int64_t> MemorySource::shape(const std::string& name) const {
  return tensor(name).sizes().vec();
}

at::TensorOptions MemorySource::options(const std::string& name) const {
  return tensor(name).options();
}

void MemorySource::read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                             Part part) {
  copy_part(destination, tensor(name), dim, part);
  const std::lock_guard held(lock_);
  used_.insert(name);
}

void MemorySource::elsewhere(const std::string& scope) {
  const std::lock_guard held(lock_);
  for (const auto& [name, tensor] : tensors_) {
    if (name == scope || name.starts_with(scope + ".")) used_.insert(name);
  }
}

std::vector<std::string> MemorySource::unused() const {
  const std::lock_guard held(lock_);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) {
    if (used_.count(name) == 0) names.push_back(name);
  }
  return names;
}

void RandomSource::expect(const std::string& name, at::IntArrayRef shape) const {
  {
    const std::lock_guard held(lock_);
    shapes_.emplace(name, shape.vec());
  }
  TensorSource::expect(name, shape);
}

std::vector<int64_t> RandomSource::shape(const std::string& name) const {
  const std::lock_guard held(lock_);
  const auto found = shapes_.find(name);
  if (found != shapes_.end()) return found->second;
  throw Error(Exit::kBadData, fmt::format("[weights] random weights: {} -> a shape -> a layer must "
                                          "say what it expects before it asks",
                                          name));
}

at::Tensor RandomSource::make(const std::string& name, at::IntArrayRef shape) const {
  std::seed_seq letters(name.begin(), name.end());
  std::array<uint32_t, 2> words;
  letters.generate(words.begin(), words.end());
  const auto hash = (uint64_t{words[0]} << 32 | words[1]) + seed_;
  const auto x = normals(shape, hash);
  if (shape.size() < 2) {
    const bool is_scale = name.size() >= 6 && name.compare(name.size() - 6, 6, "weight") == 0;
    return x.mul(0.1).add(is_scale ? 1.0 : 0.0).to(dtype_);
  }
  const auto inputs = c10::multiply_integers(shape.slice(1));
  return x.div(std::sqrt(static_cast<double>(inputs))).to(dtype_);
}

void RandomSource::read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                             Part part) {
  copy_part(destination, make(name, shape(name)), dim, part);
}

std::map<std::string, at::Tensor> RandomSource::tensors() const {
  const std::lock_guard held(lock_);
  std::map<std::string, at::Tensor> all;
  for (const auto& [name, shape] : shapes_) all.emplace(name, make(name, shape));
  return all;
}

Weights memory_weights(std::map<std::string, at::Tensor> tensors, Quantization how) {
  return Weights(std::make_shared<MemorySource>(std::move(tensors), how));
}

Weights random_weights(uint64_t seed, at::ScalarType dtype) {
  return Weights(std::make_shared<RandomSource>(seed, dtype));
}

}  // namespace trireme
