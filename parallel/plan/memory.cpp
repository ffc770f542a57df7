#include "parallel/plan/memory.h"

#include <algorithm>

#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

// A process with the libraries that it uses, before it has read anything (measured: 113 to 122
// MiB), and what malloc keeps, kernels that oneDNN makes and MPI's own memory take as it goes.
constexpr int64_t kProcess = 120 << 20, kReserve = 160 << 20;
// A CUDA context with its libraries' kernels and workspaces; never measured by us.
constexpr int64_t kContext = 800 << 20;

int64_t all_of(const StageMemory& stage) {
  return stage.weights + stage.activations + stage.buffers;
}
int64_t beyond_weights(const StageMemory& stage) {
  return stage.activations + stage.buffers;
}

}  // namespace

int64_t RankMemory::peak(Offload offload) const {
  if (offload != Offload::kNone)
    return program + std::max({all_of(encode), all_of(denoise), all_of(decode)});
  return program + encode.weights + denoise.weights + decode.weights +
         std::max({beyond_weights(encode), beyond_weights(denoise), beyond_weights(decode)});
}

int64_t Post::samples() const {
  return std::min<int64_t>(layout.batch_size, std::max<int64_t>(shape().pictures, 1));
}

RankMemory memory_of(const Workload& work, const Layout& layout, int rank, bool on_cpu) {
  const Post post{work, layout, rank, on_cpu};
  return {.encode = encode_memory(post),
          .denoise = denoise_memory(post),
          .decode = decode_memory(post),
          .program = on_cpu ? kProcess + kReserve : kContext};
}

}  // namespace trireme
