// Place: who a rank is and what it is at, which is how its errors begin: "[mpi] rank 2 of 4 (host):
// stage 1, step 7". One for each rank of a world, shared by all groups split from it; a rank that
// has noted nothing is only named. Notes are a rank's own, but a watchdog may read them meanwhile.
#pragma once

#include <mutex>
#include <string>
#include <utility>

namespace trireme {

class Place {
 public:
  explicit Place(std::string who) : who_(std::move(who)) {}

  void note(const std::string& where) {
    const std::lock_guard held(lock_);
    where_ = where;
  }
  std::string text() const {
    const std::lock_guard held(lock_);
    return where_.empty() ? who_ : who_ + ": " + where_;
  }

 private:
  const std::string who_;
  mutable std::mutex lock_;
  std::string where_;
};

}  // namespace trireme
