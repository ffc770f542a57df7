#include "src/config/mapped_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/config/text.h"

namespace trireme {

struct MappedText::Bytes {
  void* mapped = MAP_FAILED;
  size_t size = 0;
  std::string read;

  bool map(const std::string& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    struct stat status {};
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
      size = static_cast<size_t>(status.st_size);
      mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    }
    close(descriptor);
    return mapped != MAP_FAILED;
  }
  ~Bytes() {
    if (mapped != MAP_FAILED) munmap(mapped, size);
  }
};

MappedText::MappedText(const std::string& path, const std::string& place, const std::string& what) {
  auto bytes = std::make_shared<Bytes>();
  if (!bytes->map(path)) bytes->read = read_text(path, place, what);
  bytes_ = std::move(bytes);
}

std::string_view MappedText::text() const {
  if (!bytes_) return {};
  if (bytes_->mapped == MAP_FAILED) return bytes_->read;
  return {static_cast<const char*>(bytes_->mapped), bytes_->size};
}

void MappedText::let_go() const {
  if (bytes_ && bytes_->mapped != MAP_FAILED) madvise(bytes_->mapped, bytes_->size, MADV_DONTNEED);
}

}  // namespace trireme
