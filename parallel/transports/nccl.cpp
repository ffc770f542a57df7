#include "parallel/transports/nccl.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <map>
#include <numeric>

#include "parallel/transports/nccl_communicator.h"

namespace trireme {
namespace {

// Where transfers to or from one peer queue: NCCL works off a communicator in order, and a send is
// done when it is received, so a ring over one line would wait for itself.
struct Line {
  std::shared_ptr<NcclCommunicator> comm;
  DeviceStream stream;  // transfers overlap with what the current stream computes
  int peer;             // rank in comm
};

int64_t bytes_of(const at::Tensor& x) {
  return static_cast<int64_t>(x.nbytes());
}

class NcclTransport : public Transport {
 public:
  // names: the ranks of the world that this group is of.
  NcclTransport(std::shared_ptr<NcclWorld> world, std::shared_ptr<Transport> bootstrap,
                std::vector<int64_t> names)
      : world_(std::move(world)),
        bootstrap_(std::move(bootstrap)),
        names_(std::move(names)),
        comm_(std::make_shared<NcclCommunicator>(world_, *bootstrap_)) {}

  int rank() const override { return bootstrap_->rank(); }
  int size() const override { return bootstrap_->size(); }

  std::shared_ptr<Transport> split(int color, int key) override;
  std::shared_ptr<Transport> on_hosts() override { return bootstrap_->on_hosts(); }
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
  void note(const std::string& where) override;
  // Between operations ranks answer each other over the hosts; a device that hangs is the
  // watchdog's.
  void watch(bool on) override { bootstrap_->watch(on); }
  void pulse() override { bootstrap_->pulse(); }
  const Traffic& traffic() const override { return world_->traffic; }

 private:
  struct Posted;

  NcclLibrary& library() const { return *world_->library; }
  bool holds(const at::Tensor& x) const { return x.device().type() == library().device().type(); }
  // One operation of the whole group, on the current stream.
  void run(const char* name, int64_t bytes, const std::function<void(DeviceStream)>& calls);
  Line& line(int from, int to);
  std::unique_ptr<Transfer> post(const char* name, const at::Tensor& x, int peer, const Line& line,
                                 const std::function<void()>& calls);

  std::shared_ptr<NcclWorld> world_;
  std::shared_ptr<Transport> bootstrap_;
  std::vector<int64_t> names_;
  std::shared_ptr<NcclCommunicator> comm_;
  DeviceStream side_ = nullptr;                // of pairs without a line of their own
  std::map<std::pair<int, int>, Line> lines_;  // from, to
};

// The current stream comes after `operation` from here on. Its tensors may go then: what is made in
// their memory next is made by the current stream.
void follow(NcclWorld& world, const std::shared_ptr<NcclOperation>& operation) {
  world.watchdog.expect_sound();
  if (!world.library->queues_tensor_work())
    return world.watchdog.wait(operation, [&] { return operation->done->done(); });
  world.library->follow(world.library->current_stream(), operation->done);
  world.watchdog.release(*operation);
}

struct NcclTransport::Posted : Transfer {
  Posted(std::shared_ptr<NcclWorld> world, std::shared_ptr<NcclCommunicator> comm,
         std::shared_ptr<NcclOperation> operation)
      : world(std::move(world)), comm(std::move(comm)), operation(std::move(operation)) {}
  void wait() override {
    if (operation) follow(*world, operation);
    operation.reset();
  }
  bool ready() override {  // also where something failed: wait() throws then
    return !operation || world->watchdog.failed() || operation->done->done();
  }

