#include "src/schedulers/beta_quantile.h"

#include <cmath>
#include <limits>

namespace trireme {
namespace {

double log_beta(double a, double b) {
  return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
}

// The continued fraction of DLMF 8.17.22 by Lentz's method; converges fast for x < (a+1)/(a+b+2).
double beta_fraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::fabs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
  double value = d;
  for (int m = 1; m < 500; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away_from_zero(1 + even * d);
    c = away_from_zero(1 + even / c);
    value *= c * d;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away_from_zero(1 + odd * d);
    c = away_from_zero(1 + odd / c);
    value *= c * d;
    if (std::fabs(c * d - 1) < std::numeric_limits<double>::epsilon()) break;
  }
  return value;
}

// For p up to I_{1/2}: Newton on I_x(a, b) = p, kept inside a bracket that always holds the root.
double lower_quantile(double p, double a, double b) {
  double low = 0, high = 0.5;
  // I_x(a, b) = x^a / (a B(a, b)) (1 + O(x)).
  double x = std::exp((std::log(p * a) + log_beta(a, b)) / a);
  for (int i = 0; i < 200; ++i) {
    if (!(x > low && x < high)) x = low + (high - low) / 2;
    const double excess = incomplete_beta(x, a, b) - p;
    (excess > 0 ? high : low) = x;
    const double log_density = (a - 1) * std::log(x) + (b - 1) * std::log1p(-x) - log_beta(a, b);
    const double next = x - excess / std::exp(log_density);
    if (std::fabs(next - x) <= 2 * std::numeric_limits<double>::epsilon() * x) return next;
    x = next;
  }
  return x;
}

}  // namespace

double incomplete_beta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(1 - x, b, a);
  const double log_front = a * std::log(x) + b * std::log1p(-x) - log_beta(a, b);
  return std::exp(log_front) / a * beta_fraction(x, a, b);
}

double beta_quantile(double p, double a, double b) {
  if (p <= 0) return 0;
  if (p >= 1) return 1;
  if (p <= incomplete_beta(0.5, a, b)) return lower_quantile(p, a, b);
  return 1 - lower_quantile(1 - p, b, a);
}

}  // namespace trireme
