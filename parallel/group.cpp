#include "parallel/group.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace trireme {
namespace {

bool sums_as_it_is(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble ||
         x.scalar_type() == at::kLong;
}

// A contiguous tensor to write into: x itself if it is a temporary that nobody else can see.
at::Tensor own(at::Tensor x) {
  const bool ours = x.use_count() == 1 && x.storage().use_count() == 1 && x.is_contiguous();
  return ours ? x : x.clone(at::MemoryFormat::Contiguous);
}

// Space for every rank's part of the whole. Where dim is the outermost, the parts lie in `whole`,
// which is then the result without a copy.
struct Parts {
  at::Tensor whole;
  std::vector<at::Tensor> all;
};

Parts make_parts(const at::Tensor& x, int64_t dim, const Split& split) {
  auto sizes = x.sizes().vec();
  Parts parts;
  const auto outer = c10::multiply_integers(sizes.begin(), sizes.begin() + dim);
  if (outer == 1) {
    sizes[dim] = split.units();
    parts.whole = at::empty(sizes, x.options());
    for (int r = 0; r < split.parts(); ++r) {
      parts.all.push_back(parts.whole.narrow(dim, split[r].begin, split[r].length));
    }
    return parts;
  }
  for (int r = 0; r < split.parts(); ++r) {
    sizes[dim] = split[r].length;
    parts.all.push_back(at::empty(sizes, x.options()));
  }
  return parts;
}

void expect_part(const at::Tensor& x, int64_t dim, const Split& split, const Group& group) {
  if (split.parts() == group.size() && split[group.rank()].length == x.size(dim)) return;
  throw Error(
      Exit::kBug,
      fmt::format("[group] gathering [{}] along dimension {} on rank {} of {} -> a split "
                  "of {} parts says otherwise -> it is not the split the tensor was cut by",
                  fmt::join(x.sizes(), ", "), dim, group.rank(), group.size(), split.parts()));
}

}  // namespace

Pending::Pending(at::Tensor tensor, std::unique_ptr<Transfer> transfer,
                 std::shared_ptr<UnderWay> under_way)
    : tensor_(std::move(tensor)), transfer_(std::move(transfer)), under_way_(std::move(under_way)) {
  under_way_->add(static_cast<int64_t>(tensor_.nbytes()));
}

Pending& Pending::operator=(Pending&& other) noexcept {
  leave();
  tensor_ = std::move(other.tensor_);
  transfer_ = std::move(other.transfer_);
  under_way_ = std::move(other.under_way_);
  return *this;
}

void Pending::leave() {
  if (under_way_) under_way_->add(-static_cast<int64_t>(tensor_.nbytes()));
  under_way_.reset();
}

at::Tensor Pending::wait() {
  if (transfer_) transfer_->wait();
  transfer_.reset();
  leave();
  return tensor_;
}

at::Tensor Pending::wait_without_deadline() {
  constexpr auto kBetweenLooks = std::chrono::milliseconds(5);
  while (!ready()) std::this_thread::sleep_for(kBetweenLooks);
  return wait();
}

Group::Group(std::shared_ptr<Transport> transport)
    : Group(std::move(transport), std::make_shared<UnderWay>()) {}

Group::Group(std::shared_ptr<Transport> transport, std::shared_ptr<UnderWay> under_way)
    : transport_(transport && transport->size() > 1 ? std::move(transport) : nullptr),
      under_way_(std::move(under_way)) {}

int Group::rank() const {
  return transport_ ? transport_->rank() : 0;
}
int Group::size() const {
  return transport_ ? transport_->size() : 1;
}

Transport& Group::peers(const char* operation) const {
  if (transport_) return *transport_;
  throw Error(Exit::kBug, fmt::format("[group] {} in a group of one -> another rank -> a layout "
                                      "that was not checked",
                                      operation));
}

Group Group::split(int color, int key) const {
  return transport_ ? Group(transport_->split(color, key), under_way_) : Group();
}

