// The quantile function of the Beta distribution, to double precision: the x at which the
// regularised incomplete beta function I_x(a, b) is p. For a, b > 0; p = 0 gives 0, p = 1 gives 1.
#pragma once

namespace trireme {

double incomplete_beta(double x, double a, double b);  // I_x(a, b), for 0 <= x <= 1
double beta_quantile(double p, double a, double b);

}  // namespace trireme
