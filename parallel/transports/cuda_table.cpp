// The face of libtrireme_cuda.so: parallel/device.h says what it offers.
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>

#include "parallel/device.h"
#include "parallel/transports/nccl_cuda.h"

namespace trireme {
namespace {

int devices(std::string& why_none) {
  int count = 0;
  const auto code = cudaGetDeviceCount(&count);
  if (code == cudaSuccess && count > 0) return count;
  why_none = code == cudaSuccess ? "there is no GPU" : cudaGetErrorString(code);
  cudaGetLastError();  // it would else be found by the next call
  return 0;
}

cudaDeviceProp properties(int device) {
  cudaDeviceProp found{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&found, device));
  return found;
}

std::string name(int device) {
  return properties(device).name;
}

int64_t total_bytes(int device) {
  return static_cast<int64_t>(properties(device).totalGlobalMem);
}

c10::CachingAllocator::Stat allocated(int device) {
  using c10::CachingAllocator::StatType;
  const auto stats =
      c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(device));
  return stats.allocated_bytes[static_cast<size_t>(StatType::AGGREGATE)];
}

int64_t bytes(int device) {
  return allocated(device).current;
}

int64_t peak_bytes(int device) {
  return allocated(device).peak;
}

void mark_peak(int device) {
  c10::cuda::CUDACachingAllocator::resetPeakStats(static_cast<c10::DeviceIndex>(device));
}

void use(int device) {
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(device));
}

constexpr CudaTable kTable{devices,    name,      total_bytes, bytes,
                           peak_bytes, mark_peak, use,         nccl_on_cuda};

}  // namespace
}  // namespace trireme

extern "C" __attribute__((visibility("default"))) const trireme::CudaTable* trireme_cuda() {
  return &trireme::kTable;
}
