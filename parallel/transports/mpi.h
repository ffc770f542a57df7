// Host tensors over MPI, and the line over which other transports find each other. The caller owns
// MPI: it has initialised MPI before, and finalises it after the last group is gone. No wait here
// is a blocking call of MPI: each polls with a deadline, politely, since ranks may outnumber cores.
#pragma once

#include <memory>

#include "parallel/transport.h"

namespace trireme {

// Collective over MPI_COMM_WORLD, on a communicator of its own.
std::shared_ptr<Transport> mpi_world(TransportOptions options = {});

}  // namespace trireme
