#include "parallel/tensor_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "parallel/error.h"

namespace trireme {

Weights Weights::operator/(const std::string& child) const { return Weights(source_, path(child)); }

std::string Weights::path(const std::string& name) const {
  return prefix_.empty() ? name : prefix_ + "." + name;
}

bool Weights::has(const std::string& name) const { return source_->has(path(name)); }

void Weights::elsewhere() const { source_->elsewhere(prefix_ + "."); }

void Weights::expect_shape(const std::string& name, at::IntArrayRef shape) const {
  const auto stored = source_->shape(path(name));
  if (at::IntArrayRef(stored).equals(shape)) return;
  throw Error(Exit::kBadData,
              fmt::format("[weights] {}: {} has shape [{}] -> [{}] is needed -> the file does not "
                          "belong to the config.json beside it",
                          source_->place(path(name)), path(name), fmt::join(stored, ", "),
                          fmt::join(shape, ", ")));
}

at::Tensor Weights::read(const std::string& name, at::IntArrayRef shape) const {
  return read(name, shape, 0, {0, shape.empty() ? 1 : shape[0]});
}

at::Tensor Weights::read(const std::string& name, at::IntArrayRef shape, int64_t dim,
                         Part part) const {
  expect_shape(name, shape);
  return source_->read(path(name), dim, part);
}

at::Tensor Weights::read_if(bool wanted, const std::string& name, at::IntArrayRef shape) const {
  return wanted ? read(name, shape) : at::Tensor();
}

}  // namespace trireme
