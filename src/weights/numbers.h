// What loading does to numbers: convert them from the file's type to the one that is computed with,
// and find the first that is NaN or infinite, while they are still in the cache.
#pragma once

#include <ATen/ATen.h>

#include "src/weights/safetensors_header.h"

namespace trireme {

at::ScalarType scalar_type(StoredType type);
// Error (kBug) for a type that the format has no name for.
StoredType stored_type(at::ScalarType type);

// The type in which a stored tensor lands: floating ones are converted, others stay what they are.
at::ScalarType landing_type(StoredType stored, at::ScalarType wanted);

// Converts `count` stored numbers at `from` to `type` at `to`.
void convert_numbers(const void* from, StoredType stored, void* to, at::ScalarType type,
                     int64_t count);

// Index of the first NaN or infinity, or -1; other than floating types have none.
int64_t first_not_finite(const void* values, at::ScalarType type, int64_t count);

}  // namespace trireme
