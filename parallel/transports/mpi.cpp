#include "parallel/transports/mpi.h"

#include <fmt/format.h>
#include <mpi.h>

#include <thread>
#include <utility>

#include "parallel/split.h"
#include "parallel/transports/mpi_communicator.h"

namespace trireme {
namespace {

constexpr int kPointToPoint = 0, kCollective = 1;      // tags
constexpr int64_t kLargestMessage = int64_t{1} << 30;  // MPI counts in int
constexpr int64_t kSmallSum = 16 << 10;  // bytes: one round of whole tensors is quicker

class MpiTransport : public Transport {
 public:
  MpiTransport(std::shared_ptr<MpiWorld> world, MPI_Comm comm)
      : world_(std::move(world)), comm_(std::make_shared<MpiCommunicator>(comm)) {}

  int rank() const override { return comm_->rank(); }
  int size() const override { return comm_->size(); }

  std::shared_ptr<Transport> split(int color, int key) override;
  void all_reduce(at::Tensor& x) override;
  void all_gather(std::vector<at::Tensor>& all) override;
  void all_to_all(const std::vector<at::Tensor>& give,
                  const std::vector<at::Tensor>& take) override {
    exchange(give, take, "all_to_all");
  }
  void broadcast(at::Tensor& x, int root) override;
  std::unique_ptr<Transfer> start_send(const at::Tensor& x, int to) override;
  std::unique_ptr<Transfer> start_receive(const at::Tensor& x, int from) override;
  void barrier() override;
  void abort(const std::string& reason, Exit exit) override;
  void note(const std::string& where) override { world_->place.note(where); }
  void watch(bool on) override {
    const int next = (rank() + 1) % size();
    world_->inquiry.watch_over(on ? comm_->world_ranks({next})[0] : -1);
  }
  void pulse() override { world_->pulse(-1); }
  const Traffic& traffic() const override { return world_->traffic; }

 private:
  struct Posted;

  void post_send(std::vector<MpiRequest>& requests, const at::Tensor& x, int to, int tag,
                 const char* operation) const;
  void post_receive(std::vector<MpiRequest>& requests, const at::Tensor& x, int from, int tag,
                    const char* operation) const;
  // give[r] goes to rank r while take[r] comes from there; what a rank keeps for itself stays.
  void exchange(const std::vector<at::Tensor>& give, const std::vector<at::Tensor>& take,
                const char* operation) const;
  // Waits for transfers from and to these tensors, which stay alive should the wait fail.
  void wait(std::vector<MpiRequest>& requests, const std::vector<at::Tensor>& tensors,
            const char* operation) const;

  std::shared_ptr<MpiWorld> world_;
  std::shared_ptr<MpiCommunicator> comm_;
};

struct MpiTransport::Posted : Transfer {
  Posted(const MpiTransport& transport, at::Tensor x, const char* operation)
      : transport(transport), x(std::move(x)), operation(operation) {}
  ~Posted() override {
    if (!requests.empty()) transport.comm_->keep(std::move(requests), {std::move(x)});
  }
  void wait() override { transport.wait(requests, {x}, operation); }
  bool ready() override {
    MpiWait wait(*transport.world_, *transport.comm_, operation);
    if (wait.over(requests)) return true;
    wait.answer(requests);
    return false;
  }

