#include "parallel/host_memory.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>

namespace trireme {

// The allocator that was there before, with a count around it. The context of its memory is the
// memory, as there, so that raw_allocate and raw_deallocate work; what a block took is asked of
// malloc when it goes, for a deleter is given nothing but the address.
class CountingAllocator : public c10::Allocator {
 public:
  explicit CountingAllocator(HostMemory& memory)
      : inner_(*c10::GetDefaultCPUAllocator()), memory_(memory) {}

  c10::DataPtr allocate(size_t n) override {
    auto data = inner_.allocate(n);
    memory_.add(size_of(data.get()));
    const bool exchanged = data.compare_exchange_deleter(inner_.raw_deleter(), &release);
    TORCH_INTERNAL_ASSERT(exchanged);
    return data;
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t n) const override {
    default_copy_data(to, from, n);
  }

 private:
  static int64_t size_of(void* data) { return static_cast<int64_t>(malloc_usable_size(data)); }
  static void release(void* data) {
    HostMemory::counted().remove(size_of(data));
    c10::GetDefaultCPUAllocator()->raw_deallocate(data);
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
