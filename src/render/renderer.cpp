#include "src/render/renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "src/output/commit.h"
#include "src/render/descriptions.h"
#include "src/render/freed_memory.h"
#include "src/render/gather.h"
#include "src/render/measured_report.h"
#include "src/render/set_up.h"
#include "src/render/staged.h"
#include "src/report/page_reader.h"

namespace trireme {

namespace {

constexpr size_t kAhead = 3;  // batches that are known before they begin
constexpr auto kBetweenLooksAtOthers = std::chrono::milliseconds(100);

}  // namespace

Renderer::Renderer(const Inputs& inputs, const Settled& settled, const Machine& machine,
                   const RenderReports& reports)
    : inputs_(inputs),
      settled_(settled),
      machine_(machine),
      reports_(reports),
      memory_(machine.memory, machine.world),
      clock_(steady_seconds, [&](std::optional<Stage> stage) { memory_.left(stage); }),
      output_(inputs, machine, settled.layout.batch_size),
      pipeline_(make_pipeline(inputs, settled.layout, machine)),
      role_(pipeline_.roles()[pipeline_.placement().replica.rank()]),
      progress_(progress_options(inputs, machine)),
      watch_(watch_options(inputs, settled, machine, reports, output_, pipeline_), clock_),
      recorder_(make_recorder(inputs, settled.layout.batch_size, pipeline_, output_, watch_)),
      files_(inputs, pipeline_, recorder_.get(), progress_, clock_),
      worker_(inputs, pipeline_, files_, clock_),
      patience_(machine.seconds_to_stop),
      dealer_(output_.store, output_.claims, pipeline_.placement().deals,
              {.leader = leader_of(pipeline_.roles()),
               .portion_size = output_.portion_size,
               .replicas = settled.layout.replicas,
               .first_choice = machine.world.rank() / pipeline_.placement().replica.size()}) {}

Exit Renderer::run() {
  if (machine_.world.rank() == kSpeaker) {
    for (const auto& name : output_.damaged)
      progress_.message(fmt::format("[{}] not as its manifest has it -> is made again",
                                    (output_.path / name).string()));
    counts_.skipped = output_.verdicts().done;
  }
  run_rounds();
  return finish();
}

// Until all is made or somebody wants to stop. A second round comes where portions that another run
// held are free again.
void Renderer::run_rounds() {
  auto next = Next::kAgain;
  while (next == Next::kAgain) {
    tally_.emplace(machine_.world, writers(pipeline_, settled_.layout.replicas));
    auto round = run_round();
    result_.stopped |= round.stopped;
    if (std::exchange(is_first_round_, false)) result_.lane = std::move(round.lane);
    if (recorder_) recorder_->finish();
    next = next_round();
    dealer_.again();
  }
  result_.stopped |= next == Next::kStop;
}

RunResult Renderer::run_round() {
  worker_.start_over();
  return staged() ? run_in_stages() : run_batches();
}

// Collective.
Renderer::Next Renderer::next_round() {
  const auto& world = machine_.world;
  show_progress();
  tally_->tell(counts_, /*end=*/true);
  world.note("waiting for the other replicas");
  tally_->wait_until_complete([&] { progress_.update(tally_->heard()); });
  pipeline_.placement().turns.watch(false);
  const auto stopped = world.all_reduce(at::tensor(int64_t{result_.stopped})).item<int64_t>() != 0;
  if (stopped) return Next::kStop;
  auto next = at::tensor(int64_t{0}, at::kLong);
  if (world.rank() != kSpeaker)
    return static_cast<Next>(
        world.start_receive(next, kSpeaker).wait_without_deadline().item<int64_t>());
  next.fill_(static_cast<int64_t>(wait_for_what_others_hold()));
  for (int rank = 1; rank < world.size(); ++rank) world.start_send(next, rank);
  return static_cast<Next>(next.item<int64_t>());
}

// On the speaker.
Renderer::Next Renderer::wait_for_what_others_hold() {
  while (true) {
    const auto rest = rest_of(output_, output_.claims);
    if (rest == Rest::kComplete) return Next::kEnd;
    if (rest == Rest::kSomeFree) return Next::kAgain;
    if (machine_.stop_signal() != 0) return Next::kStop;
    machine_.world.pulse();
    std::this_thread::sleep_for(kBetweenLooksAtOthers);
  }
}

// Reads what this rank needs of these components and frees what it held of others.
void Renderer::hold(const Parts& parts) {
  const auto timer = clock_.time(Stage::kLoad);
  let_freed_memory(FreedMemory::kGoesBack);
  memory_.hold(pipeline_, parts);
  // Where memory is scarce no holes may be kept, whatever a step costs.
  if (settled_.ran_out) return;
  let_freed_memory(staged() ? FreedMemory::kStaysInPart : FreedMemory::kStays);
}

RunCallbacks Renderer::callbacks() {
  return {.perform = [&](const Op& op) { perform(op); },
          .wants_to_stop = [&] { return machine_.stop_signal() != 0; },
          .after_visit = [&](Visit visit) { after_visit(visit); },
          .recorded =
              [&](const Span& span) {
                if (is_first_round_) watch_.recorded(span);  // later ones count time anew
              }};
}

RunResult Renderer::run_batches() {
  hold({.text = true, .transformer = true, .vae = true});
  const auto& placement = pipeline_.placement();
  const auto roles = pipeline_.roles();
  placement.turns.watch(true);
  ProgramMaker program(roles, placement.replica.rank(), batches_in_flight(roles),
                       [&] { return next_steps(); });
  Turns turns(placement.turns, leader_of(roles),
              [&](int64_t turn) { return stops_before(program.visit_of(turn)); });
  auto calls = callbacks();
  calls.after_turn = [&] { worker_.forget_before(program.oldest()); };
  return trireme::run(program, turns, calls);
}

RunResult Renderer::run_in_stages() {
  pipeline_.placement().turns.watch(true);
  return StagedRun(
      pipeline_, worker_, [&](const Parts& parts) { hold(parts); }, [&] { return next_steps(); },
      callbacks(), settled_.layout.window)();
}

// The next batch that this replica makes.
std::optional<int64_t> Renderer::next_steps() {
  while (batches_.empty()) {
    const auto deal = dealer_.next();
    if (!deal) return std::nullopt;
    take_portion(*deal);
  }
  auto batch = std::move(batches_.front());
  batches_.pop_front();
  if (batches_.size() < kAhead) dealer_.look_ahead();
  const auto steps = inputs_.denoises() ? pipeline_.schedule(batch.recipe)->size() : 1;
  worker_.add(std::move(batch));
  return steps;
}

void Renderer::take_portion(const Deal& deal) {
  auto [batches, failed] =
      batches_of(inputs_, deal.portion, settled_.layout.batch_size, deal.recorded);
  if (recorder_)
    recorder_->begin(deal.portion, output_.portion_size,
                     std::count(deal.recorded.begin(), deal.recorded.end(), true));
  files_.write(failed);
  if (pipeline_.placement().replica.rank() == leader_of(pipeline_.roles()))
    watch_.shard_claimed({.shard = output_.store.shards()[deal.portion.shard].number,
                          .first = inputs_.index(deal.portion.first),
                          .count = deal.portion.size(),
                          .there = std::count(deal.recorded.begin(), deal.recorded.end(), true)});
  for (auto& batch : batches) batches_.push_back(std::move(batch));
}

void Renderer::perform(const Op& op) {
  const auto& batch = worker_.batch(op.visit.batch);
  const auto stage = role_.stage < 0 ? std::string() : fmt::format("stage {}, ", role_.stage);
  machine_.world.note(fmt::format("{}{}, sample {}, step {}", stage, to_string(op.kind),
                                  batch.samples.front().index, op.visit.step));
  worker_.perform(op);
  const auto last = inputs_.only_embeds() ? Op::Kind::kEncode : Op::Kind::kDecode;
  if (op.kind == last) watch_.batch_done(batch.samples.front().index);
  show_progress();
}

// Asked once somebody wants to stop: before a new batch begins, or at once where the one in flight
// would take too long.
bool Renderer::stops_before(std::optional<Visit> visit) {
  if (!visit || visit->step == 0) return true;
  const auto& recipe = worker_.batch(visit->batch).recipe;
  const auto turns = (pipeline_.schedule(recipe)->size() - visit->step) *
                     int64_t{batches_in_flight(pipeline_.roles())};
  return !patience_.has_time_for(turns);
}

void Renderer::after_visit(Visit visit) {
  patience_.turn_ended();
  const auto samples = static_cast<int64_t>(worker_.batch(visit.batch).samples.size());
  if (!inputs_.only_embeds()) {
    counts_.steps += samples;
    watch_.stepped(samples);
  }
  show_progress();
}

void Renderer::show_progress() {
  pipeline_.placement().turns.pulse();
  WatchedCounts counted;
  if (recorder_) {
    const auto made = recorder_->recorded();
    counts_.done = made.done;
    counts_.failed = made.failed;
    counted = {.done = made.done,
               .failed = made.failed,
               .skipped = counts_.skipped,
               .written_bytes = recorder_->written_bytes(),
               .waiting = recorder_->waiting()};
  }
  watch_.counted(counted);
  if (const int signal = machine_.stop_signal(); signal != 0 && !std::exchange(told_signal_, true))
    watch_.signal_came(signal);
  tally_->tell(counts_);
  progress_.update(tally_->heard());
}

void Renderer::write_schedule(Report& report, const Trace& lanes) const {
  const auto roles = pipeline_.roles();
  const auto replicas = lanes_of_replicas(lanes, roles, batches_in_flight(roles));
  for (size_t replica = 0; replica < replicas.size(); ++replica)
    report.schedules.push_back(schedule_report(replicas[replica], static_cast<int>(replica)));
  if (!reports_.trace.empty()) write_atomically(reports_.trace, to_chrome_json(replicas));
}

Exit Renderer::finish() {
  const auto& world = machine_.world;
  world.note("report");
  const auto made = recorder_ ? recorder_->recorded() : Verdicts();
  const auto done = world.all_reduce(at::tensor(made.done, at::kLong)).item<int64_t>();
  Report report{
      .total_seconds = steady_seconds() - begun_,
      .ranks = gather_reports(world, measured_report(machine_, clock_, memory_, staged())),
      .predicted = settled_.predicted};
  const auto lanes = gather_lanes(world, result_.lane);
  auto failed = at::tensor(int64_t{0}, at::kLong);
  if (world.rank() == kSpeaker) {
    const auto all = verdicts_ = output_.verdicts();
    report.done = done;
    report.failed = all.failed;
    report.skipped = std::max<int64_t>(all.done + all.skipped - done, 0);
    failed.fill_(report.failed);
    progress_.update(tally_->heard());
    progress_.finish();
    write_schedule(report, lanes);
    write_descriptions(inputs_, output_, all);
    replace(output_.disk, output_.path / "report.json", to_json(report));
    if (reports_.memory) reports_.memory(memory_table(report));
  }
  failed = world.broadcast(failed, kSpeaker);
  const auto exit = exit_with(failed.item<int64_t>());
  watch_.ended(static_cast<int>(exit));
  watch_.trace_is_whole();
  if (world.rank() == kSpeaker)
    write_report_page(output_.path, reports_.warning,
                      {.verdicts = verdicts_, .total = inputs_.file_count()});
  return exit;
}

Exit Renderer::exit_with(int64_t failed) const {
  if (result_.stopped) return Exit::kDrained;
  return inputs_.job().output.max_failed.allows(failed, inputs_.file_count())
             ? Exit::kDone
             : Exit::kTooManyFailed;
}

}  // namespace trireme
