#include "src/weights/safetensors_file.h"

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <future>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "parallel/error.h"
#include "src/weights/numbers.h"
#include "src/weights/slice.h"

namespace trireme {
namespace {

constexpr int64_t kHostBlock = 1 << 20;    // stays in the second-level cache
constexpr int64_t kDeviceBlock = 8 << 20;  // long enough to hide a transfer's start
constexpr int64_t kHugePage = 2 << 20;
// Threads of our own, not ATen's: a rank's share is read by as many as it may use, few are enough,
// and each has work for longer than it takes to start.
constexpr int64_t kMaxWorkers = 4;
constexpr int64_t kWorkerBytes = 4 << 20;

Exit exit_of(int error) {
  if (error == ENOENT || error == ENOTDIR) return Exit::kMissingInput;
  if (error == EACCES || error == EPERM) return Exit::kNoPermission;
  return Exit::kInputOutput;
}

// Huge pages spare the kernel 512 faults of 513, which take as long as the reading itself. Only
// whole pages inside the tensor: its memory does not grow.
void advise_huge_pages(const at::Tensor& tensor) {
  const auto begin = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + tensor.nbytes()) / kHugePage * kHugePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

// One slice on its way from the file into a tensor.
class SliceReader {
 public:
  SliceReader(const ReadOnlyFile& file, const StoredTensor& tensor, int64_t dim, Part part,
              at::ScalarType type)
      : file_(file), tensor_(tensor), dim_(dim), part_(part), type_(type) {}

  void read_into(const at::Tensor& out) {
    out.device().is_cpu() ? read_to_host(out) : read_to_device(out);
    if (const int64_t index = first_bad_.load(); index != kNone) refuse(index);
  }

 private:
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();

  void read_to_host(const at::Tensor& out) {
    advise_huge_pages(out);
    const auto blocks = blocks_of(tensor_, dim_, part_, kHostBlock);
    const int64_t bytes = static_cast<int64_t>(out.nbytes());
    const int64_t workers =
        std::min({bytes / kWorkerBytes, kMaxWorkers, int64_t{at::get_num_threads()}});
    std::atomic<size_t> next{0};
    const auto work = [&] {
      const std::unique_ptr<char[]> buffer(new char[kHostBlock]);
      auto* base = static_cast<char*>(out.data_ptr());
      for (size_t i = next++; i < blocks.size(); i = next++) {
        fill(blocks[i], buffer.get(), base + first_element(blocks[i]) * out.element_size());
      }
    };
    std::vector<std::future<void>> others;  // their destructors wait, also when this thread throws
    for (int64_t i = 1; i < workers; ++i) others.push_back(std::async(std::launch::async, work));
    work();
    for (auto& other : others) other.get();
  }

  // Block by block too, so that the host never holds a whole tensor of the device.
  void read_to_device(const at::Tensor& out) {
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

  void fill(const Block& block, char* buffer, void* to) {
    const bool convert = scalar_type(tensor_.type) != type_;
    auto* raw = convert ? buffer : static_cast<char*>(to);
    gather(block, buffer, raw);
    if (convert) convert_numbers(raw, tensor_.type, to, type_, elements(block));
    if (const int64_t bad = first_not_finite(to, type_, elements(block)); bad >= 0) {
      note(first_element(block) + bad);
    }
  }

  // The block's bytes at `to`, which may be the buffer itself: rows only move forward.
  void gather(const Block& block, char* buffer, char* to) const {
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

  int64_t first_element(const Block& block) const {
    return block.slice_offset / bytes_of(tensor_.type);
  }
  int64_t elements(const Block& block) const { return block.bytes() / bytes_of(tensor_.type); }

  void note(int64_t index) {
    int64_t known = first_bad_.load();
    while (index < known && !first_bad_.compare_exchange_weak(known, index)) {
    }
  }

  // What the file holds there: a number that is finite in the file did not fit the type.
  double stored_value(const std::vector<int64_t>& at) const {
    int64_t offset = 0;
    for (size_t d = 0; d < at.size(); ++d) offset = offset * tensor_.shape[d] + at[d];
    char raw[8];
    double value = 0;
    const int64_t bytes = bytes_of(tensor_.type);
    file_.read(raw, bytes, tensor_.begin + offset * bytes);
    convert_numbers(raw, tensor_.type, &value, at::kDouble, 1);
    return value;
  }

  [[noreturn]] void refuse(int64_t index) const {
    const auto at = coordinates_of(tensor_, dim_, part_, index);
    double value = stored_value(at);
    if (std::isnan(value)) value = std::fabs(value);  // a NaN's sign says nothing
    const auto what = fmt::format("[weights] {}: {}[{}] is {}", file_.place(), tensor_.name,
                                  fmt::join(at, ", "), value);
    if (std::isfinite(value)) {
      throw Error(Exit::kBadData,
                  fmt::format("{} -> it must fit {} -> use dtype bfloat16 or float32", what,
                              dtype_name(stored_type(type_))));
    }
    throw Error(Exit::kBadData,
                fmt::format("{} -> weights must be finite -> the file is damaged, or "
                            "training or a conversion overflowed",
                            what));
  }

  const ReadOnlyFile& file_;
  const StoredTensor& tensor_;
  int64_t dim_;
  Part part_;
  at::ScalarType type_;
  std::atomic<int64_t> first_bad_{kNone};
};

}  // namespace

ReadOnlyFile::ReadOnlyFile(const std::filesystem::path& path) : place_(path.string()) {
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) {
    const int error = errno;
    throw Error(exit_of(error), fmt::format("[weights] {}: {} -> it must be readable -> a wrong "
                                            "path, its rights, or an incomplete download",
                                            place_, std::strerror(error)));
  }
  struct stat info = {};
  if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd_);
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: not a regular file -> a file is needed -> a wrong path",
                            place_));
  }
  size_ = info.st_size;
}

