#include "parallel/transports/nccl_operation.h"

#include <fmt/format.h>

namespace trireme {
namespace {

std::string title(const NcclOperation& operation) {
  const bool of_group = operation.peer == NcclOperation::kWholeGroup && operation.ranks > 0;
  return of_group ? fmt::format("{} on {} ranks", operation.name, operation.ranks) : operation.name;
}

}  // namespace

std::string NcclOperation::line(Time now) const {
  constexpr const char* kStates[] = {"being made", "queued", "under way", "done"};
  const auto with =
      peer == kWholeGroup ? fmt::format("{} ranks", ranks) : fmt::format("rank {}", peer);
  const double age = std::chrono::duration<double>(now - posted).count();
  return fmt::format("#{} {}, {}, {} bytes, {:.3f} s ago, {}", number, name, with, bytes, age,
                     kStates[state]);
}

std::string NcclOperation::is_late(double seconds) const {
  const auto whom = peer == kWholeGroup ? std::string() : fmt::format(" for rank {}", peer);
  return fmt::format(
      "{} waited {:.1f} s{} -> every rank of the group must take part -> another rank died or "
      "hangs",
      title(*this), seconds, whom);
}

std::string NcclOperation::is_broken(const std::string& error) const {
  return fmt::format(
      "{} failed: {} -> GPUs that reach each other -> a rank died, or a link or a GPU is broken "
      "(NCCL_DEBUG=INFO says more)",
      title(*this), error);
}

}  // namespace trireme
