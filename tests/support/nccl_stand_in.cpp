#include "tests/support/nccl_stand_in.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/support/run_ranks.h"

namespace trireme {
namespace {

using Clock = std::chrono::steady_clock;
using Held = std::unique_lock<std::mutex>;
using Edge = std::pair<int, int>;  // from, to

// One rank's share of a collective or a transfer.
struct Share {
  enum Kind { kAllReduce, kBroadcast, kSend, kReceive } kind;
  at::Tensor x;           // the memory only: who asked keeps it alive
  int peer = 0;           // or root
  at::Tensor given = {};  // x when the operation began: later changes come too late
  bool done = false;
};
using Shares = std::vector<std::shared_ptr<Share>>;

// What the ranks of one communicator share.
struct Room {
  int size = 0, joined = 0, finalized = 0;
  Clock::time_point ready;
  std::map<int64_t, Shares> meetings;  // by the number of the collective
  std::map<Edge, std::deque<std::shared_ptr<Share>>> sends, receives;
  std::set<Edge> send_ends, receive_ends;  // asked for
  bool deserted = false;                   // a rank has aborted
};

// One rank's end of a communicator.
struct Comm {
  std::shared_ptr<Room> room;
  int rank = 0;
  int64_t given = 0, over = 0;  // operations
  int64_t collectives = 0;
  std::set<Edge> links;
  bool finalized = false, gone = false;
};

struct Point : DeviceEvent {
  explicit Point(std::mutex& lock) : lock(lock) {}
  bool done() const override {
    const Held held(lock);
    return reached;
  }
  std::mutex& lock;
  bool reached = false;
};

Comm& real(NcclComm comm) {
  return *reinterpret_cast<Comm*>(comm);
}

void sum_up(const Shares& shares) {
  const auto type = shares[0]->x.scalar_type();
  auto sum = shares[0]->given.to(type == at::kFloat ? at::kDouble : type, false, /*copy=*/true);
  for (size_t r = 1; r < shares.size(); ++r) sum.add_(shares[r]->given);
  for (const auto& share : shares) share->x.copy_(sum);
}

// A rank has come to a collective; the last one carries it out.
void meet(Room& room, int rank, int64_t number, const std::shared_ptr<Share>& share) {
  auto& shares = room.meetings[number];
  shares.resize(room.size);
  shares[rank] = share;
  if (std::count(shares.begin(), shares.end(), nullptr) > 0) return;
  if (share->kind == Share::kAllReduce) sum_up(shares);
  for (const auto& each : shares) {
    if (share->kind == Share::kBroadcast && each != shares[share->peer])
      each->x.copy_(shares[share->peer]->given);
    each->done = true;
  }
  room.meetings.erase(number);
}

void deliver(Room& room, Edge edge) {
  auto &sends = room.sends[edge], &receives = room.receives[edge];
  while (!sends.empty() && !receives.empty()) {
    receives.front()->x.copy_(sends.front()->given);
    sends.front()->done = receives.front()->done = true;
    sends.pop_front();
    receives.pop_front();
  }
}

void post(Comm& comm, int64_t& collective, const std::shared_ptr<Share>& share) {
  auto& room = *comm.room;
  if (share->kind != Share::kReceive) share->given = share->x.clone();
  if (share->kind == Share::kSend || share->kind == Share::kReceive) {
    const bool sends = share->kind == Share::kSend;
    const Edge edge = sends ? Edge{comm.rank, share->peer} : Edge{share->peer, comm.rank};
    (sends ? room.sends : room.receives)[edge].push_back(share);
    return deliver(room, edge);
  }
  meet(room, comm.rank, collective++, share);
}

}  // namespace

// What all ranks share; one lock for all of it.
class NcclStandIn::Machine {
 public:
  std::mutex lock;
  std::condition_variable changed;
  NcclFaults faults;
  std::map<NcclId, std::shared_ptr<Room>> rooms;
  std::vector<std::unique_ptr<Comm>> comms;  // kept, to see that nobody uses one that is gone
  char ids = 0;

