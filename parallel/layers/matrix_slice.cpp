#include "parallel/layers/matrix_slice.h"

#include <ATen/Parallel.h>

#include <algorithm>

namespace trireme {
namespace {

constexpr int64_t kChunkNumbers = 1 << 18;  // 1 MiB, and a few times that for what is made of it

}  // namespace

at::Tensor largest_over(const Group& group, const at::Tensor& x) {
  return group.alone() ? x : group.all_gather(x.unsqueeze(0), 0).amax(0);
}

MatrixSlice::MatrixSlice(Weights weights, std::string name, int64_t out, int64_t in, MatrixCut cut)
    : weights_(std::move(weights)),
      name_(std::move(name)),
      out_(out),
      in_(in),
      cut_(std::move(cut)),
      rows_(cut_.dim == 0 ? cut_.part : Part{0, out}),
      columns_(cut_.dim == 1 ? cut_.part : Part{0, in}) {}

at::Tensor MatrixSlice::read(int64_t dim, Part part) const {
  auto numbers = at::empty({dim == 0 ? part.length : out_, dim == 1 ? part.length : in_},
                           at::TensorOptions().dtype(at::kFloat).device(device()));
  weights_.read_into(numbers, name_, {out_, in_}, dim, part);
  return numbers;
}

void MatrixSlice::for_each_chunk(const std::function<void(const at::Tensor&, Part)>& take,
                                 Order order) const {
  if (cuts_columns() && !cut_columns_.defined()) cut_columns_ = read(1, columns_);
  const int64_t step = std::max<int64_t>(1, kChunkNumbers / std::max<int64_t>(1, columns()));
  const int64_t chunks = (rows() + step - 1) / step;
  const bool inference = c10::InferenceMode::is_enabled();  // is a thread's own
  const auto some = [&](int64_t begin, int64_t end) {
    const c10::InferenceMode mode(inference);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const Part part{chunk * step, std::min(step, rows() - chunk * step)};
      take(cuts_columns() ? cut_columns_.narrow(0, part.begin, part.length)
                          : read(0, {rows_.begin + part.begin, part.length}),
           part);
    }
  };
  // The first alone: a source notes what is used, and only then may be read by several threads.
  some(0, std::min<int64_t>(1, chunks));
  if (order == Order::kAny && device().is_cpu()) {
    at::parallel_for(1, chunks, 1, some);
  } else {
    some(1, chunks);
  }
}

}  // namespace trireme
