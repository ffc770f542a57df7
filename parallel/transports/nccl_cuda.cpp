#include "parallel/transports/nccl_cuda.h"

#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <fmt/format.h>
#include <nccl.h>

#include <algorithm>

namespace trireme {
namespace {

static_assert(sizeof(ncclUniqueId) == sizeof(NcclId));

ncclComm_t native(NcclComm comm) {
  return reinterpret_cast<ncclComm_t>(comm);
}

cudaStream_t native(DeviceStream stream) {
  return reinterpret_cast<cudaStream_t>(stream);
}

DeviceStream handle(const c10::cuda::CUDAStream& stream) {
  return reinterpret_cast<DeviceStream>(stream.stream());
}

// An event of its own: at::cuda::CUDAEvent records c10's streams only, and this is all of it.
class CudaEvent : public DeviceEvent {
 public:
  CudaEvent(c10::DeviceIndex device, cudaStream_t stream) : device_(device) {
    C10_CUDA_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
    C10_CUDA_CHECK(cudaEventRecord(event_, stream));
  }
  // Errors of a device that is lost are told by whoever asks it next.
  ~CudaEvent() override {
    const c10::cuda::CUDAGuard guard(device_);
    (void)cudaEventDestroy(event_);
  }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;

  bool done() const override {
    const c10::cuda::CUDAGuard guard(device_);  // the watchdog's thread has not chosen a device
    const auto code = cudaEventQuery(event_);
    if (code == cudaErrorNotReady) {
      (void)cudaGetLastError();  // it would else be found by the next call
      return false;
    }
    C10_CUDA_CHECK(code);
    return true;
  }
  cudaEvent_t get() const { return event_; }

 private:
  c10::DeviceIndex device_;
  cudaEvent_t event_ = nullptr;
};

ncclDataType_t type_of(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    default:
      return ncclFloat32;  // Group sums no other type
  }
}

NcclAnswer answer_of(ncclResult_t code, ncclComm_t comm) {
  if (code == ncclSuccess) return {};
  if (code == ncclInProgress) return {NcclAnswer::kUnderWay};
  const std::string detail = ncclGetLastError(comm);
  return {NcclAnswer::kFailed,
          fmt::format("{}{}{}", ncclGetErrorString(code), detail.empty() ? "" : ": ", detail)};
}

class NcclOnCuda : public NcclLibrary {
 public:
  explicit NcclOnCuda(int device) : device_(static_cast<c10::DeviceIndex>(device)) {}

  at::Device device() const override { return {at::kCUDA, device_}; }
  bool queues_tensor_work() const override { return true; }

  DeviceStream current_stream() override {
    return handle(c10::cuda::getCurrentCUDAStream(device_));
  }
  DeviceStream side_stream() override {
    return handle(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device_));
  }
  std::shared_ptr<DeviceEvent> record(DeviceStream stream) override {
    const c10::cuda::CUDAGuard guard(device_);
    return std::make_shared<CudaEvent>(device_, native(stream));
  }
  void follow(DeviceStream stream, const std::shared_ptr<DeviceEvent>& event) override {
    const c10::cuda::CUDAGuard guard(device_);
    const auto& point = static_cast<const CudaEvent&>(*event);
    C10_CUDA_CHECK(cudaStreamWaitEvent(native(stream), point.get(), 0));
  }

  NcclAnswer make_id(NcclId& id) override {
    ncclUniqueId made{};
    const auto code = ncclGetUniqueId(&made);
    std::copy_n(made.internal, id.size(), id.begin());
    return answer_of(code, nullptr);
  }
  NcclAnswer init(NcclComm& comm, const NcclId& id, int size, int rank) override {
    const c10::cuda::CUDAGuard guard(device_);
    ncclUniqueId given{};
    std::copy(id.begin(), id.end(), given.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    ncclComm_t made = nullptr;
    const auto code = ncclCommInitRankConfig(&made, size, given, rank, &config);
    comm = reinterpret_cast<NcclComm>(made);
    return answer_of(code, made);
  }
  NcclAnswer state(NcclComm comm) override {
    auto code = ncclSuccess;
    const auto asked = ncclCommGetAsyncError(native(comm), &code);
    return answer_of(asked != ncclSuccess ? asked : code, native(comm));
  }
  NcclAnswer finalize(NcclComm comm) override {
    const c10::cuda::CUDAGuard guard(device_);
    return answer_of(ncclCommFinalize(native(comm)), native(comm));
  }
  void destroy(NcclComm comm) override {
    const c10::cuda::CUDAGuard guard(device_);
    ncclCommDestroy(native(comm));
  }
  void abort(NcclComm comm) override {
    const c10::cuda::CUDAGuard guard(device_);
    ncclCommAbort(native(comm));
  }

  void group_start() override { ncclGroupStart(); }
  NcclAnswer group_end(NcclComm comm) override {
    const c10::cuda::CUDAGuard guard(device_);
    return answer_of(ncclGroupEnd(), native(comm));
  }
  void all_reduce(const at::Tensor& x, NcclComm comm, DeviceStream stream) override {
    ncclAllReduce(x.data_ptr(), x.data_ptr(), x.numel(), type_of(x), ncclSum, native(comm),
                  native(stream));
  }
  void broadcast(const at::Tensor& x, int root, NcclComm comm, DeviceStream stream) override {
    ncclBroadcast(x.data_ptr(), x.data_ptr(), x.nbytes(), ncclInt8, root, native(comm),
                  native(stream));
  }
  void send(const at::Tensor& x, int to, NcclComm comm, DeviceStream stream) override {
    ncclSend(x.data_ptr(), x.nbytes(), ncclInt8, to, native(comm), native(stream));
  }
  void receive(const at::Tensor& x, int from, NcclComm comm, DeviceStream stream) override {
    ncclRecv(x.data_ptr(), x.nbytes(), ncclInt8, from, native(comm), native(stream));
  }

 private:
  c10::DeviceIndex device_;
};

}  // namespace

std::shared_ptr<NcclLibrary> nccl_on_cuda(int device) {
  return std::make_shared<NcclOnCuda>(device);
}

}  // namespace trireme
