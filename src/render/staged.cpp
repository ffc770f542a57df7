#include "src/render/staged.h"

#include <algorithm>

namespace trireme {
namespace {

using Kind = Op::Kind;

// Of embeddings and latents that wait between two stages. T5-XXL's of SD3 take 5.5 MB a prompt in
// float32 and half of that in half types, so a window has some tens of samples.
constexpr int64_t kWindowBytes = 128 << 20;

// CLIP's tokens, which stand before T5's.
constexpr int64_t kClipTokens = 77;

template <class Keep>
Roles only(Roles roles, Keep keep) {
  std::transform(roles.begin(), roles.end(), roles.begin(), keep);
  return roles;
}

}  // namespace

StagedRun::StagedRun(const Pipeline& pipeline, Worker& worker,
                     std::function<void(const Parts&)> hold, NextSteps next_steps,
                     RunCallbacks callbacks, std::optional<int> window)
    : pipeline_(pipeline),
      worker_(worker),
      hold_(std::move(hold)),
      next_steps_(std::move(next_steps)),
      callbacks_(std::move(callbacks)),
      window_(window),
      roles_(pipeline.roles()),
      begun_(steady_seconds()) {}

RunResult StagedRun::operator()() {
  while (!result_.stopped) {
    auto window = next_window();
    if (window.empty()) break;
    window = encode(window);
    if (!result_.stopped) decode(denoise(window));
    worker_.forget_before(taken_);
  }
  return std::move(result_);
}

StagedRun::Window StagedRun::next_window() {
  Window window;
  while (!is_full(window)) {
    const auto steps = next_steps_();
    if (!steps) break;
    window.push_back({taken_++, *steps});
  }
  return window;
}

bool StagedRun::is_full(const Window& window) const {
  int64_t samples = 0, bytes = 0;
  for (const auto& batch : window) {
    samples += static_cast<int64_t>(worker_.batch(batch.number).samples.size());
    bytes += waiting_bytes(batch);
  }
  return window_ ? samples >= *window_ : bytes >= kWindowBytes;
}

int64_t StagedRun::waiting_bytes(const Batch& batch) const {
  const auto& [samples, recipe, recorded] = worker_.batch(batch.number);
  const auto& facts = pipeline_.facts();
  const auto texts = recipe.guidance.on() ? 2 : 1;
  const auto tokens = recipe.max_sequence_length + kClipTokens;
  const auto text = texts * tokens * facts.text_width *
                    static_cast<int64_t>(pipeline_.tensor_options().dtype().itemsize());
  const auto pixels = recipe.made.height * recipe.made.width;
  const auto latents = facts.latent_channels * pixels /
                       (facts.pixels_per_latent * facts.pixels_per_latent) *
                       static_cast<int64_t>(sizeof(float));
  return static_cast<int64_t>(samples.size()) * (text + latents);
}

StagedRun::Window StagedRun::stage(const Roles& roles, Window window) {
  const auto& placement = pipeline_.placement();
  Turns turns(placement.turns, leader_of(roles));
  const double offset = steady_seconds() - begun_;
  auto next = window.begin();
  ProgramMaker program(roles, placement.replica.rank(), batches_in_flight(roles),
                       [&]() -> std::optional<int64_t> {
                         if (next == window.end()) return std::nullopt;
                         return (next++)->steps;
                       });
  const auto numbered = [&](Visit visit) {
    if (visit.batch >= 0) visit.batch = window[visit.batch].number;
    return visit;
  };
  Window done;
  auto calls = callbacks_;
  calls.perform = [&](Op op) {
    op.visit = numbered(op.visit);
    callbacks_.perform(op);
  };
  const bool has_the_steps = stage_count(roles) == stage_count(roles_);
  calls.after_visit = [&](Visit visit) {
    const auto& batch = window[visit.batch];
    if (visit.step + 1 == batch.steps) done.push_back(batch);
    if (has_the_steps) callbacks_.after_visit(numbered(visit));
  };
  calls.recorded = [&](const Span& span) {
    const auto& [op, begin, end] = span;
    result_.lane.push_back({{op.kind, numbered(op.visit), op.peer}, begin + offset, end + offset});
    callbacks_.recorded(result_.lane.back());
  };
  const auto result = run(program, turns, calls);
  result_.stopped = result_.stopped || result.stopped;
  return done;
}

// Between two stages, batch by batch in one order on all ranks.
void StagedRun::hand_over(Kind give, Kind take, const Window& window) {
  const auto& mine = roles_[pipeline_.placement().replica.rank()];
  const int last = stage_count(roles_) - 1;
  const auto gives = [&](const Role& role) {
    return give == Kind::kGiveText ? role.encodes : role.stage == last;
  };
  const auto needs = [&](const Role& role) {
    return take == Kind::kTakeText ? role.stage >= 0 && !role.encodes
                                   : role.decodes && role.stage != last;
  };
  const bool needed = std::any_of(roles_.begin(), roles_.end(), needs);
  for (const auto& batch : window) {
    if (needed && gives(mine)) callbacks_.perform({give, {batch.number, 0}});
    if (needs(mine)) callbacks_.perform({take, {batch.number, 0}});
  }
}

StagedRun::Window StagedRun::encode(const Window& window) {
  const auto roles = only(roles_, [](const Role& r) { return Role{.encodes = r.encodes}; });
  if (roles == Roles(roles.size())) return window;  // text comes from files
  hold_({.text = true});
  auto once = window;
  for (auto& batch : once) batch.steps = 1;
  stage(roles, once);
  if (!result_.stopped && stage_count(roles_) > 0)
    hand_over(Kind::kGiveText, Kind::kTakeText, window);
  return window;
}

StagedRun::Window StagedRun::denoise(const Window& window) {
  if (stage_count(roles_) == 0) return window;
  hold_({.transformer = true});
  const auto done = stage(
      only(roles_, [](const Role& r) { return Role{.stage = r.stage, .place = r.place}; }), window);
  hand_over(Kind::kGiveLatents, Kind::kTakeLatents, done);
  return done;
}

void StagedRun::decode(const Window& window) {
  const auto roles = only(roles_, [](const Role& r) { return Role{.decodes = r.decodes}; });
  if (roles == Roles(roles.size()) || window.empty()) return;
  hold_({.vae = true});
  auto once = window;
  for (auto& batch : once) batch.steps = 1;
  const bool stopping = result_.stopped;
  if (stopping) callbacks_.wants_to_stop = [] { return false; };  // what is denoised is finished
  stage(roles, once);
}

}  // namespace trireme