Group Group::subset(const std::vector<int>& ranks) const {
  const auto place = std::find(ranks.begin(), ranks.end(), rank());
  const bool member = place != ranks.end();
  return split(member ? 0 : -1, static_cast<int>(place - ranks.begin()));
}

Group Group::on_hosts() const {
  return transport_ ? Group(transport_->on_hosts(), under_way_) : Group();
}

at::Tensor Group::all_reduce(at::Tensor x) const {
  if (!transport_) return x;
  const auto dtype = x.scalar_type();
  auto sum = sums_as_it_is(x) ? own(std::move(x)) : x.to(at::kFloat).contiguous();
  transport_->all_reduce(sum);
  return sum.to(dtype);
}

at::Tensor Group::all_gather(const at::Tensor& x, int64_t dim, const Split& split) const {
  if (!transport_) return x;
  dim = at::maybe_wrap_dim(dim, x.dim());
  expect_part(x, dim, split, *this);
  auto parts = make_parts(x, dim, split);
  auto& mine = parts.all[rank()];
  if (parts.whole.defined()) {
    mine.copy_(x);
  } else {
    mine = x.contiguous();
  }
  transport_->all_gather(parts.all);
  return parts.whole.defined() ? parts.whole : at::cat(parts.all, dim);
}

at::Tensor Group::all_gather(const at::Tensor& x, int64_t dim) const {
  return all_gather(x, dim, Split::of_lengths(std::vector<int64_t>(size(), x.size(dim))));
}

at::Tensor Group::all_to_all(const at::Tensor& x, int64_t gathered, const Split& held, int64_t cut,
                             const Split& kept) const {
  if (!transport_) return x;
  expect_part(x, gathered, held, *this);
  std::vector<at::Tensor> give, take;
  for (int r = 0; r < size(); ++r) {
    give.push_back(shard(x, cut, kept, r).contiguous());
    auto sizes = x.sizes().vec();
    sizes[gathered] = held[r].length;
    sizes[cut] = kept[rank()].length;
    take.push_back(r == rank() ? give[r] : at::empty(sizes, x.options()));
  }
  transport_->all_to_all(give, take);
  return at::cat(take, gathered);
}

at::Tensor Group::broadcast(const at::Tensor& x, int root) const {
  if (!transport_) return x;
  auto y = rank() == root ? x.contiguous() : at::empty(x.sizes(), x.options());
  transport_->broadcast(y, root);
  return y;
}

Pending Group::start_send(const at::Tensor& x, int to) const {
  auto y = x.contiguous();
  auto transfer = peers("send").start_send(y, to);
  return Pending(std::move(y), std::move(transfer), under_way_);
}

Pending Group::start_receive(const at::Tensor& like, int from) const {
  auto y = at::empty(like.sizes(), like.options());
  auto transfer = peers("receive").start_receive(y, from);
  return Pending(std::move(y), std::move(transfer), under_way_);
}

void Group::barrier() const {
  if (transport_) transport_->barrier();
}

void Group::connect_ring() const {
  if (!transport_) return;
  std::vector<std::pair<int, int>> ring;
  for (int r = 0; r < size(); ++r) ring.emplace_back(r, (r + 1) % size());
  transport_->connect(ring);
}

void Group::connect_neighbours() const {
  if (!transport_) return;
  std::vector<std::pair<int, int>> both_ways;
  for (int r = 0; r + 1 < size(); ++r) {
    both_ways.emplace_back(r, r + 1);
    both_ways.emplace_back(r + 1, r);
  }
  transport_->connect(both_ways);
}

void Group::watch(bool on) const {
  if (transport_) transport_->watch(on);
}

void Group::pulse() const {
  if (transport_) transport_->pulse();
}

void Group::abort(const std::string& reason, Exit exit) const {
  if (transport_) transport_->abort(reason, exit);
}

void Group::note(const std::string& where) const {
  if (transport_) transport_->note(where);
}

Traffic Group::traffic() const {
  return transport_ ? transport_->traffic() : Traffic();
}

at::Tensor shard(const at::Tensor& x, int64_t dim, const Split& split, int rank) {
  return x.narrow(dim, split[rank].begin, split[rank].length);
}

}  // namespace trireme
