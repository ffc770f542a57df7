#include "launch/process.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "launch/host.h"
#include "parallel/error.h"
#include "parallel/transports/mpi.h"
#include "src/report/report.h"

namespace trireme {
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

  // What MPI knows, which is right: a launcher's variables may be left over or missing.
  Launched place() const {
    Launched place;
    MPI_Comm_rank(MPI_COMM_WORLD, &place.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &place.size);
    MPI_Comm host = MPI_COMM_NULL;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    MPI_Comm_rank(host, &place.local_rank);
    MPI_Comm_size(host, &place.local_size);
    MPI_Comm_free(&host);
    return place;
  }
};

namespace {

void check_place(const Launched& told, const Launched& found) {
  if (told.rank == found.rank && told.size == found.size) return;
  throw Error(
      Exit::kUnavailable,
      fmt::format("[launcher] rank {} of {} by the launcher's variables, {} of {} by MPI -> "
                  "the same -> srun without --mpi=pmix, mpirun of another MPI, or variables "
                  "that another launcher left",
                  told.rank, told.size, found.rank, found.size));
}

}  // namespace

Process::Process(const Launched& launched, TransportOptions options)
    : launched_(launched), options_(options), host_(host_name()) {
  if (launched.size == 1) return;
  mpi_ = std::make_unique<Mpi>();
  launched_ = mpi_->place();
  check_place(launched, launched_);
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
