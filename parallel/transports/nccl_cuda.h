// The real NCCL and CUDA behind NcclLibrary; lives in libtrireme_cuda.so.
#pragma once

#include <memory>

#include "parallel/transports/nccl_library.h"

namespace trireme {

std::shared_ptr<NcclLibrary> nccl_on_cuda(int device);

}  // namespace trireme
