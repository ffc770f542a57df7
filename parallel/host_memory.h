// HostMemory: what the tensors on this host take, now and at most since a mark. It counts by
// standing in front of ATen's CPU allocator. ATen has one such allocator for the whole process, so
// there is one HostMemory, shared by ranks that are threads. Memory that was allocated before the
// first use is not counted, and neither is its release. GPUs: parallel/device.h.
//
// Counted is what is asked for, the same on every machine: the data of all tensors, temporaries,
// and oneDNN's packed weights and scratch, which it asks ATen for. Not counted is what malloc adds
// (about a hundred bytes a tensor, up to a page from 128 KiB on), and what does not come from ATen:
// pages of mapped weight files, std::vectors (the tiles of streamed attention), tokenizers, MPI's
// buffers, the program itself.
#pragma once

#include <atomic>
#include <cstdint>

namespace trireme {

class HostMemory {
 public:
  // Counts from the first call on, until the process ends. The first call must be made before there
  // are threads that allocate tensors: ATen's table of allocators has no lock.
  static HostMemory& counted();

  HostMemory(const HostMemory&) = delete;
  HostMemory& operator=(const HostMemory&) = delete;

  int64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // The most since the last mark, or since the first use.
  int64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  // From here on peak() speaks of what comes: it is what there is now. Other threads may go on
  // allocating.
  void mark();

 private:
  friend class CountingAllocator;
  HostMemory() = default;

  void add(int64_t bytes);
  void remove(int64_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }
  void raise_peak(int64_t bytes);

  std::atomic<int64_t> bytes_{0}, peak_{0};
};

}  // namespace trireme
