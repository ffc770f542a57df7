#include "parallel/transports/mpi_inquiry.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

namespace trireme {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kQuestion = 0, kAnswer = 1, kWatch = 2, kWatched = 3, kVerdict = 4;  // tags
constexpr int kLongestVerdict = 1024;
constexpr auto kForAnswers = std::chrono::seconds(1);
constexpr auto kBetweenLooks = std::chrono::milliseconds(2);
constexpr auto kBetweenQuestions = std::chrono::milliseconds(250);  // so often is known where it is

struct Letter {
  int waits_for = -1;
  char where[256] = "";
};

}  // namespace

struct Inquiry::Comm {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0;
};

// A question to the watched rank is under way, or its last answer is there.
struct Inquiry::Watch {
  int rank;
  Clock::time_point asked;
  bool under_way = false;
  MPI_Request reply = MPI_REQUEST_NULL;
  Letter letter = {};
  std::string where = "its first operation";
};

Inquiry::Inquiry(std::chrono::milliseconds deadline)
    : comm_(std::make_unique<Comm>()), deadline_(deadline) {
  MPI_Comm_dup(MPI_COMM_WORLD, &comm_->comm);
  MPI_Comm_set_errhandler(comm_->comm, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm_->comm, &comm_->rank);
}

Inquiry::~Inquiry() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized != 0) return;
  watch_over(-1);
  MPI_Comm_free(&comm_->comm);
}

void Inquiry::watch_over(int rank) {
  if (watch_ && watch_->under_way) {
    MPI_Cancel(&watch_->reply);
    MPI_Wait(&watch_->reply, MPI_STATUS_IGNORE);
  }
  watch_ = rank < 0 ? nullptr : std::make_unique<Watch>(Watch{.rank = rank, .asked = Clock::now()});
}

void Inquiry::ask_watched(Clock::time_point now) {
  watch_->under_way = true;
  watch_->asked = now;
  MPI_Irecv(&watch_->letter, sizeof(Letter), MPI_BYTE, watch_->rank, kWatched, comm_->comm,
            &watch_->reply);
  MPI_Send(nullptr, 0, MPI_BYTE, watch_->rank, kWatch, comm_->comm);
}

std::string Inquiry::complaint() {
  if (!watch_ || !verdict_.empty()) return verdict_;
  const auto now = Clock::now();
  if (!watch_->under_way) {
    if (now - watch_->asked > std::min(deadline_ / 4, kBetweenQuestions)) ask_watched(now);
    return {};
  }
  int came = 0;
  MPI_Test(&watch_->reply, &came, MPI_STATUS_IGNORE);
  if (came != 0) {
    watch_->under_way = false;
    watch_->where = watch_->letter.where;
    return {};
  }
  return now - watch_->asked < deadline_ ? "" : tell_all(silence_of(watch_->rank));
}

std::string Inquiry::silence_of(int rank) const {
  const bool known = watch_ && watch_->rank == rank;
  return fmt::format("rank {} does not answer: it hangs, died, or works longer than the deadline{}",
                     rank, known ? "; it was at " + watch_->where : "");
}

std::string Inquiry::tell_all(const std::string& verdict) {
  int ranks = 0;
  MPI_Comm_size(comm_->comm, &ranks);
  verdict_ = verdict.substr(0, kLongestVerdict);
  for (int rank = 0; rank < ranks; ++rank) {
    MPI_Request request = MPI_REQUEST_NULL;
    if (rank != comm_->rank)
      MPI_Isend(verdict_.data(), static_cast<int>(verdict_.size()), MPI_BYTE, rank, kVerdict,
                comm_->comm, &request);
    if (request != MPI_REQUEST_NULL) MPI_Request_free(&request);
  }
  return verdict_;
}

void Inquiry::hear_verdict() {
  int came = 0, length = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, kVerdict, comm_->comm, &came, &status);
  if (came == 0) return;
  MPI_Get_count(&status, MPI_BYTE, &length);
  std::string verdict(static_cast<size_t>(length), ' ');
  MPI_Recv(verdict.data(), length, MPI_BYTE, status.MPI_SOURCE, kVerdict, comm_->comm,
           MPI_STATUS_IGNORE);
  if (verdict_.empty()) verdict_ = verdict;
}

void Inquiry::reply(int question, int answer, int waits_for, const std::string& where) {
  int asked = 0;
  MPI_Status status;
  MPI_Iprobe(MPI_ANY_SOURCE, question, comm_->comm, &asked, &status);
  if (asked == 0) return;
  const int from = status.MPI_SOURCE;
  MPI_Recv(nullptr, 0, MPI_BYTE, from, question, comm_->comm, MPI_STATUS_IGNORE);
  Letter letter{.waits_for = waits_for};
  where.copy(letter.where, sizeof(letter.where) - 1);
  MPI_Send(&letter, sizeof(letter), MPI_BYTE, from, answer, comm_->comm);
}

void Inquiry::answer(int waits_for, const std::string& where) {
  reply(kQuestion, kAnswer, waits_for, where);
  reply(kWatch, kWatched, waits_for, where);
  hear_verdict();
}

// Meanwhile others may ask us.
Inquiry::Answer Inquiry::ask(int rank, int waits_for, const std::string& where) {
  Letter letter;
  MPI_Request question = MPI_REQUEST_NULL, reply = MPI_REQUEST_NULL;
  MPI_Irecv(&letter, sizeof(letter), MPI_BYTE, rank, kAnswer, comm_->comm, &reply);
  MPI_Isend(nullptr, 0, MPI_BYTE, rank, kQuestion, comm_->comm, &question);
  int came = 0;
  const auto until = Clock::now() + std::min<std::chrono::milliseconds>(deadline_ / 2, kForAnswers);
  while (came == 0 && complaint().empty() && Clock::now() < until) {
    if (MPI_Test(&reply, &came, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
    answer(waits_for, where);
    if (came == 0) std::this_thread::sleep_for(kBetweenLooks);
  }
  if (came != 0) return {true, letter.waits_for, letter.where};
  MPI_Cancel(&reply);  // nothing is written into our letter any more
  MPI_Request_free(&reply);
  return {};
}

std::string Inquiry::cause(int rank, const std::string& where) {
  std::set<int> heard{comm_->rank};
  std::string last;  // what was answered last
  const int waits_for = rank;
  while (heard.insert(rank).second) {
    const auto answer = ask(rank, waits_for, where);
    if (!verdict_.empty()) return verdict_;
    if (!answer.came)
      return tell_all(silence_of(rank) + (last.empty() ? "" : "; waiting for it: " + last));
    last = answer.where;
    if (answer.waits_for < 0) return "all wait for all: " + last;
    rank = answer.waits_for;
  }
  return "ranks wait for each other: " + last;
}

}  // namespace trireme
