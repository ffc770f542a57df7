#include "parallel/transports/nccl_communicator.h"

#include <algorithm>
#include <exception>

namespace trireme {

NcclCommunicator::NcclCommunicator(std::shared_ptr<NcclWorld> world, Transport& bootstrap)
    : world_(std::move(world)) {
  auto& library = *world_->library;
  const auto start = world_->watchdog.begin({.name = "start", .ranks = bootstrap.size()});
  NcclId id{};
  auto letter = at::empty({static_cast<int64_t>(id.size())}, at::kByte);
  if (bootstrap.rank() == 0) {
    settle(library.make_id(id), start);
    std::copy(id.begin(), id.end(), static_cast<char*>(letter.data_ptr()));
  }
  bootstrap.broadcast(letter, 0);
  std::copy_n(static_cast<const char*>(letter.const_data_ptr()), id.size(), id.begin());
  const auto answer = library.init(comm_, id, bootstrap.size(), bootstrap.rank());
  if (comm_ != nullptr) world_->watchdog.guard(comm_);
  try {
    settle(answer, start);
    world_->watchdog.finished(*start);
  } catch (...) {
    if (comm_ != nullptr) world_->watchdog.let_go(comm_);
    throw;
  }
}

NcclCommunicator::~NcclCommunicator() {
  if (std::uncaught_exceptions() > 0) world_->watchdog.hurry();
  world_->watchdog.let_go(comm_);
}

std::shared_ptr<NcclOperation> NcclCommunicator::queue(NcclOperation operation, DeviceStream stream,
                                                       const std::function<void()>& calls) {
  auto& library = *world_->library;
  world_->watchdog.expect_sound();
  operation.comm = comm_;
  operation.stream = stream;
  const auto queued = world_->watchdog.begin(std::move(operation));
  queued->begun = library.record(stream);
  library.group_start();
  calls();
  settle(library.group_end(comm_), queued);
  queued->done = library.record(stream);
  world_->watchdog.enqueued(queued);
  return queued;
}

void NcclCommunicator::settle(NcclAnswer answer, const std::shared_ptr<NcclOperation>& operation) {
  if (answer.state == NcclAnswer::kUnderWay) {
    world_->watchdog.wait(operation, [&] {
      answer = world_->watchdog.state(comm_);
      return answer.state != NcclAnswer::kUnderWay;
    });
  }
  if (answer.state == NcclAnswer::kFailed) world_->watchdog.fail(*operation, answer.error);
}

}  // namespace trireme
