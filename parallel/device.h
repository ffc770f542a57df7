// CudaRuntime: everything that needs CUDA, loaded from libtrireme_cuda.so when a GPU is asked for.
// The program links CPU libraries only, so it starts at once and runs where no CUDA is installed.
// What is loaded stays until the process ends (CUDA cannot be unloaded); copies of this value are
// cheap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "parallel/transport.h"
#include "parallel/transports/nccl.h"

namespace trireme {

// What the shared object offers: its one exported function, trireme_cuda(), returns this table.
struct CudaTable {
  // GPUs that the driver shows; 0 with the reason in `why_none`.
  int (*devices)(std::string& why_none);
  std::string (*name)(int device);
  int64_t (*total_bytes)(int device);
  int64_t (*bytes)(int device);
  int64_t (*peak_bytes)(int device);
  void (*mark_peak)(int device);
  void (*use)(int device);
  std::shared_ptr<NcclLibrary> (*nccl)(int device);
};

class CudaRuntime {
 public:
  // Error (kUnavailable) unless there is a library, a driver and a GPU. To be called before ATen is
  // first asked about CUDA.
  static CudaRuntime open();

  int devices() const { return devices_; }
  std::string name(int device) const { return table_->name(device); }
  int64_t total_bytes(int device) const { return table_->total_bytes(device); }
  // What this process's tensors take on this device, now and at most since the last mark or the
  // beginning, as HostMemory (host_memory.h) counts them on the host. What the caching allocator
  // keeps for later is not among it.
  int64_t bytes(int device) const { return table_->bytes(device); }
  int64_t peak_bytes(int device) const { return table_->peak_bytes(device); }
  void mark_peak(int device) const { table_->mark_peak(device); }
  // Makes it the device of the calling thread.
  void use(int device) const { table_->use(device); }
  // Collective over `bootstrap` (host tensors, MPI as a rule): NCCL over the same ranks, each with
  // its GPU. Host tensors given to it go over the bootstrap.
  std::shared_ptr<Transport> transport(std::shared_ptr<Transport> bootstrap, int device,
                                       TransportOptions options = {}) const {
    return nccl_world(std::move(bootstrap), table_->nccl(device), options);
  }

 private:
  CudaRuntime(const CudaTable* table, int devices) : table_(table), devices_(devices) {}

  const CudaTable* table_;
  int devices_;
};

}  // namespace trireme
