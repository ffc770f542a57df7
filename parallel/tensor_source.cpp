#include "parallel/tensor_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "parallel/error.h"

namespace trireme {

void TensorSource::expect(const std::string& name, at::IntArrayRef shape) const {
  const auto stored = this->shape(name);
  if (at::IntArrayRef(stored).equals(shape)) return;
  throw Error(Exit::kBadData,
              fmt::format("[weights] {}: {} has shape [{}] -> [{}] is needed -> the file does not "
                          "belong to the config.json beside it",
                          place(name), name, fmt::join(stored, ", "), fmt::join(shape, ", ")));
}

at::Tensor TensorSource::read(const std::string& name, int64_t dim, Part part) {
  auto sizes = shape(name);
  if (!sizes.empty()) sizes.at(dim) = part.length;
  auto whole = at::empty(sizes, options(name));
  read_into(whole, name, dim, part);
  return whole;
}

Weights Weights::operator/(const std::string& child) const {
  return Weights(source_, path(child));
}

std::string Weights::path(const std::string& name) const {
  return prefix_.empty() ? name : prefix_ + "." + name;
}

bool Weights::has(const std::string& name) const {
  return source_->has(path(name));
}

void Weights::elsewhere() const {
  source_->elsewhere(prefix_);
}

at::TensorOptions Weights::options(const std::string& name) const {
  return source_->options(path(name));
}

std::optional<StoredCodes> Weights::codes(const std::string& name) const {
  return has(name) ? source_->codes(path(name)) : std::nullopt;
}

std::string Weights::where(const std::string& name) const {
  return source_->place(path(name)) + ": " + path(name);
}

at::Tensor Weights::read(const std::string& name, at::IntArrayRef shape) const {
  return read(name, shape, 0, {0, shape.empty() ? 1 : shape[0]});
}

at::Tensor Weights::read(const std::string& name, at::IntArrayRef shape, int64_t dim,
                         Part part) const {
  source_->expect(path(name), shape);
  const auto tensor = source_->read(path(name), dim, part);
  keep(tensor);
  return tensor;
}

void Weights::read_into(const at::Tensor& destination, const std::string& name,
                        at::IntArrayRef shape, int64_t dim, Part part) const {
  source_->expect(path(name), shape);
  source_->read_into(destination, path(name), dim, part);
}

at::Tensor Weights::read_if(bool wanted, const std::string& name, at::IntArrayRef shape) const {
  return wanted ? read(name, shape) : at::Tensor();
}

at::Tensor read_stacked(at::ArrayRef<Weights> scopes, const std::string& name,
                        at::IntArrayRef shape, int64_t dim, Part part) {
  auto sizes = shape.vec();
  sizes.at(dim) = part.length;
  const auto height = sizes[0];
  sizes[0] *= static_cast<int64_t>(scopes.size());
  auto stacked = at::empty(sizes, scopes.front().options(name));
  for (size_t i = 0; i < scopes.size(); ++i) {
    scopes[i].read_into(stacked.narrow(0, i * height, height), name, shape, dim, part);
  }
  scopes.front().keep(stacked);
  return stacked;
}

}  // namespace trireme
