#include "src/weights/key_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

constexpr std::string_view kOther = "a damaged file, or a model of another kind";

std::string listed(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  const size_t shown = std::min<size_t>(names.size(), 3);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + shown, ", "),
                     shown < names.size() ? ", ..." : "");
}

}  // namespace

KeyMap::KeyMap(std::string place, std::string kind, const std::vector<StoredTensor>& tensors,
               const std::string& prefix)
    : place_(std::move(place)), kind_(std::move(kind)), prefix_(prefix) {
  for (const auto& tensor : tensors) {
    if (tensor.name.starts_with(prefix)) tensors_[tensor.name.substr(prefix.size())] = &tensor;
  }
}

bool KeyMap::any(std::string_view begin) const {
  return std::any_of(tensors_.begin(), tensors_.end(),
                     [&](const auto& item) { return item.first.starts_with(begin); });
}

const KeyMap::Shape& KeyMap::shape(const std::string& old, size_t dims) const {
  const auto& shape = find(old).shape;
  if (shape.size() == dims) return shape;
  refuse(fmt::format("{} has shape [{}]", full(old), fmt::join(shape, ", ")),
         fmt::format("{} dimensions there", dims), std::string(kOther));
}

int64_t KeyMap::count(std::string_view begin) const {
  const auto most = static_cast<int64_t>(tensors_.size());  // with one each, and none between
  int64_t out = 0;
  for (const auto& [name, tensor] : tensors_) {
    if (!name.starts_with(begin)) continue;
    int64_t number = -1;
    const char* digits = name.data() + begin.size();
    const auto [end, error] = std::from_chars(digits, name.data() + name.size(), number);
    const bool whole = error == std::errc() && *end == '.';
    if (whole && number >= 0 && number < most) out = std::max(out, number + 1);
  }
  return out;
}

void KeyMap::tensor(const std::string& old, const std::string& name, const Shape& shape) {
  add(name, shape, {take(old, shape)});
}

void KeyMap::split(const std::string& old, const std::vector<std::string>& names,
                   const Shape& shape) {
  const auto& whole = take(old, shape);
  auto part = shape;
  part[0] /= static_cast<int64_t>(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const auto begin = static_cast<int64_t>(i) * part[0];
    add(names[i], part, {rows_of(whole, {begin, part[0]})});
  }
}

void KeyMap::swap_halves(const std::string& old, const std::string& name, const Shape& shape) {
  const auto& whole = take(old, shape);
  const int64_t half = shape[0] / 2;
  add(name, shape, {rows_of(whole, {half, half}), rows_of(whole, {0, half})});
}

void KeyMap::transposed(const std::string& old, const std::string& name, const Shape& shape) {
  add(name, {shape.at(1), shape.at(0)}, {take(old, shape)});
  map_.back().form = MappedTensor::Form::kTransposed;
}

void KeyMap::identity(const std::string& name, int64_t n) {
  add(name, {n, n}, {});
  map_.back().form = MappedTensor::Form::kIdentity;
}

void KeyMap::pointwise(const std::string& old, const std::string& name, const Shape& shape) {
  auto stored = shape;
  if (find(old).shape.size() == 4) stored.insert(stored.end(), {1, 1});
  auto matrix = take(old, stored);
  matrix.shape = shape;
  add(name, shape, {matrix});
}

void KeyMap::layer(const std::string& old, const std::string& name, const Shape& weight) {
  tensor(old + ".weight", name + ".weight", weight);
  tensor(old + ".bias", name + ".bias", {weight.at(0)});
}

void KeyMap::split_layer(const std::string& old, const std::vector<std::string>& names,
                         const Shape& weight) {
  std::vector<std::string> weights, biases;
  for (const auto& name : names) {
    weights.push_back(name + ".weight");
    biases.push_back(name + ".bias");
  }
  split(old + ".weight", weights, weight);
  split(old + ".bias", biases, {weight.at(0)});
}

void KeyMap::swap_halves_layer(const std::string& old, const std::string& name,
                               const Shape& weight) {
  swap_halves(old + ".weight", name + ".weight", weight);
  swap_halves(old + ".bias", name + ".bias", {weight.at(0)});
}

void KeyMap::pointwise_layer(const std::string& old, const std::string& name, const Shape& weight) {
  pointwise(old + ".weight", name + ".weight", weight);
  tensor(old + ".bias", name + ".bias", {weight.at(0)});
}

void KeyMap::ignore(const std::vector<std::string>& patterns) {
  for (const auto& [name, tensor] : tensors_) {
    for (const auto& pattern : patterns) {
      if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) used_.insert(name);
    }
  }
}

TensorMap KeyMap::finish() && {
  std::vector<std::string> left;
  for (const auto& [name, tensor] : tensors_) {
    if (!used_.contains(name)) left.push_back(full(name));
  }
  if (left.empty()) return std::move(map_);
  refuse(fmt::format("{} tensors have no place: {}", left.size(), listed(left)), "none but its own",
         std::string(kOther));
}

void KeyMap::refuse(const std::string& value, const std::string& requirement,
                    const std::string& cause) const {
  throw Error(Exit::kBadData, fmt::format("[weights] {}: {} -> {} needs {} -> {}", place_, value,
                                          kind_, requirement, cause));
}

const StoredTensor& KeyMap::find(const std::string& old) const {
  const auto it = tensors_.find(old);
  if (it != tensors_.end()) return *it->second;
  refuse("no tensor " + full(old), "it", std::string(kOther));
}

const StoredTensor& KeyMap::take(const std::string& old, const Shape& shape) {
  const auto& found = find(old);
  if (found.shape != shape) {
    refuse(fmt::format("{} has shape [{}]", full(old), fmt::join(found.shape, ", ")),
           fmt::format("[{}] there, by its other tensors", fmt::join(shape, ", ")),
           std::string(kOther));
  }
  if (found.type >= StoredType::kI64) {
    refuse(fmt::format("{} holds {}", full(old), dtype_name(found.type)), "floating point",
           "weights quantised for another program");
  }
  used_.insert(old);
  return found;
}

void KeyMap::add(const std::string& name, Shape shape, std::vector<StoredTensor> pieces) {
  map_.push_back({.name = name, .shape = std::move(shape), .pieces = std::move(pieces)});
}

}  // namespace trireme