ReadOnlyFile::ReadOnlyFile(ReadOnlyFile&& other) noexcept
    : place_(std::move(other.place_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

ReadOnlyFile::~ReadOnlyFile() {
  if (fd_ >= 0) ::close(fd_);
}

void ReadOnlyFile::read(void* buffer, int64_t bytes, int64_t offset) const {
  auto* to = static_cast<char*>(buffer);
  while (bytes > 0) {
    const ssize_t got = ::pread(fd_, to, bytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      throw Error(
          Exit::kInputOutput,
          fmt::format("[weights] {}: {} at byte {} -> {} more bytes are needed -> {}", place_,
                      got < 0 ? std::strerror(errno) : "the file ends", offset, bytes,
                      got < 0 ? "a failing disk or network file system"
                              : "something shortened it while it was read"));
    }
    to += got, offset += got, bytes -= got;
  }
}

SafetensorsHeader read_safetensors_header(const ReadOnlyFile& file) {
  std::string start(std::min<int64_t>(8, file.size()), '\0');
  file.read(start.data(), static_cast<int64_t>(start.size()), 0);
  std::string json(safetensors_header_length(start, file.size(), file.place()), '\0');
  file.read(json.data(), static_cast<int64_t>(json.size()), 8);
  return parse_safetensors_header(json, file.size(), file.place());
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), header_(read_safetensors_header(file_)) {
  for (const auto& tensor : header_.tensors) by_name_[tensor.name] = &tensor;
}

const StoredTensor* SafetensorsFile::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

void SafetensorsFile::read_into(const at::Tensor& destination, const StoredTensor& tensor,
                                int64_t dim, Part part) const {
  auto shape = tensor.shape;
  const auto dims = static_cast<int64_t>(shape.size());
  bool inside = dims == 0 ? dim == 0 && part == Part{0, 1} : dim >= 0 && dim < dims;
  if (inside && dims > 0) {
    inside = part.begin >= 0 && part.length >= 0 && part.end() <= shape[dim];
    shape[dim] = part.length;
  }
  if (!inside || !destination.sizes().equals(shape)) {
    throw Error(Exit::kBug,
                fmt::format("[weights] {}: {} has shape [{}] -> its slice {} to {} of dimension {} "
                            "cannot fill [{}] -> a wrong cut in a layer",
                            place(), tensor.name, fmt::join(tensor.shape, ", "), part.begin,
                            part.end(), dim, fmt::join(destination.sizes(), ", ")));
  }
  const auto dense = destination.is_contiguous()
                         ? destination
                         : at::empty_like(destination, at::MemoryFormat::Contiguous);
  SliceReader(file_, tensor, dim, part, destination.scalar_type()).read_into(dense);
  if (!dense.is_same(destination)) destination.copy_(dense);
}

at::Tensor SafetensorsFile::read(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    throw Error(Exit::kBadData,
                fmt::format("[weights] {}: no tensor {} -> it is needed -> the file "
                            "was made for something else",
                            place(), name));
  }
  const Part all{0, tensor->shape.empty() ? 1 : tensor->shape[0]};
  const auto out = at::empty(tensor->shape, scalar_type(tensor->type));
  read_into(out, *tensor, 0, all);
  return out;
}

}  // namespace trireme
