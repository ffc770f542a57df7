#include "src/report/live_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace trireme {
namespace {

namespace fs = std::filesystem;

std::string hidden_prefix(const fs::path& path) {
  return fmt::format(".{}.", path.filename().string());
}

// A file that somebody else is about to rename may be among them: that one writes it again soon.
void remove_left_behind(const fs::path& path) {
  std::error_code ignored;
  const auto prefix = hidden_prefix(path);
  for (fs::directory_iterator at(path.parent_path(), ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    std::error_code already_gone;
    if (at->path().filename().string().starts_with(prefix)) fs::remove(at->path(), already_gone);
  }
}

int opened(const fs::path& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = open(path.c_str(), flags | O_CREAT | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

// How much was written before an error, which is in errno then.
std::size_t written(int descriptor, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto count = write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void tell_once(TellFailure& tell, const fs::path& path, std::string_view action, int error) {
  const auto told = std::exchange(tell, nullptr);
  if (!told) return;
  told(
      fmt::format("[{}] {}: {} -> a file that can be written -> the run goes on without what it "
                  "would tell there",
                  path.string(), action, std::strerror(error)));
}

}  // namespace

LiveFile::LiveFile(fs::path path, TellFailure tell)
    : path_(std::move(path)),
      hidden_(path_.parent_path() / fmt::format("{}{}", hidden_prefix(path_), getpid())),
      tell_(std::move(tell)) {
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) fail("creating", error.value());
  remove_left_behind(path_);
}

LiveFile::~LiveFile() {
  std::remove(hidden_.c_str());
}

void LiveFile::fail(std::string_view action, int error) {
  std::remove(hidden_.c_str());
  tell_once(tell_, path_, action, error);
}

void LiveFile::replace(std::string_view text) {
  const int descriptor = opened(hidden_, O_WRONLY | O_TRUNC);
  if (descriptor < 0) return fail("creating", errno);
  const auto count = written(descriptor, text);
  const int error = errno;
  close(descriptor);
  if (count < text.size()) return fail("writing", error);
  if (std::rename(hidden_.c_str(), path_.c_str()) != 0) fail("replacing", errno);
}

AppendedFile::AppendedFile(fs::path path, Open open, TellFailure tell)
    : path_(std::move(path)), tell_(std::move(tell)) {
  std::error_code error;
  if (path_.has_parent_path()) fs::create_directories(path_.parent_path(), error);
  descriptor_ = opened(path_, O_RDWR | O_APPEND | (open == Open::kBeginsAnew ? O_TRUNC : 0));
  if (descriptor_ < 0) {
    fail("creating", error ? error.value() : errno);
  } else {
    cut_ = !ends_in_a_line();
  }
}

AppendedFile::~AppendedFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

bool AppendedFile::ends_in_a_line() const {
  const auto size = lseek(descriptor_, 0, SEEK_END);
  char last = '\n';
  return size <= 0 || pread(descriptor_, &last, 1, size - 1) != 1 || last == '\n';
}

void AppendedFile::fail(std::string_view action, int error) {
  tell_once(tell_, path_, action, error);
}

void AppendedFile::line(std::string_view text) {
  if (descriptor_ < 0) return;
  const auto whole = fmt::format("{}{}\n", cut_ ? "\n" : "", text);
  const auto count = written(descriptor_, whole);
  if (count > 0) cut_ = count < whole.size();
  if (count < whole.size()) fail("writing", errno);
}

}  // namespace trireme