  std::shared_ptr<NcclWorld> world;
  std::shared_ptr<NcclCommunicator> comm;  // lives as long as what it carries
  std::shared_ptr<NcclOperation> operation;
};

struct Empty : Transfer {
  void wait() override {}
  bool ready() override { return true; }
};

void NcclTransport::run(const char* name, int64_t bytes,
                        const std::function<void(DeviceStream)>& calls) {
  const auto stream = library().current_stream();
  const auto operation =
      comm_->queue({.name = name, .ranks = size(), .bytes = bytes}, stream, [&] { calls(stream); });
  if (!library().queues_tensor_work()) follow(*world_, operation);
}

std::shared_ptr<Transport> NcclTransport::split(int color, int key) {
  auto part = bootstrap_->split(color, key);
  if (part == nullptr || part->size() == 1) return part;
  std::vector<int64_t> names(part->size());
  std::vector<at::Tensor> letters;
  for (auto& name : names) letters.push_back(at::from_blob(&name, {1}, at::kLong));
  names[part->rank()] = names_[rank()];
  part->all_gather(letters);
  return std::make_shared<NcclTransport>(world_, std::move(part), std::move(names));
}

void NcclTransport::all_reduce(at::Tensor& x) {
  if (!holds(x)) return bootstrap_->all_reduce(x);
  const auto bytes = 2 * bytes_of(x) * (size() - 1) / size();
  world_->traffic.count("all_reduce", 2 * (size() - 1), bytes);
  if (x.numel() == 0) return;
  run("all_reduce", bytes_of(x),
      [&](DeviceStream stream) { library().all_reduce(x, comm_->get(), stream); });
}

// One broadcast for each rank, made as one call: parts may be of any size, or empty.
void NcclTransport::all_gather(std::vector<at::Tensor>& all) {
  const auto& mine = all[rank()];
  if (!holds(mine)) return bootstrap_->all_gather(all);
  world_->traffic.count("all_gather", size() - 1, (size() - 1) * bytes_of(mine));
  run("all_gather", bytes_of(mine), [&](DeviceStream stream) {
    for (int r = 0; r < size(); ++r) {
      if (all[r].numel() > 0) library().broadcast(all[r], r, comm_->get(), stream);
    }
  });
}

void NcclTransport::all_to_all(const std::vector<at::Tensor>& give,
                               const std::vector<at::Tensor>& take) {
  if (!holds(give[rank()])) return bootstrap_->all_to_all(give, take);
  int64_t bytes = 0;
  for (int r = 0; r < size(); ++r) bytes += r == rank() ? 0 : bytes_of(give[r]);
  world_->traffic.count("all_to_all", size() - 1, bytes);
  run("all_to_all", bytes, [&](DeviceStream stream) {
    for (int r = 0; r < size(); ++r) {
      if (r == rank()) continue;
      if (give[r].numel() > 0) library().send(give[r], r, comm_->get(), stream);
      if (take[r].numel() > 0) library().receive(take[r], r, comm_->get(), stream);
    }
  });
}

void NcclTransport::broadcast(at::Tensor& x, int root) {
  if (!holds(x)) return bootstrap_->broadcast(x, root);
  if (rank() == root) {
    world_->traffic.count("broadcast", size() - 1, (size() - 1) * bytes_of(x));
  }
  if (x.numel() == 0) return;
  run("broadcast", bytes_of(x),
      [&](DeviceStream stream) { library().broadcast(x, root, comm_->get(), stream); });
}

// A first transfer makes the links, and the host waits for both ends then: here both are.
void NcclTransport::connect(const std::vector<std::pair<int, int>>& edges) {
  const auto letter = at::empty({1}, library().device());
  for (const auto& [from, to] : edges) {
    const bool sends = rank() == from, takes = rank() == to;
    const auto pair = bootstrap_->split(sends || takes ? 0 : -1, sends ? 0 : 1);
    if (pair == nullptr || pair->size() != 2 || lines_.count({from, to}) == 1) continue;
    const Line line{std::make_shared<NcclCommunicator>(world_, *pair), library().side_stream(),
                    sends ? 1 : 0};
    const int other = static_cast<int>(names_[sends ? to : from]);
    const auto first =
        line.comm->queue({.name = "connect", .ranks = 2, .peer = other}, line.stream, [&] {
          sends ? library().send(letter, line.peer, line.comm->get(), line.stream)
                : library().receive(letter, line.peer, line.comm->get(), line.stream);
        });
    world_->watchdog.wait(first, [&] { return first->done->done(); });
    lines_.insert({{from, to}, line});
  }
}

Line& NcclTransport::line(int from, int to) {
  const auto found = lines_.find({from, to});
  if (found != lines_.end()) return found->second;
  if (side_ == nullptr) side_ = library().side_stream();
  return lines_.insert({{from, to}, Line{comm_, side_, from == rank() ? to : from}}).first->second;
}

std::unique_ptr<Transfer> NcclTransport::post(const char* name, const at::Tensor& x, int peer,
                                              const Line& line,
                                              const std::function<void()>& calls) {
  if (x.numel() == 0) return std::make_unique<Empty>();  // both ends know
  // x is made, and its memory is free of what was there, when the current stream is here.
  library().follow(line.stream, library().record(library().current_stream()));
  auto operation = line.comm->queue({.name = name,
                                     .ranks = 2,
                                     .peer = static_cast<int>(names_[peer]),
                                     .bytes = bytes_of(x),
                                     .tensors = {x}},
                                    line.stream, calls);
  return std::make_unique<Posted>(world_, line.comm, std::move(operation));
}

std::unique_ptr<Transfer> NcclTransport::start_send(const at::Tensor& x, int to) {
  if (!holds(x)) return bootstrap_->start_send(x, to);
  world_->traffic.count("send", 1, bytes_of(x));
  const auto& line = this->line(rank(), to);
  return post("send", x, to, line,
              [&] { library().send(x, line.peer, line.comm->get(), line.stream); });
}

std::unique_ptr<Transfer> NcclTransport::start_receive(const at::Tensor& x, int from) {
  if (!holds(x)) return bootstrap_->start_receive(x, from);
  const auto& line = this->line(from, rank());
  return post("receive", x, from, line,
              [&] { library().receive(x, line.peer, line.comm->get(), line.stream); });
}

// All that this rank has given its current stream is done, and so it is on the others.
void NcclTransport::barrier() {
  auto& watchdog = world_->watchdog;
  watchdog.expect_sound();
  const auto stream = library().current_stream();
  const auto operation = watchdog.begin({.name = "barrier", .ranks = size(), .stream = stream});
  const auto here = library().record(stream);
  watchdog.wait(operation, [&] { return here->done(); });
  bootstrap_->barrier();
  watchdog.finished(*operation);
}

void NcclTransport::abort(const std::string& reason, Exit exit) {
  world_->watchdog.stop(reason, exit);
  bootstrap_->abort(reason, exit);
}

void NcclTransport::note(const std::string& where) {
  world_->place.note(where);
  bootstrap_->note(where);
}

}  // namespace

void end_process(Exit exit) {
  _exit(static_cast<int>(exit));
}

std::shared_ptr<Transport> nccl_world(std::shared_ptr<Transport> bootstrap,
                                      std::shared_ptr<NcclLibrary> library,
                                      TransportOptions options, EndRank end) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  auto who = fmt::format("[nccl] rank {} of {} ({}, {})", bootstrap->rank(), bootstrap->size(),
                         host.data(), library->device().str());
  auto world =
      std::make_shared<NcclWorld>(std::move(library), std::move(who), options, std::move(end));
  std::vector<int64_t> names(bootstrap->size());
  std::iota(names.begin(), names.end(), 0);
  return std::make_shared<NcclTransport>(std::move(world), std::move(bootstrap), std::move(names));
}

}  // namespace trireme
