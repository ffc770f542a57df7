// SliceReader: one slice of one tensor on its way from the file: read block by block straight into
// the result, converted through a buffer of 1 MiB a thread where the type differs, or lent as pages
// of the file where nothing has to be done to it. Every number is looked at on the way.
#pragma once

#include <ATen/ATen.h>

#include <atomic>
#include <functional>
#include <limits>
#include <vector>

#include "parallel/split.h"
#include "src/weights/read_only_file.h"
#include "src/weights/safetensors_header.h"
#include "src/weights/slice.h"

namespace trireme {

class SliceReader {
 public:
  // Part `part` of dimension `dim`, as numbers of `type`. Holds on to the file and the tensor.
  SliceReader(const ReadOnlyFile& file, const StoredTensor& tensor, int64_t dim, Part part,
              at::ScalarType type)
      : file_(file), tensor_(tensor), dim_(dim), part_(part), type_(type) {}

  // Both throw Error (kBadData) that names the first number that is NaN or infinite, or does not
  // fit the type.
  // Fills a dense tensor of the slice's shape and of `type`.
  void read_into(const at::Tensor& out);
  // The slice in the file's own pages, not to be written to; undefined if it is small or its
  // numbers are of another type or do not stand together.
  at::Tensor map();

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  using Work = std::function<void(const Block& block, char* buffer)>;

  void read_to_host(const at::Tensor& out);
  void read_to_device(const at::Tensor& out);
  // Every block once, by as many threads as there is work for.
  void share_out(const std::vector<Block>& blocks, const Work& work) const;

  void fill(const Block& block, char* buffer, void* to);
  void gather(const Block& block, char* buffer, char* to) const;
  void check(const Block& block, const void* numbers);
  void note(int64_t index);
  void refuse_bad_numbers() const;
  double stored_value(const std::vector<int64_t>& at) const;

  std::vector<int64_t> shape() const;
  int64_t first_element(const Block& block) const;
  int64_t elements(const Block& block) const;

  const ReadOnlyFile& file_;
  const StoredTensor& tensor_;
  int64_t dim_;
  Part part_;
  at::ScalarType type_;
  std::atomic<int64_t> first_bad_{kNone};
};

}  // namespace trireme