  MpiTransport transport;  // a copy: it only holds shared pointers
  std::vector<MpiRequest> requests;
  at::Tensor x;
  const char* operation;
};

// Calls `post(bytes, count)` for each piece that MPI can count; an empty tensor is one empty piece.
template <class Post>
void in_pieces(const at::Tensor& x, Post post) {
  if (!x.is_cpu()) {
    throw Error(Exit::kBug, fmt::format("[mpi] a tensor on {} -> on the host -> the group of the "
                                        "device was meant",
                                        x.device().str()));
  }
  auto* bytes = static_cast<char*>(x.data_ptr());
  int64_t left = static_cast<int64_t>(x.nbytes());
  do {
    const auto count = std::min(left, kLargestMessage);
    post(bytes, static_cast<int>(count));
    bytes += count;
    left -= count;
  } while (left > 0);
}

void MpiTransport::wait(std::vector<MpiRequest>& requests, const std::vector<at::Tensor>& tensors,
                        const char* operation) const {
  try {
    MpiWait(*world_, *comm_, operation).for_all(requests);
  } catch (...) {
    comm_->keep(std::exchange(requests, {}), tensors);
    throw;
  }
}

void MpiTransport::post_send(std::vector<MpiRequest>& requests, const at::Tensor& x, int to,
                             int tag, const char* operation) const {
  in_pieces(x, [&](char* bytes, int count) {
    auto& request = requests.emplace_back(MpiRequest{MPI_REQUEST_NULL, to, -1});
    check_mpi(MPI_Isend(bytes, count, MPI_BYTE, to, tag, comm_->get(), &request.handle),
              world_->place, operation);
  });
}

void MpiTransport::post_receive(std::vector<MpiRequest>& requests, const at::Tensor& x, int from,
                                int tag, const char* operation) const {
  in_pieces(x, [&](char* bytes, int count) {
    auto& request = requests.emplace_back(MpiRequest{MPI_REQUEST_NULL, from, count});
    check_mpi(MPI_Irecv(bytes, count, MPI_BYTE, from, tag, comm_->get(), &request.handle),
              world_->place, operation);
  });
}

void MpiTransport::exchange(const std::vector<at::Tensor>& give,
                            const std::vector<at::Tensor>& take, const char* operation) const {
  std::vector<MpiRequest> requests;
  int64_t bytes = 0;
  // Starting behind oneself, so that not everybody begins with rank 0.
  for (int step = 1; step < size(); ++step) {
    const int from = (rank() + size() - step) % size();
    post_receive(requests, take[from], from, kCollective, operation);
  }
  for (int step = 1; step < size(); ++step) {
    const int to = (rank() + step) % size();
    post_send(requests, give[to], to, kCollective, operation);
    bytes += static_cast<int64_t>(give[to].nbytes());
  }
  world_->traffic.count(operation, size() - 1, bytes);
  auto tensors = give;
  tensors.insert(tensors.end(), take.begin(), take.end());
  wait(requests, tensors, operation);
}

void MpiTransport::all_gather(std::vector<at::Tensor>& all) {
  exchange(std::vector<at::Tensor>(size(), all[rank()]), all, "all_gather");
}

// In the order of ranks, whoever does it, so that all ranks and both ways below agree to the bit.
// Float32 is rounded once.
at::Tensor sum_of(const std::vector<at::Tensor>& terms) {
  const auto type = terms[0].scalar_type();
  auto sum = terms[0].to(type == at::kFloat ? at::kDouble : type, false, /*copy=*/true);
  for (size_t r = 1; r < terms.size(); ++r) sum.add_(terms[r]);
  return sum.to(type);
}

// Each rank sums one chunk and hands it round: 2 (n - 1) / n of the tensor is sent by each rank,
// which is the least there is.
void MpiTransport::all_reduce(at::Tensor& x) {
  const auto flat = x.view(-1);
  const auto space = [&](int64_t length) {
    std::vector<at::Tensor> terms;
    for (int r = 0; r < size(); ++r) terms.push_back(at::empty({length}, x.options()));
    return terms;
  };
  if (static_cast<int64_t>(x.nbytes()) <= kSmallSum) {
    auto terms = space(x.numel());
    terms[rank()] = flat;
    exchange(std::vector<at::Tensor>(size(), flat), terms, "all_reduce");
    flat.copy_(sum_of(terms));
    return;
  }
  std::vector<at::Tensor> chunks;
  const Split split(x.numel(), size());
  for (int r = 0; r < size(); ++r) {
    chunks.push_back(flat.narrow(0, split[r].begin, split[r].length));
  }
  auto& mine = chunks[rank()];
  auto terms = space(mine.numel());
  terms[rank()] = mine;
  exchange(chunks, terms, "all_reduce");
  mine.copy_(sum_of(terms));
  exchange(std::vector<at::Tensor>(size(), mine), chunks, "all_reduce");
}

void MpiTransport::broadcast(at::Tensor& x, int root) {
  std::vector<MpiRequest> requests;
  in_pieces(x, [&](char* bytes, int count) {
    auto& request =
        requests.emplace_back(MpiRequest{MPI_REQUEST_NULL, MpiRequest::kWholeGroup, -1});
    check_mpi(MPI_Ibcast(bytes, count, MPI_BYTE, root, comm_->get(), &request.handle),
              world_->place, "broadcast");
  });
  if (rank() == root) {
    world_->traffic.count("broadcast", size() - 1, (size() - 1) * static_cast<int64_t>(x.nbytes()));
  }
  wait(requests, {x}, "broadcast");
}

std::unique_ptr<Transfer> MpiTransport::start_send(const at::Tensor& x, int to) {
  comm_->sweep();
  auto posted = std::make_unique<Posted>(*this, x, "send");
  post_send(posted->requests, x, to, kPointToPoint, "send");
  world_->traffic.count("send", 1, static_cast<int64_t>(x.nbytes()));
  return posted;
}

std::unique_ptr<Transfer> MpiTransport::start_receive(const at::Tensor& x, int from) {
  auto posted = std::make_unique<Posted>(*this, x, "receive");
  post_receive(posted->requests, x, from, kPointToPoint, "receive");
  return posted;
}

void MpiTransport::barrier() {
  std::vector<MpiRequest> requests{{MPI_REQUEST_NULL, MpiRequest::kWholeGroup, -1}};
  check_mpi(MPI_Ibarrier(comm_->get(), &requests[0].handle), world_->place, "barrier");
  wait(requests, {}, "barrier");
}

std::shared_ptr<Transport> MpiTransport::split(int color, int key) {
  barrier();  // MPI_Comm_split blocks without a deadline: enter it only when all are there
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm_->get(), color < 0 ? MPI_UNDEFINED : color, key, &part),
            world_->place, "split");
  return part == MPI_COMM_NULL ? nullptr : std::make_shared<MpiTransport>(world_, part);
}

// MPI_Abort asks the launcher to end everybody, with our exit code. Should that hang, this process
// ends by itself, and the launcher ends the others when it sees that.
void MpiTransport::abort(const std::string&, Exit exit) {
  std::thread([exit] {
    std::this_thread::sleep_for(std::chrono::seconds(3));
    _exit(static_cast<int>(exit));
  }).detach();
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(exit));
  _exit(static_cast<int>(exit));
}

}  // namespace

std::shared_ptr<Transport> mpi_world(TransportOptions options) {
  int rank = 0, size = 0, length = 0;
  char host[MPI_MAX_PROCESSOR_NAME] = "";
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  MPI_Get_processor_name(host, &length);
  auto world = std::make_shared<MpiWorld>(
      fmt::format("[mpi] rank {} of {} ({})", rank, size, std::string_view(host, length)), options);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm comm = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), world->place, "start");
  return std::make_shared<MpiTransport>(std::move(world), comm);
}

}  // namespace trireme
