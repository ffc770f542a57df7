#include "parallel/transports/threads.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>

#include "parallel/split.h"
#include "parallel/transports/place.h"

namespace trireme {
namespace {

struct Stop {
  int rank;  // of the world
  Exit exit;
  std::string reason;
};

// What the groups of one world share.
struct ThreadWorld {
  ThreadWorld(int ranks, TransportOptions options) : ranks(ranks), options(options) {}

  const int ranks;
  const TransportOptions options;
  std::mutex lock;
  std::condition_variable changed;
  std::optional<Stop> stop;
};

// Messages from one rank to one other; numbered, so that receives may be waited for in any order.
struct Mailbox {
  int64_t posted = 0;
  int64_t expected = 0;
  std::map<int64_t, at::Tensor> letters;
};

// What the ranks of one group share: guarded by the world's lock, or by the meetings around its
// use.
struct Room {
  explicit Room(std::vector<int> world_ranks)
      : names(std::move(world_ranks)),
        shown(names.size()),
        doors(names.size()),
        present(names.size()) {}

  const std::vector<int> names;              // world rank of each rank here
  std::vector<at::Tensor> shown;             // what each rank lets the others see
  std::vector<std::shared_ptr<Room>> doors;  // where the ranks go at a split
  std::vector<bool> present;                 // who has come to this meeting
  int64_t meetings = 0;
  std::map<std::pair<int, int>, Mailbox> mail;  // from, to
};

struct Delivered : Transfer {
  void wait() override {}
  bool ready() override { return true; }
};

// What the groups of one rank share.
struct Self {
  explicit Self(std::string who) : place(std::move(who)) {}

  Place place;  // "[threads] rank 2 of 4"
  Traffic traffic;
};

class ThreadTransport : public Transport {
 public:
  ThreadTransport(std::shared_ptr<ThreadWorld> world, std::shared_ptr<Room> room, int rank,
                  std::shared_ptr<Self> self)
      : world_(std::move(world)), room_(std::move(room)), rank_(rank), self_(std::move(self)) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(room_->names.size()); }

  std::shared_ptr<Transport> split(int color, int key) override;
  void all_reduce(at::Tensor& x) override;
  void all_gather(std::vector<at::Tensor>& all) override;
  void all_to_all(const std::vector<at::Tensor>& give,
                  const std::vector<at::Tensor>& take) override;
  void broadcast(at::Tensor& x, int root) override;
  std::unique_ptr<Transfer> start_send(const at::Tensor& x, int to) override;
  std::unique_ptr<Transfer> start_receive(const at::Tensor& x, int from) override;
  void barrier() override { meet("barrier"); }
  void abort(const std::string& reason, Exit exit) override;
  void note(const std::string& where) override { self_->place.note(where); }
  const Traffic& traffic() const override { return self_->traffic; }

 private:
  using Held = std::unique_lock<std::mutex>;
  struct Expected;

  std::string place() const { return self_->place.text(); }
  void wait(Held& held, const char* operation, const std::function<bool()>& ready,
            const std::function<std::vector<int>()>& missing) const;
  void meet(const char* operation);
  // Everybody's tensor of this moment; done() when nobody reads it any more.
  const std::vector<at::Tensor>& show(const at::Tensor& x, const char* operation);
  void done(const char* operation);
  void expect_same(const at::Tensor& mine, const at::Tensor& theirs, int peer,
                   const char* operation) const;
  std::shared_ptr<Room> room_of(int64_t color) const;
  void post_letter(const at::Tensor& x, int to);
  int64_t expect_letter(int from);
  void take_letter(const at::Tensor& x, int from, int64_t number) const;
  bool has_letter(int from, int64_t number) const;

  std::shared_ptr<ThreadWorld> world_;
  std::shared_ptr<Room> room_;
  int rank_;
  std::shared_ptr<Self> self_;
};

struct ThreadTransport::Expected : Transfer {
  Expected(const ThreadTransport& transport, at::Tensor x, int from, int64_t number)
      : transport(transport), x(std::move(x)), from(from), number(number) {}
  void wait() override { transport.take_letter(x, from, number); }
  bool ready() override { return transport.has_letter(from, number); }

