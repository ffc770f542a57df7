// executed_flops: what the operations that ATen really ran on this thread amount to, seen from
// outside by the shapes they were given. It knows nothing of models, so a model's own count can be
// held against it. What a CPU does for its own sake is seen too: a single row through a linear
// layer is two, and fewer than 32 queries are 32. Attention that streams (from 128 keys on) is no
// operation of ATen's, and not seen. Test with sizes between.
#pragma once

#include <cstdint>
#include <functional>

namespace trireme {

int64_t executed_flops(const std::function<void()>& body);

}  // namespace trireme
