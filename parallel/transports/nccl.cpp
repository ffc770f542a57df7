#include "parallel/transports/nccl.h"

#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/format.h>
#include <nccl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <list>
#include <map>
#include <thread>

namespace trireme {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kAbortLimit = std::chrono::seconds(3);

// What the groups of this process share.
struct NcclWorld {
  std::string place;  // "[nccl] rank 2 of 4 (host, cuda:1)"
  c10::DeviceIndex device;
  TransportOptions options;
  Traffic traffic;
};

// A communicator of ours, and how to wait for it.
class Communicator {
 public:
  // Collective over `bootstrap`.
  Communicator(std::shared_ptr<NcclWorld> world, Transport& bootstrap);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  ncclComm_t get() const { return comm_; }
  // After a call of NCCL: until it has really been made.
  void settle(ncclResult_t code, const char* operation);
  // Until the work before this event is done.
  void wait(at::cuda::CUDAEvent& event, const char* operation);
  // Gives back what the GPU is waiting in. Does not hang itself.
  void abort() noexcept;

 private:
  void expect_in_time(Clock::time_point begin, const char* operation);
  [[noreturn]] void fail(ncclResult_t code, const char* operation);

  std::shared_ptr<NcclWorld> world_;
  ncclComm_t comm_ = nullptr;
};

Communicator::Communicator(std::shared_ptr<NcclWorld> world, Transport& bootstrap)
    : world_(std::move(world)) {
  const c10::cuda::CUDAGuard guard(world_->device);
  ncclUniqueId id{};
  auto letter = at::empty({sizeof(id.internal)}, at::kByte);
  if (bootstrap.rank() == 0) {
    if (const auto code = ncclGetUniqueId(&id); code != ncclSuccess) fail(code, "start");
    std::copy_n(id.internal, sizeof(id.internal), static_cast<char*>(letter.data_ptr()));
  }
  bootstrap.broadcast(letter, 0);
  std::copy_n(static_cast<const char*>(letter.const_data_ptr()), sizeof(id.internal), id.internal);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  settle(ncclCommInitRankConfig(&comm_, bootstrap.size(), id, bootstrap.rank(), &config), "start");
}

Communicator::~Communicator() {
  if (comm_ == nullptr) return;
  // Finalising waits for the other ranks, which may be gone; nothing is under way that matters.
  abort();
}

void Communicator::settle(ncclResult_t code, const char* operation) {
  const auto begin = Clock::now();
  while (code == ncclInProgress) {
    expect_in_time(begin, operation);
    std::this_thread::yield();
    if (const auto asked = ncclCommGetAsyncError(comm_, &code); asked != ncclSuccess) code = asked;
  }
  if (code != ncclSuccess) fail(code, operation);
}

void Communicator::wait(at::cuda::CUDAEvent& event, const char* operation) {
  const auto begin = Clock::now();
  for (int64_t round = 0; !event.query(); ++round) {
    if (round % 64 == 0) settle(ncclInProgress, operation);
    expect_in_time(begin, operation);
    std::this_thread::yield();
  }
}

void Communicator::expect_in_time(Clock::time_point begin, const char* operation) {
  if (Clock::now() - begin < world_->options.deadline) return;
  abort();
  throw Error(
      Exit::kUnavailable,
      fmt::format("{}: {} waited {:g} s -> every rank of the group must take part -> another "
                  "rank died or hangs",
                  world_->place, operation, world_->options.deadline.count() / 1e3));
}

void Communicator::fail(ncclResult_t code, const char* operation) {
  const std::string detail = ncclGetLastError(comm_);
  abort();
  throw Error(
      Exit::kTryElsewhere,
      fmt::format("{}: {} failed: {}{}{} -> GPUs that reach each other -> a rank died, or a "
                  "link or a GPU is broken (NCCL_DEBUG=INFO says more)",
                  world_->place, operation, ncclGetErrorString(code), detail.empty() ? "" : ": ",
                  detail));
}

// ncclCommAbort itself can hang on a broken device: give it a while on a thread of its own.
void Communicator::abort() noexcept {
  auto* comm = std::exchange(comm_, nullptr);
  if (comm == nullptr) return;
  const auto done = std::make_shared<std::promise<void>>();
  const auto future = done->get_future();
  std::thread([comm, done] {
    ncclCommAbort(comm);
    done->set_value();
  }).detach();
  future.wait_for(kAbortLimit);
}

ncclDataType_t type_of(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    default:
      return ncclFloat32;  // Group sums no other type
  }
}

// Where transfers to or from one peer queue: NCCL works off a communicator in order, and a send is
// done when it is received, so a ring over one line would wait for itself.
struct Line {
  std::shared_ptr<Communicator> comm;
  c10::cuda::CUDAStream stream;  // transfers overlap with what the current stream computes
  int peer;                      // rank in comm
};