  NcclAnswer state(Comm& comm) {
    if (comm.gone) {
      ADD_FAILURE() << "a communicator is used after it was freed";
      return {NcclAnswer::kFailed, "freed"};
    }
    auto& room = *comm.room;
    if (!faults.link_error.empty()) return {NcclAnswer::kFailed, faults.link_error};
    if (room.deserted && comm.over < comm.given)
      return {NcclAnswer::kFailed, "remote process exited"};
    const bool started =
        room.joined == room.size && Clock::now() >= room.ready && !faults.init_never_ends;
    const bool linked = std::all_of(comm.links.begin(), comm.links.end(), [&](const Edge& edge) {
      return room.send_ends.count(edge) == 1 && room.receive_ends.count(edge) == 1;
    });
    const bool flushed = !comm.finalized || room.finalized == room.size;
    return {started && linked && flushed ? NcclAnswer::kDone : NcclAnswer::kUnderWay};
  }
};

class NcclStandIn::Library : public NcclLibrary {
 public:
  Library(std::shared_ptr<Machine> machine, bool host_goes_on)
      : machine_(std::move(machine)), host_goes_on_(host_goes_on), current_(side_stream()) {}
  ~Library() override {
    {
      const Held held(machine_->lock);
      stopped_ = true;
      machine_->changed.notify_all();
    }
    for (auto& stream : streams_) stream->thread.join();
  }

  at::Device device() const override { return at::kCPU; }
  bool queues_tensor_work() const override { return host_goes_on_; }
  DeviceStream current_stream() override { return current_; }
  DeviceStream side_stream() override {
    auto& stream = *streams_.emplace_back(std::make_unique<Stream>());
    stream.thread = std::thread([this, &stream] { work_off(stream); });
    return reinterpret_cast<DeviceStream>(&stream);
  }
  std::shared_ptr<DeviceEvent> record(DeviceStream stream) override {
    auto point = std::make_shared<Point>(machine_->lock);
    give(stream, [point](Held&) { point->reached = true; });
    return point;
  }
  void follow(DeviceStream stream, const std::shared_ptr<DeviceEvent>& event) override {
    give(stream, [this, point = std::static_pointer_cast<Point>(event)](Held& held) {
      machine_->changed.wait(held, [&] { return stopped_ || point->reached; });
    });
  }

  NcclAnswer make_id(NcclId& id) override {
    const Held held(machine_->lock);
    id[0] = ++machine_->ids;
    return {};
  }
  NcclAnswer init(NcclComm& comm, const NcclId& id, int size, int rank) override {
    const Held held(machine_->lock);
    auto& room = machine_->rooms[id];
    if (room == nullptr) room = std::make_shared<Room>();
    room->size = size;
    if (++room->joined == size) room->ready = Clock::now() + machine_->faults.init_takes;
    auto& made = machine_->comms.emplace_back(std::make_unique<Comm>());
    made->room = room;
    made->rank = rank;
    comm = reinterpret_cast<NcclComm>(made.get());
    return machine_->state(*made);
  }
  NcclAnswer state(NcclComm comm) override {
    const Held held(machine_->lock);
    return machine_->state(real(comm));
  }
  NcclAnswer finalize(NcclComm comm) override {
    const Held held(machine_->lock);
    real(comm).finalized = true;
    ++real(comm).room->finalized;
    return machine_->state(real(comm));
  }
  void destroy(NcclComm comm) override {
    const Held held(machine_->lock);
    real(comm).gone = true;
  }
  void abort(NcclComm comm) override {
    Held held(machine_->lock);
    machine_->changed.wait(held, [&] { return !machine_->faults.abort_hangs; });
    real(comm).gone = real(comm).room->deserted = true;
    machine_->changed.notify_all();
  }

