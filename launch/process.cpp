#include "launch/process.h"

#include <fmt/format.h>
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

#include "parallel/error.h"
#include "parallel/transports/mpi.h"

namespace trireme {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

}  // namespace

class Process::Mpi {
 public:
  Mpi() {
    int given = MPI_THREAD_SINGLE;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &given) != MPI_SUCCESS)
      throw Error(Exit::kUnavailable,
                  "[mpi] MPI_Init_thread failed -> the launcher and the library "
                  "must be the same Open MPI -> another mpirun is on the PATH");
  }
  ~Mpi() { MPI_Finalize(); }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;
};

Process::Process(const Launched& launched, TransportOptions options)
    : launched_(launched), options_(options), host_(host_name()) {
  if (launched.size == 1) return;
  mpi_ = std::make_unique<Mpi>();
  transport_ = mpi_world(options_);
  world_ = Group(transport_);
}

Group Process::world_on(const CudaRuntime& cuda, int device) const {
  return transport_ ? Group(cuda.transport(transport_, device, options_)) : Group();
}

Process::~Process() = default;

void Process::end_all_ranks(const Failure& failure) const {
  const auto where = world_.alone()
                         ? std::string()
                         : fmt::format("rank {} of {} ({}): ", world_.rank(), world_.size(), host_);
  say_once({failure.exit, where + failure.message}, launched_);
  world_.abort(failure.message, failure.exit);
  std::_Exit(static_cast<int>(failure.exit));
}

int Process::threads() const {
  const int cores = usable_cores();
  const bool bound = cores < static_cast<int>(std::thread::hardware_concurrency());
  return bound ? cores : std::max(1, cores / std::max(1, launched_.local_size));
}

}  // namespace trireme
