// NcclLibrary: the few calls of NCCL and CUDA that the NCCL transport is made of, for one rank and
// its device. The real one is in libtrireme_cuda.so; tests put a stand-in of host memory and
// threads in its place, so that time-outs, broken links and an abort that hangs are tested where
// there is no GPU. No call waits for another rank or for the device, but destroy and abort may.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <memory>
#include <string>

namespace trireme {

using NcclId = std::array<char, 128>;
using NcclComm = struct OpaqueComm*;        // the library's own handle
using DeviceStream = struct OpaqueStream*;  // the library's own handle, good as long as the library

// What a call came to. Communicators are non-blocking: a call may go on in the background, and
// NcclLibrary::state tells then when it has really been made.
struct NcclAnswer {
  enum State { kDone, kUnderWay, kFailed } state = kDone;
  std::string error = {};  // where it failed: all that the library has to say
};

// A point in a stream's work.
class DeviceEvent {
 public:
  virtual ~DeviceEvent() = default;
  virtual bool done() const = 0;  // all work of the stream before it
};

class NcclLibrary {
 public:
  virtual ~NcclLibrary() = default;

  virtual at::Device device() const = 0;  // what tensors of this rank lie on
  // Whether what the host does next to a tensor queues behind the current stream by itself, as
  // ATen's CUDA kernels do. Where it does not, the transport waits for each operation.
  virtual bool queues_tensor_work() const = 0;

  virtual DeviceStream current_stream() = 0;
  virtual DeviceStream side_stream() = 0;  // another one, whose work overlaps with the current's
  virtual std::shared_ptr<DeviceEvent> record(DeviceStream stream) = 0;
  // What `stream` is given from here on comes after the event.
  virtual void follow(DeviceStream stream, const std::shared_ptr<DeviceEvent>& event) = 0;

  virtual NcclAnswer make_id(NcclId& id) = 0;
  // The handle is good, for state and abort, as soon as this returns.
  virtual NcclAnswer init(NcclComm& comm, const NcclId& id, int size, int rank) = 0;
  // Of the last call, and of all work given so far: a broken link shows here. One thread at a time.
  virtual NcclAnswer state(NcclComm comm) = 0;
  // Flushes what others still need of this rank; destroy frees the handle then.
  virtual NcclAnswer finalize(NcclComm comm) = 0;
  virtual void destroy(NcclComm comm) = 0;
  // Ends what is under way on this rank and frees the handle. May hang on a broken device.
  virtual void abort(NcclComm comm) = 0;

  // Operations go between group_start and group_end: they run as one, and errors come out there.
  // Sends and receives of one group do not wait for each other; groups of one communicator run in
  // the order in which they were given, whatever their streams.
  virtual void group_start() = 0;
  virtual NcclAnswer group_end(NcclComm comm) = 0;
  virtual void all_reduce(const at::Tensor& x, NcclComm comm, DeviceStream stream) = 0;
  virtual void broadcast(const at::Tensor& x, int root, NcclComm comm, DeviceStream stream) = 0;
  virtual void send(const at::Tensor& x, int to, NcclComm comm, DeviceStream stream) = 0;
  virtual void receive(const at::Tensor& x, int from, NcclComm comm, DeviceStream stream) = 0;
};

}  // namespace trireme
