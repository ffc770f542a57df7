// KeyMap: makes the TensorMap of a component, one rule after the other, as a table of names reads:
//   m.layer("t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1", {width, 256});
// The left name is the file's, the right one the model's, the shape what the file must have. A
// tensor that is missing, of another shape, not floating point, or left over at the end is an Error
// (kBadData) before any weight is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "src/weights/mapped_file.h"

namespace trireme {

class KeyMap {
 public:
  using Shape = std::vector<int64_t>;

  // The tensors of the file whose names begin with `prefix`, which the rules leave out. `kind` is
  // what they are to be, for messages: "an SD3 transformer".
  KeyMap(std::string place, std::string kind, const std::vector<StoredTensor>& tensors,
         const std::string& prefix);

  const std::string& place() const { return place_; }
  // What it is to be, once more of it is known.
  void call(std::string kind) { kind_ = std::move(kind); }

  bool has(const std::string& old) const { return tensors_.contains(old); }
  // Some name begins like this.
  bool any(std::string_view begin) const;
  // Error if there is no such tensor, or its number of dimensions is another.
  const Shape& shape(const std::string& old, size_t dims) const;
  // One more than the largest i of names BEGIN + i + "...".
  int64_t count(std::string_view begin) const;

  void tensor(const std::string& old, const std::string& name, const Shape& shape);
  // A part of the rows for each name, all of one size.
  void split(const std::string& old, const std::vector<std::string>& names, const Shape& shape);
  // The second half of the rows before the first.
  void swap_halves(const std::string& old, const std::string& name, const Shape& shape);
  void transposed(const std::string& old, const std::string& name, const Shape& shape);
  // A matrix of n x n that the file does not hold.
  void identity(const std::string& name, int64_t n);
  // A 1 x 1 convolution as the matrix that it is; `shape` is the matrix', which may stand there
  // too.
  void pointwise(const std::string& old, const std::string& name, const Shape& shape);

  // As above for .weight of that shape and .bias of its rows.
  void layer(const std::string& old, const std::string& name, const Shape& weight);
  void split_layer(const std::string& old, const std::vector<std::string>& names,
                   const Shape& weight);
  void swap_halves_layer(const std::string& old, const std::string& name, const Shape& weight);
  void pointwise_layer(const std::string& old, const std::string& name, const Shape& weight);

  // What the model does not need, if it is there; names or what they end with after a *.
  void ignore(const std::vector<std::string>& patterns);
  TensorMap finish() &&;

  // [weights] FILE: value -> KIND needs requirement -> cause
  [[noreturn]] void refuse(const std::string& value, const std::string& requirement,
                           const std::string& cause) const;

 private:
  const StoredTensor& find(const std::string& old) const;
  const StoredTensor& take(const std::string& old, const Shape& shape);
  void add(const std::string& name, Shape shape, std::vector<StoredTensor> pieces);
  std::string full(const std::string& old) const { return prefix_ + old; }

  std::string place_, kind_, prefix_;
  std::unordered_map<std::string, const StoredTensor*> tensors_;  // by the name behind the prefix
  std::unordered_set<std::string> used_;
  TensorMap map_;
};

}  // namespace trireme
