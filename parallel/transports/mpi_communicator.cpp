#include "parallel/transports/mpi_communicator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace trireme {
namespace {

using Clock = std::chrono::steady_clock;

// From eager to patient: a short wait costs no switch, a long one leaves the core to others.
class Backoff {
 public:
  // Says whether the wait is a long one by now.
  bool pause() {
    if (++rounds_ < 200) return false;
    if (rounds_ < 1000) {
      sched_yield();
    } else {
      usleep(rounds_ < 2000 ? 10 : 100);
    }
    return rounds_ > 2000;
  }

 private:
  int rounds_ = 0;
};

}  // namespace

void MpiWorld::pulse(int waits_for) {
  inquiry.answer(waits_for, place.text());
  const auto complaint = inquiry.complaint();
  if (complaint.empty()) return;
  throw Error(Exit::kUnavailable,
              fmt::format("{}: no answer for {:g} s -> every rank must come to its next "
                          "operation -> {}",
                          place.text(), options.deadline.count() / 1e3, complaint));
}

void check_mpi(int code, const Place& place, const char* operation) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw Error(Exit::kUnavailable,
              fmt::format("{}: {} failed: {} -> every rank must be reachable and run the same "
                          "program -> a rank died, or the network is down",
                          place.text(), operation, std::string_view(text, length)));
}

MpiCommunicator::MpiCommunicator(MPI_Comm comm) : comm_(comm) {
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

void MpiCommunicator::sweep() {
  const auto finished = [](LeftAlone& transfer) {
    return std::all_of(transfer.requests.begin(), transfer.requests.end(), [](MpiRequest& request) {
      int done = 0;
      return MPI_Test(&request.handle, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
    });
  };
  left_alone_.erase(std::remove_if(left_alone_.begin(), left_alone_.end(), finished),
                    left_alone_.end());
}

MpiCommunicator::~MpiCommunicator() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized != 0) return;
  Backoff patience;
  for (const auto until = Clock::now() + std::chrono::milliseconds(500);
       !left_alone_.empty() && Clock::now() < until; patience.pause()) {
    sweep();
  }
  // In good order all is delivered by now. Otherwise there was an error and the process is about to
  // end: until then MPI may write into these tensors, so they are never freed.
  if (left_alone_.empty()) {
    MPI_Comm_free(&comm_);
  } else {
    new auto(std::move(left_alone_));
  }
}

std::vector<int> MpiCommunicator::world_ranks(const std::vector<int>& ranks) const {
  MPI_Group here, world;
  MPI_Comm_group(comm_, &here);
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  std::vector<int> names(ranks.size());
  MPI_Group_translate_ranks(here, static_cast<int>(ranks.size()), ranks.data(), world,
                            names.data());
  MPI_Group_free(&here);
  MPI_Group_free(&world);
  return names;
}

void MpiWait::for_all(std::vector<MpiRequest>& requests) {
  const auto until = Clock::now() + world_.options.deadline;
  Backoff patience;
  while (!over(requests)) {
    if (Clock::now() > until) throw too_late(requests);
    if (patience.pause()) answer(requests);
  }
  requests.clear();
}

void MpiWait::answer(const std::vector<MpiRequest>& requests) const {
  const auto missing = missing_of(requests);
  world_.pulse(missing.empty() ? -1 : missing.front());
}

bool MpiWait::over(std::vector<MpiRequest>& requests) const {
  return std::count_if(requests.begin(), requests.end(),
                       [&](MpiRequest& request) { return !finished(request); }) == 0;
}

bool MpiWait::finished(MpiRequest& request) const {
  if (request.handle == MPI_REQUEST_NULL) return true;
  int done = 0;
  MPI_Status status;
  check_mpi(MPI_Test(&request.handle, &done, &status), world_.place, operation_);
  if (done == 0) return false;
  int bytes = 0;
  if (request.expected >= 0) MPI_Get_count(&status, MPI_BYTE, &bytes);
  if (request.expected < 0 || bytes == request.expected) return true;
  throw Error(Exit::kBug,
              fmt::format("{}: {} got {} bytes from rank {} -> {} -> the ranks run different "
                          "programs",
                          world_.place.text(), operation_, bytes,
                          comm_.world_ranks({request.peer})[0], request.expected));
}

// Ranks of the world.
std::vector<int> MpiWait::missing_of(const std::vector<MpiRequest>& requests) const {
  std::vector<int> missing;
  for (const auto& request : requests) {
    if (request.handle == MPI_REQUEST_NULL || request.peer == MpiRequest::kWholeGroup) continue;
    missing.push_back(request.peer);
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  return comm_.world_ranks(missing);
}

// All that is asked is answered within a second deadline.
Error MpiWait::too_late(const std::vector<MpiRequest>& requests) const {
  const auto deadline = world_.options.deadline;
  const auto missing = missing_of(requests);
  const auto where = world_.place.text();
  const auto whom =
      missing.empty() ? std::string() : fmt::format(" for rank {}", fmt::join(missing, ", "));
  const auto cause =
      missing.empty() ? "another rank died or hangs" : world_.inquiry.cause(missing.front(), where);
  return Error(Exit::kUnavailable,
               fmt::format("{}: {} waited {:g} s{} -> every rank of the group must take part -> "
                           "{}",
                           where, operation_, deadline.count() / 1e3, whom, cause));
}

}  // namespace trireme
