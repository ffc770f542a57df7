#include "src/weights/slice_reader.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <future>
#include <memory>

#include "parallel/error.h"
#include "src/weights/numbers.h"

namespace trireme {
namespace {

constexpr int64_t kHostBlock = 1 << 20;    // stays in the second-level cache
constexpr int64_t kDeviceBlock = 8 << 20;  // long enough to hide a transfer's start
constexpr int64_t kLentBytes =
    1 << 20;  // from here on; for less a mapping costs more than it spares
constexpr int64_t kHugePage = 2 << 20;
// Threads of our own, not ATen's: a rank's share is read by as many as it may use, few are enough,
// and each has work for longer than it takes to start.
constexpr int64_t kMaxWorkers = 4;
constexpr int64_t kWorkerBytes = 4 << 20;

// Huge pages spare the kernel 512 faults of 513, which take as long as the reading itself. Only
// whole pages inside the tensor: its memory does not grow.
void advise_huge_pages(const at::Tensor& tensor) {
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + tensor.nbytes()) / kHugePage * kHugePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

}  // namespace

void SliceReader::read_into(const at::Tensor& out) {
  out.device().is_cpu() ? read_to_host(out) : read_to_device(out);
  refuse_bad_numbers();
}

at::Tensor SliceReader::map() {
  const auto runs = blocks_of(tensor_, dim_, part_, std::numeric_limits<int64_t>::max());
  const bool together = runs.size() == 1 && runs[0].rows == 1;
  if (!together || runs[0].run < kLentBytes || scalar_type(tensor_.type) != type_) return {};
  if (runs[0].file_offset % bytes_of(tensor_.type) != 0) return {};  // as few files have it
  auto pages = file_.map(runs[0].run, runs[0].file_offset);
  if (!pages) return {};
  const char* begin = pages.get();
  share_out(blocks_of(tensor_, dim_, part_, kHostBlock),
            [&](const Block& block, char*) { check(block, begin + block.slice_offset); });
  refuse_bad_numbers();
  return at::from_blob(
      const_cast<char*>(begin), shape(), [pages](void*) {}, at::TensorOptions().dtype(type_));
}

void SliceReader::read_to_host(const at::Tensor& out) {
  advise_huge_pages(out);
  auto* base = static_cast<char*>(out.data_ptr());
  share_out(blocks_of(tensor_, dim_, part_, kHostBlock), [&](const Block& block, char* buffer) {
    fill(block, buffer, base + first_element(block) * out.element_size());
  });
}

// Block by block too, so that the host never holds a whole tensor of the device.
void SliceReader::read_to_device(const at::Tensor& out) {
  const auto blocks = blocks_of(tensor_, dim_, part_, kDeviceBlock);
  const int64_t longest = std::min(kDeviceBlock / bytes_of(tensor_.type), out.numel());
  const std::unique_ptr<char[]> buffer(new char[kDeviceBlock]);
  const auto host = at::empty({longest}, at::TensorOptions().dtype(type_));
  const auto flat = out.view({-1});
  for (const auto& block : blocks) {
    fill(block, buffer.get(), host.data_ptr());
    const int64_t count = elements(block);
    flat.narrow(0, first_element(block), count).copy_(host.narrow(0, 0, count));
  }
}

void SliceReader::share_out(const std::vector<Block>& blocks, const Work& work) const {
  const auto pieces = static_cast<int64_t>(blocks.size());
  const int64_t workers =
      std::min({pieces * kHostBlock / kWorkerBytes, kMaxWorkers, int64_t{at::get_num_threads()}});
  std::atomic<size_t> next{0};
  const auto worker = [&] {
    const std::unique_ptr<char[]> buffer(new char[kHostBlock]);
    for (size_t i = next++; i < blocks.size(); i = next++) work(blocks[i], buffer.get());
  };
  std::vector<std::future<void>> others;  // their destructors wait, also when this thread throws
  for (int64_t i = 1; i < workers; ++i) others.push_back(std::async(std::launch::async, worker));
  worker();
  for (auto& other : others) other.get();
}

void SliceReader::fill(const Block& block, char* buffer, void* to) {
  const bool convert = scalar_type(tensor_.type) != type_;
  auto* raw = convert ? buffer : static_cast<char*>(to);
  gather(block, buffer, raw);
  if (convert) convert_numbers(raw, tensor_.type, to, type_, elements(block));
  check(block, to);
}

// The block's bytes at `to`, which may be the buffer itself: rows only move forward.
void SliceReader::gather(const Block& block, char* buffer, char* to) const {
  if (block.rows == 1 || block.run >= kLongRun) {
    for (int64_t row = 0; row < block.rows; ++row) {
      file_.read(to + row * block.run, block.run, block.file_offset + row * block.stride);
    }
    return;
  }
  file_.read(buffer, block.span(), block.file_offset);
  for (int64_t row = 0; row < block.rows; ++row) {
    std::memmove(to + row * block.run, buffer + row * block.stride, block.run);
  }
}

void SliceReader::check(const Block& block, const void* numbers) {
  const int64_t bad = first_not_finite(numbers, type_, elements(block));
  if (bad >= 0) note(first_element(block) + bad);
}

void SliceReader::note(int64_t index) {
  int64_t known = first_bad_.load();
  while (index < known && !first_bad_.compare_exchange_weak(known, index)) {
  }
}

void SliceReader::refuse_bad_numbers() const {
  const int64_t index = first_bad_.load();
  if (index == kNone) return;
  const auto at = coordinates_of(tensor_, dim_, part_, index);
  double value = stored_value(at);
  if (std::isnan(value)) value = std::fabs(value);  // a NaN's sign says nothing
  const auto what = fmt::format("[weights] {}: {}[{}] is {}", file_.place(), tensor_.name,
                                fmt::join(at, ", "), value);
  if (std::isfinite(value)) {
    throw Error(Exit::kBadData, fmt::format("{} -> it must fit {} -> use dtype bfloat16 or float32",
                                            what, dtype_name(stored_type(type_))));
  }
  throw Error(Exit::kBadData, fmt::format("{} -> weights must be finite -> the file is damaged, or "
                                          "training or a conversion overflowed",
                                          what));
}

// What the file holds there: a number that is finite in the file did not fit the type.
double SliceReader::stored_value(const std::vector<int64_t>& at) const {
  int64_t offset = 0;
  for (size_t d = 0; d < at.size(); ++d) offset = offset * tensor_.shape[d] + at[d];
  char raw[8];
  double value = 0;
  const int64_t bytes = bytes_of(tensor_.type);
  file_.read(raw, bytes, tensor_.begin + offset * bytes);
  convert_numbers(raw, tensor_.type, &value, at::kDouble, 1);
  return value;
}

std::vector<int64_t> SliceReader::shape() const {
  auto shape = tensor_.shape;
  if (!shape.empty()) shape[dim_] = part_.length;
  return shape;
}

int64_t SliceReader::first_element(const Block& block) const {
  return block.slice_offset / bytes_of(tensor_.type);
}

int64_t SliceReader::elements(const Block& block) const {
  return block.bytes() / bytes_of(tensor_.type);
}

}  // namespace trireme
