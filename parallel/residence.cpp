#include "parallel/residence.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace trireme {
namespace {

// The bytes of a storage as a tensor.
at::Tensor bytes_of(c10::StorageImpl& storage, at::Device device) {
  return at::from_blob(storage.mutable_data(), {static_cast<int64_t>(storage.nbytes())},
                       at::TensorOptions().dtype(at::kByte).device(device));
}

at::Tensor on_host(c10::StorageImpl& storage, at::Device device) {
  auto copy = at::empty({static_cast<int64_t>(storage.nbytes())},
                        at::TensorOptions().dtype(at::kByte).pinned_memory(device.is_cuda()));
  copy.copy_(bytes_of(storage, device));
  return copy;
}

}  // namespace

void Residence::add(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.has_storage() || tensor.nbytes() == 0) return;
  auto storage = tensor.storage().getWeakStorageImpl();
  const auto same = [&](const Kept& kept) { return kept.storage == storage; };
  if (std::none_of(kept_.begin(), kept_.end(), same))
    kept_.push_back({std::move(storage), tensor.device()});
}

int64_t Residence::bytes() const {
  int64_t sum = 0;
  for (const auto& kept : kept_)
    if (const auto storage = kept.storage.lock()) sum += static_cast<int64_t>(storage->nbytes());
  return sum;
}

void Residence::leave() {
  if (fetched_) come();  // the copies may be on their way still
  if (away_) return;
  std::erase_if(kept_, [](const Kept& kept) { return kept.storage.expired(); });
  for (auto& [weak, device, waiting] : kept_) {
    const auto storage = weak.lock();
    if (!waiting.defined()) waiting = on_host(*storage, device);
    storage->set_data_ptr_noswap(c10::DataPtr(nullptr, device));
  }
  away_ = true;
}

void Residence::copy_back() {
  for (auto& [weak, device, waiting] : kept_)
    if (const auto storage = weak.lock())
      bytes_of(*storage, device).copy_(waiting, /*non_blocking=*/true);
}

// Memory is the current stream's, where it is used and given back; the copies are another's, which
// waits until that memory is free and is waited for before it is used.
void Residence::fetch() {
  if (!away_ || fetched_) return;
  fetched_ = true;
  for (auto& [weak, device, waiting] : kept_)
    if (const auto storage = weak.lock())
      storage->set_data_ptr_noswap(c10::GetAllocator(device.type())->allocate(storage->nbytes()));
  const auto gpu = std::find_if(kept_.begin(), kept_.end(),
                                [](const Kept& kept) { return kept.device.is_cuda(); });
  if (gpu == kept_.end()) return copy_back();
  const c10::impl::VirtualGuardImpl streams(gpu->device.type());
  c10::Event free(gpu->device.type());
  free.record(streams.getStream(gpu->device));
  const c10::StreamGuard beside(streams.getStreamFromGlobalPool(gpu->device));
  free.block(beside.current_stream());
  copy_back();
  arrived_.emplace(gpu->device.type());
  arrived_->record(beside.current_stream());
}

void Residence::come() {
  fetch();
  if (arrived_) {
    const auto device = kept_.front().device;
    arrived_->block(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  }
  arrived_.reset();
  away_ = fetched_ = false;
}

}  // namespace trireme
