// Process: this process among its peers. It starts MPI if a launcher started us and ends it when it
// goes out of scope; every Group of the world must be gone by then. Without a launcher the world is
// one rank and MPI is never touched.
#pragma once

#include <memory>
#include <string>

#include "launch/failure.h"
#include "launch/launched.h"
#include "parallel/device.h"
#include "parallel/group.h"

namespace trireme {

class Process {
 public:
  Process(const Launched& launched, TransportOptions options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const Group& world() const { return world_; }
  const std::string& host() const { return host_; }
  // The world for tensors on this rank's GPU: NCCL over the same ranks. Collective.
  Group world_on(const CudaRuntime& cuda, int device) const;
  int local_size() const { return launched_.local_size; }  // ranks on this host
  // This rank's GPU, if each rank of this host takes the next one.
  int local_rank() const { return launched_.local_rank; }
  // Says what went wrong with rank and host, then ends the world with the failure's exit code: no
  // rank is left waiting for one that is dead.
  [[noreturn]] void end_all_ranks(const Failure& failure) const;
  // CPU threads for each rank of this host, if nobody chose otherwise: its share of the cores that
  // it may run on.
  int threads() const;

 private:
  class Mpi;

  Launched launched_;
  TransportOptions options_;
  std::string host_;
  std::unique_ptr<Mpi> mpi_;  // outlives world_
  std::shared_ptr<Transport> transport_;
  Group world_;
};

}  // namespace trireme