class NcclTransport : public Transport {
 public:
  NcclTransport(std::shared_ptr<NcclWorld> world, std::shared_ptr<Transport> bootstrap)
      : world_(std::move(world)),
        bootstrap_(std::move(bootstrap)),
        comm_(std::make_shared<Communicator>(world_, *bootstrap_)),
        stream_(side_stream()) {}

  int rank() const override { return bootstrap_->rank(); }
  int size() const override { return bootstrap_->size(); }

  std::shared_ptr<Transport> split(int color, int key) override;
  void all_reduce(at::Tensor& x) override;
  void all_gather(std::vector<at::Tensor>& all) override;
  void all_to_all(const std::vector<at::Tensor>& give,
                  const std::vector<at::Tensor>& take) override;
  void broadcast(at::Tensor& x, int root) override;
  std::unique_ptr<Transfer> start_send(const at::Tensor& x, int to) override;
  std::unique_ptr<Transfer> start_receive(const at::Tensor& x, int from) override;
  void barrier() override;
  void connect(const std::vector<std::pair<int, int>>& edges) override;
  void abort(const std::string& reason, Exit exit) override;
  const Traffic& traffic() const override { return world_->traffic; }

 private:
  struct Posted;

  // Runs `work` on the current stream and waits for it.
  template <class Work>
  void run(const char* operation, Work work) {
    const c10::cuda::CUDAGuard guard(world_->device);
    const auto stream = c10::cuda::getCurrentCUDAStream(world_->device);
    comm_->settle(work(stream.stream()), operation);
    at::cuda::CUDAEvent event;
    event.record(stream);
    comm_->wait(event, operation);
  }
  template <class Work>
  std::unique_ptr<Transfer> post(const at::Tensor& x, const Line& line, const char* operation,
                                 Work work);
  c10::cuda::CUDAStream side_stream() const {
    return c10::cuda::getStreamFromPool(/*isHighPriority=*/true, world_->device);
  }
  Line line(int from, int to) const;

  std::shared_ptr<NcclWorld> world_;
  std::shared_ptr<Transport> bootstrap_;
  std::shared_ptr<Communicator> comm_;
  c10::cuda::CUDAStream stream_;
  std::map<std::pair<int, int>, Line> lines_;  // of the edges of this rank
  // Transfers whose handle was dropped.
  struct LeftAlone {
    std::shared_ptr<at::cuda::CUDAEvent> event;
    at::Tensor tensor;
  };
  std::shared_ptr<std::list<LeftAlone>> left_alone_ = std::make_shared<std::list<LeftAlone>>();
};

struct NcclTransport::Posted : Transfer {
  ~Posted() override {
    if (event) left_alone->push_back({std::move(event), std::move(x)});
  }
  void wait() override {
    if (event) comm->wait(*event, operation);
    event.reset();
  }
  bool ready() override { return !event || event->query(); }

  std::shared_ptr<Communicator> comm;
  std::shared_ptr<std::list<LeftAlone>> left_alone;
  std::shared_ptr<at::cuda::CUDAEvent> event;
  at::Tensor x;
  const char* operation = "";
};

std::shared_ptr<Transport> NcclTransport::split(int color, int key) {
  auto part = bootstrap_->split(color, key);
  if (part == nullptr || part->size() == 1) return part;
  return std::make_shared<NcclTransport>(world_, std::move(part));
}

void NcclTransport::all_reduce(at::Tensor& x) {
  if (x.is_cpu()) return bootstrap_->all_reduce(x);
  world_->traffic.count("all_reduce", 2 * (size() - 1),
                        2 * static_cast<int64_t>(x.nbytes()) * (size() - 1) / size());
  run("all_reduce", [&](cudaStream_t stream) {
    return ncclAllReduce(x.data_ptr(), x.data_ptr(), x.numel(), type_of(x), ncclSum, comm_->get(),
                         stream);
  });
}

// One broadcast for each rank, made as one call: parts may be of any size, or empty.
void NcclTransport::all_gather(std::vector<at::Tensor>& all) {
  if (all[rank()].is_cpu()) return bootstrap_->all_gather(all);
  world_->traffic.count("all_gather", size() - 1,
                        (size() - 1) * static_cast<int64_t>(all[rank()].nbytes()));
  run("all_gather", [&](cudaStream_t stream) {
    ncclGroupStart();
    for (int r = 0; r < size(); ++r) {
      if (all[r].numel() == 0) continue;
      ncclBroadcast(all[r].data_ptr(), all[r].data_ptr(), all[r].nbytes(), ncclInt8, r,
                    comm_->get(), stream);
    }
    return ncclGroupEnd();
  });
}

