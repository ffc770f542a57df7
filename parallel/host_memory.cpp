#include "parallel/host_memory.h"

#include <c10/core/CPUAllocator.h>

#include <new>

namespace trireme {

// The allocator that was there before, with a count around it. How much was asked for stands in
// front of a block, for a deleter is given nothing but the address. The context of a tensor's
// memory is the memory, as there, so that raw_allocate and raw_deallocate work.
class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(HostMemory& memory)
      : inner_(*c10::GetDefaultCPUAllocator()), memory_(memory) {}

  c10::DataPtr allocate(size_t n) override {
    if (n == 0) return inner_.allocate(0);
    auto* block = static_cast<char*>(inner_.raw_allocate(n + kAhead));
    new (block) size_t(n);
    memory_.add(static_cast<int64_t>(n));
    auto* data = block + kAhead;
    return {data, data, &release, at::Device(at::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t n) const override {
    default_copy_data(to, from, n);
  }

 private:
  static constexpr size_t kAhead = c10::gAlignment;

  static void release(void* data) {
    if (data == nullptr) return;
    auto* block = static_cast<char*>(data) - kAhead;
    HostMemory::counted().remove(static_cast<int64_t>(*reinterpret_cast<size_t*>(block)));
    c10::GetDefaultCPUAllocator()->raw_deallocate(block);
  }

  c10::Allocator& inner_;
  HostMemory& memory_;
};

HostMemory& HostMemory::counted() {
  // Neither is ever destroyed: tensors of static lifetime are released after everything else.
  static HostMemory& memory = [&]() -> HostMemory& {
    auto* made = new HostMemory;
    constexpr uint8_t kOverDefault = 1;
    c10::SetCPUAllocator(new CountingAllocator(*made), kOverDefault);
    return *made;
  }();
  return memory;
}

void HostMemory::mark() {
  peak_.store(bytes(), std::memory_order_relaxed);
  // What others allocated between the two lines above and below was measured by the old peak.
  raise_peak(bytes());
}

void HostMemory::add(int64_t bytes) {
  raise_peak(bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes);
}

void HostMemory::raise_peak(int64_t bytes) {
  auto known = peak_.load(std::memory_order_relaxed);
  while (known < bytes && !peak_.compare_exchange_weak(known, bytes, std::memory_order_relaxed)) {
  }
}

}  // namespace trireme
