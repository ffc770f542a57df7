#include "src/weights/safetensors_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include "parallel/error.h"
#include "src/weights/numbers.h"

namespace trireme {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, int error) {
  Exit exit = Exit::kInputOutput;
  std::string_view cause = "a failing disk or network file system";
  if (error == ENOSPC || error == EDQUOT)
    cause = "the disk or the quota is full: free some, resume";
  if (error == EACCES || error == EPERM || error == EROFS) {
    exit = Exit::kNoPermission;
    cause = "the folder's rights, or a read-only file system";
  }
  if (error == ENOENT || error == ENOTDIR || error == EISDIR || error == ENAMETOOLONG) {
    exit = Exit::kCannotCreate;
    cause = "its folder is not there, or the name is taken";
  }
  throw Error(exit, fmt::format("[safetensors] {}: {} -> it must be written -> {}", path.string(),
                                std::strerror(error), cause));
}

// The file under its other name: removed at the end unless it was published.
class PartialFile {
 public:
  explicit PartialFile(const std::filesystem::path& path)
      : path_(path),
        partial_(path.parent_path() / fmt::format(".{}.partial", path.filename().string())) {
    fd_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) refuse(path_, errno);
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!published_) ::unlink(partial_.c_str());
  }

  void write(const char* data, size_t bytes) const {
    while (bytes > 0) {
      const ssize_t done = ::write(fd_, data, bytes);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) refuse(path_, errno);
      data += done;
      bytes -= done;
    }
  }

  void publish() {
    if (::fsync(fd_) != 0) refuse(path_, errno);
    if (::close(std::exchange(fd_, -1)) != 0) refuse(path_, errno);
    if (::rename(partial_.c_str(), path_.c_str()) != 0) refuse(path_, errno);
    published_ = true;
    sync_folder();
  }

 private:
  // The new name itself must survive a power cut. Some file systems cannot sync a folder: no
  // matter.
  void sync_folder() const {
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
  }

  std::filesystem::path path_;
  std::filesystem::path partial_;
  int fd_ = -1;
  bool published_ = false;
};

std::string header_of(const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    if (header.contains(name) || name == "__metadata__") {
      throw Error(Exit::kBug,
                  fmt::format("[safetensors] {}: the name is taken -> tensors need names "
                              "of their own -> the caller's mistake",
                              name));
    }
    const auto bytes = static_cast<int64_t>(tensor.nbytes());
    header[name] = {{"dtype", name_of(stored_type(tensor.scalar_type()))},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {at, at + bytes}}};
    at += bytes;
  }
  try {
    std::string json = header.dump();
    json.resize((json.size() + 7) / 8 * 8, ' ');  // the data begins at a multiple of 8
    return json;
  } catch (const nlohmann::json::exception&) {
    throw Error(Exit::kBadData,
                "[safetensors] metadata is not UTF-8 -> UTF-8 is needed -> a prompt "
                "in another encoding");
  }
}

std::string length_prefix(uint64_t length) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(length >> (8 * i) & 0xff);
  return out;
}

// Hands the file's bytes to `sink`, piece by piece.
template <typename Sink>
void serialise(const std::vector<NamedTensor>& tensors,
               const std::map<std::string, std::string>& metadata, Sink sink) {
  const std::string header = header_of(tensors, metadata);
  const std::string prefix = length_prefix(header.size());
  sink(prefix.data(), prefix.size());
  sink(header.data(), header.size());
  for (const auto& named : tensors) {
    const auto host = named.tensor.to(at::kCPU).contiguous();
    sink(static_cast<const char*>(host.data_ptr()), host.nbytes());
  }
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  PartialFile file(path);
  serialise(tensors, metadata, [&](const char* data, size_t bytes) { file.write(data, bytes); });
  file.publish();
}

std::string safetensors_bytes(const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::string out;
  serialise(tensors, metadata, [&](const char* data, size_t bytes) { out.append(data, bytes); });
  return out;
}

}  // namespace trireme