void NcclTransport::all_to_all(const std::vector<at::Tensor>& give,
                               const std::vector<at::Tensor>& take) {
  if (give[rank()].is_cpu()) return bootstrap_->all_to_all(give, take);
  int64_t bytes = 0;
  for (int r = 0; r < size(); ++r)
    bytes += r == rank() ? 0 : static_cast<int64_t>(give[r].nbytes());
  world_->traffic.count("all_to_all", size() - 1, bytes);
  run("all_to_all", [&](cudaStream_t stream) {
    ncclGroupStart();
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      if (give[r].numel() > 0)
        ncclSend(give[r].data_ptr(), give[r].nbytes(), ncclInt8, r, comm_->get(), stream);
      if (take[r].numel() > 0)
        ncclRecv(take[r].data_ptr(), take[r].nbytes(), ncclInt8, r, comm_->get(), stream);
    }
    return ncclGroupEnd();
  });
}

void NcclTransport::broadcast(at::Tensor& x, int root) {
  if (x.is_cpu()) return bootstrap_->broadcast(x, root);
  if (rank() == root) {
    world_->traffic.count("broadcast", size() - 1, (size() - 1) * static_cast<int64_t>(x.nbytes()));
  }
  run("broadcast", [&](cudaStream_t stream) {
    return ncclBroadcast(x.data_ptr(), x.data_ptr(), x.nbytes(), ncclInt8, root, comm_->get(),
                         stream);
  });
}

void NcclTransport::connect(const std::vector<std::pair<int, int>>& edges) {
  for (const auto& [from, to] : edges) {
    const bool sends = rank() == from, takes = rank() == to;
    const auto pair = bootstrap_->split(sends || takes ? 0 : -1, sends ? 0 : 1);
    if (pair == nullptr || pair->size() != 2) continue;
    auto comm = std::make_shared<Communicator>(world_, *pair);
    lines_.insert({{from, to}, Line{std::move(comm), side_stream(), sends ? 1 : 0}});
  }
}

Line NcclTransport::line(int from, int to) const {
  const auto found = lines_.find({from, to});
  return found != lines_.end() ? found->second : Line{comm_, stream_, from == rank() ? to : from};
}

template <class Work>
std::unique_ptr<Transfer> NcclTransport::post(const at::Tensor& x, const Line& line,
                                              const char* operation, Work work) {
  left_alone_->remove_if([](LeftAlone& transfer) { return transfer.event->query(); });
  const c10::cuda::CUDAGuard guard(world_->device);
  at::cuda::CUDAEvent ready;
  ready.record(c10::cuda::getCurrentCUDAStream(world_->device));
  ready.block(line.stream);
  line.comm->settle(work(line.comm->get(), line.stream.stream()), operation);
  auto posted = std::make_unique<Posted>();
  posted->comm = line.comm;
  posted->left_alone = left_alone_;
  posted->event = std::make_shared<at::cuda::CUDAEvent>();
  posted->event->record(line.stream);
  posted->x = x;
  posted->operation = operation;
  return posted;
}

std::unique_ptr<Transfer> NcclTransport::start_send(const at::Tensor& x, int to) {
  if (x.is_cpu()) return bootstrap_->start_send(x, to);
  world_->traffic.count("send", 1, static_cast<int64_t>(x.nbytes()));
  const auto line = this->line(rank(), to);
  return post(x, line, "send", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclSend(x.data_ptr(), x.nbytes(), ncclInt8, line.peer, comm, stream);
  });
}

std::unique_ptr<Transfer> NcclTransport::start_receive(const at::Tensor& x, int from) {
  if (x.is_cpu()) return bootstrap_->start_receive(x, from);
  const auto line = this->line(from, rank());
  return post(x, line, "receive", [&](ncclComm_t comm, cudaStream_t stream) {
    return ncclRecv(x.data_ptr(), x.nbytes(), ncclInt8, line.peer, comm, stream);
  });
}

// All that this rank has given the GPU is done, and so it is on the others.
void NcclTransport::barrier() {
  run("barrier", [](cudaStream_t) { return ncclSuccess; });
  bootstrap_->barrier();
}

void NcclTransport::abort(const std::string& reason, Exit exit) {
  comm_->abort();
  for (auto& [edge, line] : lines_) line.comm->abort();
  bootstrap_->abort(reason, exit);
}

}  // namespace

std::shared_ptr<Transport> nccl_world(std::shared_ptr<Transport> bootstrap, int device,
                                      TransportOptions options) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  auto world = std::make_shared<NcclWorld>();
  world->place = fmt::format("[nccl] rank {} of {} ({}, cuda:{})", bootstrap->rank(),
                             bootstrap->size(), host.data(), device);
  world->device = static_cast<c10::DeviceIndex>(device);
  world->options = options;
  return std::make_shared<NcclTransport>(std::move(world), std::move(bootstrap));
}

}  // namespace trireme
