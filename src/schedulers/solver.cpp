#include "src/schedulers/solver.h"

#include <fmt/format.h>

#include <utility>

#include "parallel/error.h"

namespace trireme {
namespace {

struct Term {
  double weight;
  at::Tensor value;
};

// The weighted sum, never one of the tensors itself: callers may write into what they gave or got.
// Terms without weight are left out, so a tensor of theirs may be undefined.
at::Tensor sum_of(const std::vector<Term>& all) {
  at::Tensor sum;
  const Term* unscaled = nullptr;
  for (const Term& term : all) {
    if (term.weight == 0) continue;
    if (sum.defined()) {
      sum.add_(term.value, term.weight);
    } else if (unscaled) {
      sum = at::add(unscaled->value, term.value, term.weight);
    } else if (term.weight == 1) {
      unscaled = &term;
    } else {
      sum = at::mul(term.value, term.weight);
    }
  }
  if (sum.defined()) return sum;
  return unscaled ? unscaled->value.clone() : at::zeros_like(all.front().value);
}

at::Tensor blended(const Blend& blend, const at::Tensor& sample, const at::Tensor& other) {
  return sum_of({{blend.sample, sample}, {blend.other, other}});
}

// Saharia et al. 2022 (arXiv 2205.11487), dynamic thresholding: each sample by its own quantile.
at::Tensor thresholded(const at::Tensor& sample, const Limit& limit) {
  std::vector<at::Tensor> thresholds;
  for (const at::Tensor& each : sample.flatten(1).abs().unbind(0)) {
    thresholds.push_back(at::quantile(each, limit.quantile));
  }
  const at::Tensor threshold = at::stack(thresholds).clamp(1, limit.maximum).view({-1, 1, 1, 1});
  return at::clamp(sample, -threshold, threshold).div_(threshold);
}

}  // namespace

Solver::Solver(std::shared_ptr<const Schedule> schedule) : schedule_(std::move(schedule)) {}

at::Tensor Solver::input(const at::Tensor& sample, int64_t i) const {
  const double scale = schedule_->rules.at(static_cast<size_t>(i)).input_scale;
  return scale == 1 ? sample : at::mul(sample, scale);
}

at::Tensor Solver::limited(const at::Tensor& estimate) const {
  const Limit& limit = schedule_->limit;
  if (limit.kind == Limit::Kind::kClamp) return estimate.clamp(-limit.maximum, limit.maximum);
  if (limit.kind == Limit::Kind::kQuantile) return thresholded(estimate, limit);
  return estimate;
}

void Solver::remember(const StepRule& rule, const at::Tensor& prediction,
                      const at::Tensor& sample) {
  if (rule.sets_anchor) anchor_ = sample.clone();
  if (schedule_->history == 0) return;
  at::Tensor estimate = limited(blended(rule.estimate, sample, prediction));
  if (rule.from_limited) estimate = blended(*rule.from_limited, sample, estimate);
  estimates_.insert(estimates_.begin(), estimate);
  if (static_cast<int64_t>(estimates_.size()) > schedule_->history) estimates_.pop_back();
}

at::Tensor Solver::step(const at::Tensor& prediction, int64_t i, const at::Tensor& sample,
                        const at::Tensor& noise) {
  if (i != next_ || i >= schedule_->size() || schedule_->needs_noise != noise.defined()) {
    throw Error(Exit::kBug,
                fmt::format("[{}] step {} {} noise -> must be step {} of {} {} noise -> "
                            "a program out of order",
                            schedule_->scheduler, i, noise.defined() ? "with" : "without", next_,
                            schedule_->size(), schedule_->needs_noise ? "with" : "without"));
  }
  ++next_;
  const StepRule& rule = schedule_->rules[static_cast<size_t>(i)];
  const at::Tensor p = prediction.to(at::kFloat);
  const at::Tensor x = sample.to(at::kFloat);
  remember(rule, p, x);
  std::vector<Term> terms{
      {rule.sample, rule.from_anchor ? anchor_ : x}, {rule.prediction, p}, {rule.noise, noise}};
  for (size_t k = 0; k < estimates_.size(); ++k)
    terms.push_back({rule.estimates[k], estimates_[k]});
  return sum_of(terms);
}

}  // namespace trireme