  void group_start() override { group_.clear(); }
  NcclAnswer group_end(NcclComm handle) override {
    auto& comm = real(handle);
    Held held(machine_->lock);
    for (const auto& share : group_) ask_for_link(comm, *share);
    const auto turn = comm.given++;
    auto collective = comm.collectives;
    for (const auto& share : group_)
      comm.collectives += share->kind == Share::kAllReduce || share->kind == Share::kBroadcast;
    const auto answer = machine_->state(comm);
    held.unlock();
    give(stream_, [this, &comm, turn, collective, shares = std::move(group_)](Held& held) {
      carry_out(held, comm, turn, collective, shares);
    });
    group_ = {};
    return answer;
  }
  void all_reduce(const at::Tensor& x, NcclComm, DeviceStream stream) override {
    add({Share::kAllReduce, x}, stream);
  }
  void broadcast(const at::Tensor& x, int root, NcclComm, DeviceStream stream) override {
    add({Share::kBroadcast, x, root}, stream);
  }
  void send(const at::Tensor& x, int to, NcclComm, DeviceStream stream) override {
    add({Share::kSend, x, to}, stream);
  }
  void receive(const at::Tensor& x, int from, NcclComm, DeviceStream stream) override {
    add({Share::kReceive, x, from}, stream);
  }

 private:
  using Task = std::function<void(Held&)>;
  struct Stream {
    std::deque<Task> tasks;
    std::thread thread;
  };

  void give(DeviceStream stream, Task task) {
    const Held held(machine_->lock);
    reinterpret_cast<Stream*>(stream)->tasks.push_back(std::move(task));
    machine_->changed.notify_all();
  }
  void add(Share share, DeviceStream stream) {
    share.x = at::from_blob(share.x.data_ptr(), share.x.sizes(), share.x.options());
    group_.push_back(std::make_shared<Share>(std::move(share)));
    stream_ = stream;
  }
  void work_off(Stream& stream) {
    const c10::InferenceMode inference;
    Held held(machine_->lock);
    while (true) {
      machine_->changed.wait(held, [&] { return stopped_ || !stream.tasks.empty(); });
      if (stopped_) return;
      const auto task = std::move(stream.tasks.front());
      stream.tasks.pop_front();
      task(held);
      machine_->changed.notify_all();
    }
  }
  static void ask_for_link(Comm& comm, const Share& share) {
    const Edge out{comm.rank, share.peer}, in{share.peer, comm.rank};
    if (share.kind == Share::kSend) {
      comm.links.insert(out);
      comm.room->send_ends.insert(out);
    } else if (share.kind == Share::kReceive) {
      comm.links.insert(in);
      comm.room->receive_ends.insert(in);
    }
  }
  void carry_out(Held& held, Comm& comm, int64_t turn, int64_t collective, const Shares& shares) {
    const auto wait = [&](const std::function<bool()>& over) {
      machine_->changed.wait(held, [&] { return stopped_ || comm.gone || over(); });
    };
    wait([&] { return comm.over == turn; });
    const bool hangs = machine_->faults.operations_hang;
    if (!comm.gone && !stopped_) {
      for (const auto& share : shares) post(comm, collective, share);
    }
    machine_->changed.notify_all();
    wait([&] {
      return !hangs && std::all_of(shares.begin(), shares.end(),
                                   [](const auto& share) { return share->done; });
    });
    ++comm.over;
  }

  std::shared_ptr<Machine> machine_;
  const bool host_goes_on_;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Stream>> streams_;
  DeviceStream current_;
  Shares group_;
  DeviceStream stream_ = nullptr;  // of the group
};

NcclStandIn::NcclStandIn(bool host_goes_on)
    : machine_(std::make_shared<Machine>()), host_goes_on_(host_goes_on) {}

void NcclStandIn::set(const NcclFaults& faults) {
  const Held held(machine_->lock);
  machine_->faults = faults;
  machine_->changed.notify_all();
}

std::shared_ptr<NcclLibrary> NcclStandIn::library() const {
  return std::make_shared<Library>(machine_, host_goes_on_);
}

void run_nccl_ranks(int ranks, const NcclStandIn& machine,
                    const std::function<void(const std::shared_ptr<Transport>&)>& body,
                    TransportOptions options, EndRank end) {
  run_transports(
      ranks,
      [&](const std::shared_ptr<Transport>& bootstrap) {
        body(nccl_world(bootstrap, machine.library(), options, end));
      },
      options.deadline);
}

}  // namespace trireme
