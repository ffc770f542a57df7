// A communicator of MPI with the transfers on it: requests, those that nobody holds any more, and
// the wait for them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "parallel/error.h"
#include "parallel/transport.h"
#include "parallel/transports/mpi_inquiry.h"
#include "parallel/transports/place.h"

// What MPI_Comm and MPI_Request point to in Open MPI: so that no header brings in mpi.h.
struct ompi_communicator_t;
struct ompi_request_t;

namespace trireme {

// What the groups of this process share.
struct MpiWorld {
  MpiWorld(std::string who, TransportOptions options)
      : place(std::move(who)), inquiry(options.deadline), options(options) {}

  // Answers the others; throws what is wrong with the rank that is watched over. `waits_for`: a
  // rank of the world, or -1.
  void pulse(int waits_for);

  Place place;  // "[mpi] rank 2 of 4 (host)"
  Inquiry inquiry;
  TransportOptions options;
  Traffic traffic;
};

// Throws Error(kUnavailable) with MPI's own words unless the code is a success.
void check_mpi(int code, const Place& place, const char* operation);

struct MpiRequest {
  static constexpr int kWholeGroup = -1;

  ompi_request_t* handle;
  int peer;          // of the group, or kWholeGroup
  int64_t expected;  // bytes to receive; -1 where it does not matter
};

// Owns the communicator. Errors come as codes from here on.
class MpiCommunicator {
 public:
  explicit MpiCommunicator(ompi_communicator_t* comm);
  ~MpiCommunicator();
  MpiCommunicator(const MpiCommunicator&) = delete;

  ompi_communicator_t* get() const { return comm_; }
  int rank() const { return rank_; }
  int size() const { return size_; }
  std::vector<int> world_ranks(const std::vector<int>& ranks) const;
  // Keeps the tensors of transfers that may still be under way.
  void keep(std::vector<MpiRequest> requests, std::vector<at::Tensor> tensors) {
    left_alone_.push_back({std::move(requests), std::move(tensors)});
  }
  void sweep();

 private:
  struct LeftAlone {
    std::vector<MpiRequest> requests;
    std::vector<at::Tensor> tensors;
  };

  ompi_communicator_t* comm_;
  int rank_ = 0;
  int size_ = 0;
  std::vector<LeftAlone> left_alone_;
};

// Tests requests until all are done or the deadline has passed.
class MpiWait {
 public:
  MpiWait(MpiWorld& world, const MpiCommunicator& comm, const char* operation)
      : world_(world), comm_(comm), operation_(operation) {}

  void for_all(std::vector<MpiRequest>& requests);
  // Tells whoever asks that this rank is there, and whom it waits for.
  void answer(const std::vector<MpiRequest>& requests) const;
  // Tests each of them once.
  bool over(std::vector<MpiRequest>& requests) const;

 private:
  bool finished(MpiRequest& request) const;
  std::vector<int> missing_of(const std::vector<MpiRequest>& requests) const;
  Error too_late(const std::vector<MpiRequest>& requests) const;

  MpiWorld& world_;
  const MpiCommunicator& comm_;
  const char* operation_;
};

}  // namespace trireme
