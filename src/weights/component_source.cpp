#include "src/weights/component_source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>

#include "parallel/error.h"
#include "src/weights/bitsandbytes.h"
#include "src/weights/numbers.h"

namespace trireme {

ComponentSource::ComponentSource(const WeightFiles& files, at::ScalarType dtype, at::Device device,
                                 Quantization how)
    : place_(files.place), dtype_(dtype), device_(device), how_(how) {
  for (size_t i = 0; i < files.files.size(); ++i) {
    files_.push_back(files.map ? std::make_unique<MappedFile>(files.files[i], files.map)
                               : std::make_unique<SafetensorsFile>(files.files[i]));
    add(*files_.back(), files, i);
  }
  for (const auto& [name, number] : files.listed) {
    if (has(name)) continue;
    throw Error(Exit::kBadData, fmt::format("[weights] {}: no tensor {} -> {} says it is there -> "
                                            "index and files are of different versions",
                                            files.files[number].string(), name, place_));
  }
  refuse_scaled_float8();
  find_codes();
}

// A tensor that stands in several shards is the one the index points at.
void ComponentSource::add(const SafetensorsFile& file, const WeightFiles& files, size_t number) {
  for (const auto& tensor : file.header().tensors) {
    const auto listed = files.listed.find(tensor.name);
    if (listed != files.listed.end() && listed->second != number) continue;
    if (tensors_.try_emplace(tensor.name, Entry{&file, &tensor}).second) continue;
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: tensor {} is in {} too -> each stands once "
                            "-> shards of different versions",
                            file.place(), tensor.name, place(tensor.name)));
  }
}

// Such a file needs its scales: without them the numbers look fine and are wrong.
void ComponentSource::refuse_scaled_float8() const {
  for (const auto& [name, entry] : tensors_) {
    if (name != "scaled_fp8" && !name.ends_with(".scale_weight")) continue;
    throw Error(Exit::kBadData, fmt::format("[weights] {}: {} marks scaled float8 weights -> plain "
                                            "ones are needed -> use the unscaled fp8 or fp16 file",
                                            entry.file->place(), name));
  }
}

// Whole numbers of 8 bits beside their scales, and bytes beside a text that says what they are.
void ComponentSource::find_codes() {
  for (const auto& [name, entry] : tensors_) {
    if (!name.ends_with("weight")) continue;
    if (entry.tensor->type == StoredType::kI8 && has(beside_weight(name, kInt8Scales))) {
      codes_[name] = {.kind = Quantization::Kind::kInt8, .shape = entry.tensor->shape};
      integers_.insert(name);
      use_if_there(beside_weight(name, kInt8Format));
    }
    if (entry.tensor->type == StoredType::kU8 && has(name + std::string(kNf4State))) add_nf4(name);
  }
}

void ComponentSource::add_nf4(const std::string& name) {
  const auto state = name + std::string(kNf4State);
  codes_[name] = read_nf4_state(*entry(state).file, state);
  used_.insert(state);
  integers_.insert({name, name + std::string(kNf4Scales)});
}

void ComponentSource::use_if_there(const std::string& name) {
  if (has(name)) used_.insert(name);
}

std::optional<StoredCodes> ComponentSource::codes(const std::string& name) const {
  const auto found = codes_.find(name);
  return found == codes_.end() ? std::nullopt : std::optional(found->second);
}

const ComponentSource::Entry& ComponentSource::entry(const std::string& name) const {
  const auto it = tensors_.find(name);
  if (it != tensors_.end()) return it->second;
  throw Error(Exit::kBadData, fmt::format("[weights] {}: no tensor {} -> the model needs it -> the "
                                          "weights do not belong to the config.json beside them",
                                          place_, name));
}

std::vector<int64_t> ComponentSource::shape(const std::string& name) const {
  return entry(name).tensor->shape;
}

at::TensorOptions ComponentSource::options(const std::string& name) const {
  return at::TensorOptions().dtype(landing_type(entry(name).tensor->type, dtype_)).device(device_);
}

const ComponentSource::Entry& ComponentSource::use(const std::string& name) {
  const auto& found = entry(name);
  if (found.tensor->type >= StoredType::kI64 && !integers_.contains(name)) {
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: {} holds {} -> weights must be floating point -> "
                            "quantised elsewhere, or not this component's file",
                            found.file->place(), name, dtype_name(found.tensor->type)));
  }
  if (!used_.contains(name)) used_.insert(name);  // from the second time on it changes nothing
  return found;
}

void ComponentSource::read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                                Part part) {
  const auto& found = use(name);
  found.file->read_into(destination, *found.tensor, dim, part);
}

at::Tensor ComponentSource::read(const std::string& name, int64_t dim, Part part) {
  const auto& found = use(name);
  return found.file->read(*found.tensor, dim, part, options(name));
}

void ComponentSource::elsewhere(const std::string& scope) {
  for (const auto& [name, entry] : tensors_) {
    if (name == scope || name.starts_with(scope + ".")) used_.insert(name);
  }
}

std::string ComponentSource::place(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? place_ : it->second.file->place();
}

void ComponentSource::finish(const std::vector<std::string>& ignored) const {
  std::vector<std::string> left;
  for (const auto& [name, entry] : tensors_) {
    const auto matches = [&name = name](const std::string& pattern) {
      return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    };
    if (used_.contains(name) || std::any_of(ignored.begin(), ignored.end(), matches)) continue;
    left.push_back(name);
  }
  if (left.empty()) return;
  std::sort(left.begin(), left.end());
  const size_t shown = std::min<size_t>(left.size(), 5);
  throw Error(
      Exit::kBadData,
      fmt::format("[weights] {}: {} tensors have no place in the model: {}{} -> each must have "
                  "one -> the weights do not belong to the config.json beside them",
                  place_, left.size(), fmt::join(left.begin(), left.begin() + shown, ", "),
                  shown < left.size() ? ", ..." : ""));
}

}  // namespace trireme
