#include "tests/src/output/turns.h"

#include <algorithm>
#include <cerrno>
#include <thread>

namespace trireme {
namespace {

class Baton {
 public:
  Baton(std::size_t writers, Schedule schedule)
      : alive_(writers, true), schedule_(std::move(schedule)), holder_(schedule_(0)) {}

  template <class Call>
  auto with_turn(std::size_t writer, Call call) {
    std::unique_lock lock(mutex_);
    moved_.wait(lock, [&] { return holder_ == writer; });
    auto result = call();
    ++calls_;
    pass();
    return result;
  }

  void end(std::size_t writer) {
    const std::lock_guard lock(mutex_);
    alive_[writer] = false;
    if (holder_ == writer) pass();
  }

 private:
  void pass() {
    if (std::none_of(alive_.begin(), alive_.end(), [](bool alive) { return alive; })) return;
    auto next = schedule_(calls_) % alive_.size();
    while (!alive_[next]) next = (next + 1) % alive_.size();
    if (next == holder_) return;
    holder_ = next;
    moved_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable moved_;
  std::vector<bool> alive_;
  Schedule schedule_;
  std::size_t holder_;
  std::int64_t calls_ = 0;
};

// One writer's view of the disk. A dead one's calls do nothing.
class View : public FileSystem {
 public:
  View(FileSystem& disk, Baton& baton, std::size_t writer, std::int64_t kill_at)
      : disk_(disk), baton_(baton), writer_(writer), kill_at_(kill_at) {}

  std::int64_t create(const Path& file) override {
    return turn([&] { return disk_.create(file); });
  }
  std::int64_t open_to_read(const Path& file) override {
    return turn([&] { return disk_.open_to_read(file); });
  }
  std::int64_t close(std::int64_t descriptor) override {
    return turn([&] { return disk_.close(descriptor); });
  }
  std::int64_t write(std::int64_t descriptor, std::string_view bytes) override {
    return turn([&] { return disk_.write(descriptor, bytes); });
  }
  std::int64_t read(std::int64_t descriptor, std::span<char> bytes, std::int64_t at) override {
    return turn([&] { return disk_.read(descriptor, bytes, at); });
  }
  std::int64_t sync(std::int64_t descriptor) override {
    return turn([&] { return disk_.sync(descriptor); });
  }
  std::int64_t link(const Path& from, const Path& to) override {
    return turn([&] { return disk_.link(from, to); });
  }
  std::int64_t rename(const Path& from, const Path& to) override {
    return turn([&] { return disk_.rename(from, to); });
  }
  std::int64_t remove(const Path& file) override {
    return turn([&] { return disk_.remove(file); });
  }
  std::int64_t make_folder(const Path& folder) override {
    return turn([&] { return disk_.make_folder(folder); });
  }
  std::int64_t remove_folder(const Path& folder) override {
    return turn([&] { return disk_.remove_folder(folder); });
  }
  std::int64_t sync_folder(const Path& folder) override {
    return turn([&] { return disk_.sync_folder(folder); });
  }
  FileStatus status(const Path& path) override {
    if (is_dead()) return {.error = -EIO};
    return baton_.with_turn(writer_, [&] { return disk_.status(path); });
  }
  FolderNames list(const Path& folder) override {
    if (is_dead()) return {.error = -EIO, .names = {}};
    return baton_.with_turn(writer_, [&] { return disk_.list(folder); });
  }

 private:
  bool is_dead() { return kill_at_ >= 0 && calls_++ >= kill_at_; }

  template <class Call>
  std::int64_t turn(Call call) {
    if (is_dead()) return -EIO;
    return baton_.with_turn(writer_, call);
  }

  FileSystem& disk_;
  Baton& baton_;
  std::size_t writer_;
  std::int64_t kill_at_, calls_ = 0;
};

}  // namespace

void take_turns(FileSystem& disk, const std::vector<Program>& programs,
                const TurnOptions& options) {
  Baton baton(programs.size(), options.schedule);
  std::vector<std::thread> threads;
  for (std::size_t writer = 0; writer < programs.size(); ++writer)
    threads.emplace_back([&, writer] {
      View view(disk, baton, writer, writer == 0 ? options.kill_first_at : -1);
      programs[writer](view);
      baton.end(writer);
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace trireme