  ThreadTransport transport;  // a copy: it only holds shared pointers
  at::Tensor x;
  int from;
  int64_t number;
};

void ThreadTransport::wait(Held& held, const char* operation, const std::function<bool()>& ready,
                           const std::function<std::vector<int>()>& missing) const {
  const auto deadline = world_->options.deadline;
  const bool in_time =
      world_->changed.wait_for(held, deadline, [&] { return world_->stop || ready(); });
  if (world_->stop) {
    throw Error(world_->stop->exit,
                fmt::format("{}: {} was broken off -> every rank must go on -> rank {} stopped: {}",
                            place(), operation, world_->stop->rank, world_->stop->reason));
  }
  if (!in_time) {
    throw Error(
        Exit::kUnavailable,
        fmt::format("{}: {} waited {:g} s for rank {} -> every rank of the group must take "
                    "part -> another rank died or hangs",
                    place(), operation, deadline.count() / 1e3, fmt::join(missing(), ", ")));
  }
}

void ThreadTransport::meet(const char* operation) {
  Held held(world_->lock);
  auto& present = room_->present;
  const auto meeting = room_->meetings;
  present[rank_] = true;
  if (std::find(present.begin(), present.end(), false) == present.end()) {
    present.assign(present.size(), false);
    ++room_->meetings;
    world_->changed.notify_all();
  }
  const auto missing = [&] {
    std::vector<int> ranks;
    for (int r = 0; r < size(); ++r) {
      if (!present[r]) ranks.push_back(room_->names[r]);
    }
    return ranks;
  };
  wait(
      held, operation, [&] { return room_->meetings != meeting; }, missing);
}

const std::vector<at::Tensor>& ThreadTransport::show(const at::Tensor& x, const char* operation) {
  room_->shown[rank_] = x;
  meet(operation);
  return room_->shown;
}

void ThreadTransport::done(const char* operation) {
  meet(operation);
  room_->shown[rank_].reset();
}

void ThreadTransport::expect_same(const at::Tensor& mine, const at::Tensor& theirs, int peer,
                                  const char* operation) const {
  if (mine.sizes() == theirs.sizes() && mine.scalar_type() == theirs.scalar_type()) return;
  throw Error(Exit::kBug,
              fmt::format("{}: {} got {} [{}] from rank {} -> {} [{}] -> the ranks run different "
                          "programs",
                          place(), operation, toString(theirs.scalar_type()),
                          fmt::join(theirs.sizes(), ", "), room_->names[peer],
                          toString(mine.scalar_type()), fmt::join(mine.sizes(), ", ")));
}

// Each rank sums one chunk, for all of them.
void ThreadTransport::all_reduce(at::Tensor& x) {
  const auto& shown = show(x, "all_reduce");
  for (int r = 0; r < size(); ++r) expect_same(x, shown[r], r, "all_reduce");
  const auto part = Split(x.numel(), size())[rank_];
  const auto chunk = [&](int r) { return shown[r].view(-1).narrow(0, part.begin, part.length); };
  const bool rounds_once = x.scalar_type() == at::kFloat;  // as over MPI
  auto sum = chunk(0).to(rounds_once ? at::kDouble : x.scalar_type(), false, /*copy=*/true);
  for (int r = 1; r < size(); ++r) sum.add_(chunk(r));
  for (int r = 0; r < size(); ++r) chunk(r).copy_(sum);
  self_->traffic.count("all_reduce", 2 * (size() - 1),
                       x.nbytes() + (size() - 2) * static_cast<int64_t>(chunk(rank_).nbytes()));
  done("all_reduce");
}

void ThreadTransport::all_gather(std::vector<at::Tensor>& all) {
  const auto& shown = show(all[rank_], "all_gather");
  for (int r = 0; r < size(); ++r) {
    expect_same(all[r], shown[r], r, "all_gather");
    if (r != rank_) all[r].copy_(shown[r]);
  }
  self_->traffic.count("all_gather", size() - 1, (size() - 1) * all[rank_].nbytes());
  done("all_gather");
}

// Letters, as each rank has others for each.
void ThreadTransport::all_to_all(const std::vector<at::Tensor>& give,
                                 const std::vector<at::Tensor>& take) {
  int64_t bytes = 0;
  for (int r = 0; r < size(); ++r) {
    if (r == rank_) continue;
    post_letter(give[r], r);
    bytes += static_cast<int64_t>(give[r].nbytes());
  }
  self_->traffic.count("all_to_all", size() - 1, bytes);
  for (int r = 0; r < size(); ++r) {
    if (r != rank_) take_letter(take[r], r, expect_letter(r));
  }
}

void ThreadTransport::broadcast(at::Tensor& x, int root) {
  const auto& shown = show(x, "broadcast");
  expect_same(x, shown[root], root, "broadcast");
  if (rank_ == root) {
    self_->traffic.count("broadcast", size() - 1, (size() - 1) * x.nbytes());
  } else {
    x.copy_(shown[root]);
  }
  done("broadcast");
}

std::unique_ptr<Transfer> ThreadTransport::start_send(const at::Tensor& x, int to) {
  post_letter(x, to);
  self_->traffic.count("send", 1, x.nbytes());
  return std::make_unique<Delivered>();
}

std::unique_ptr<Transfer> ThreadTransport::start_receive(const at::Tensor& x, int from) {
  return std::make_unique<Expected>(*this, x, from, expect_letter(from));
}

void ThreadTransport::post_letter(const at::Tensor& x, int to) {
  auto letter = x.clone();
  const Held held(world_->lock);
  auto& box = room_->mail[{rank_, to}];
  box.letters.emplace(box.posted++, std::move(letter));
  world_->changed.notify_all();
}

int64_t ThreadTransport::expect_letter(int from) {
  const Held held(world_->lock);
  return room_->mail[{from, rank_}].expected++;
}

void ThreadTransport::take_letter(const at::Tensor& x, int from, int64_t number) const {
  at::Tensor letter;
  {
    Held held(world_->lock);
    auto& letters = room_->mail[{from, rank_}].letters;
    wait(
        held, "receive", [&] { return letters.count(number) == 1; },
        [&] { return std::vector<int>{room_->names[from]}; });
    letter = std::move(letters.extract(number).mapped());
  }
  expect_same(x, letter, from, "receive");
  x.copy_(letter);
}

// Also where the world has stopped: wait() throws then.
bool ThreadTransport::has_letter(int from, int64_t number) const {
  const Held held(world_->lock);
  return world_->stop || room_->mail[{from, rank_}].letters.count(number) == 1;
}

// The ranks that chose this color, by key and then by rank.
std::shared_ptr<Room> ThreadTransport::room_of(int64_t color) const {
  std::vector<std::pair<int64_t, int>> members;
  for (int r = 0; r < size(); ++r) {
    const auto* choice = room_->shown[r].const_data_ptr<int64_t>();
    if (choice[0] == color) members.emplace_back(choice[1], room_->names[r]);
  }
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<int> names;
  for (const auto& member : members) names.push_back(member.second);
  return std::make_shared<Room>(std::move(names));
}

std::shared_ptr<Transport> ThreadTransport::split(int color, int key) {
  const auto choice = at::tensor(at::ArrayRef<int64_t>({int64_t{color}, int64_t{key}}), at::kLong);
  const auto& shown = show(choice, "split");
  int host = 0;  // the first rank of a color makes its room
  while (shown[host].const_data_ptr<int64_t>()[0] != color) ++host;
  if (host == rank_) room_->doors[rank_] = room_of(color);
  meet("split");
  const auto room = room_->doors[host];
  done("split");
  room_->doors[rank_].reset();
  if (color < 0) return nullptr;
  const auto& names = room->names;
  const auto mine = std::find(names.begin(), names.end(), room_->names[rank_]) - names.begin();
  return std::make_shared<ThreadTransport>(world_, room, static_cast<int>(mine), self_);
}

void ThreadTransport::abort(const std::string& reason, Exit exit) {
  const Held held(world_->lock);
  if (!world_->stop) world_->stop = Stop{room_->names[rank_], exit, reason};
  world_->changed.notify_all();
}

}  // namespace

std::vector<std::shared_ptr<Transport>> thread_transports(int ranks, TransportOptions options) {
  std::vector<int> names(ranks);
  std::iota(names.begin(), names.end(), 0);
  const auto world = std::make_shared<ThreadWorld>(ranks, options);
  const auto room = std::make_shared<Room>(std::move(names));
  std::vector<std::shared_ptr<Transport>> transports;
  for (int rank = 0; rank < ranks; ++rank) {
    auto self = std::make_shared<Self>(fmt::format("[threads] rank {} of {}", rank, ranks));
    transports.push_back(std::make_shared<ThreadTransport>(world, room, rank, std::move(self)));
  }
  return transports;
}

}  // namespace trireme
