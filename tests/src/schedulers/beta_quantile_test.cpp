#include "src/schedulers/beta_quantile.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trireme {
namespace {

TEST(BetaQuantile, HasClosedFormsForSpecialShapes) {
  for (double p : {1e-9, 0.01, 0.3, 0.5, 0.7, 0.999}) {
    EXPECT_NEAR(beta_quantile(p, 1, 1), p, 1e-15 + 1e-14 * p);         // uniform
    EXPECT_NEAR(beta_quantile(p, 3, 1), std::cbrt(p), 1e-14);          // x^3
    EXPECT_NEAR(beta_quantile(p, 1, 2), 1 - std::sqrt(1 - p), 1e-14);  // 1 - (1 - x)^2
    EXPECT_NEAR(beta_quantile(p, 0.5, 0.5), std::pow(std::sin(p * M_PI / 2), 2), 1e-14);  // arcsine
  }
}

// scipy.stats.beta.ppf(p, 0.6, 0.6).
TEST(BetaQuantile, AgreesWithScipy) {
  EXPECT_NEAR(beta_quantile(0.001, 0.6, 0.6), 1.855873851745199e-05, 1e-18);
  EXPECT_NEAR(beta_quantile(0.1, 0.6, 0.6), 0.03958440558878085, 1e-15);
  EXPECT_NEAR(beta_quantile(0.25, 0.6, 0.6), 0.17568037865269498, 1e-15);
  EXPECT_NEAR(beta_quantile(0.8, 0.6, 0.6), 0.8770782495416671, 1e-15);
  EXPECT_NEAR(beta_quantile(0.97, 0.6, 0.6), 0.9946317188159646, 1e-15);
}

TEST(BetaQuantile, IsTheInverseOfTheDistribution) {
  for (int i = 0; i <= 1000; ++i) {
    const double p = i / 1000.0;
    EXPECT_NEAR(incomplete_beta(beta_quantile(p, 0.6, 0.6), 0.6, 0.6), p, 1e-13);
    // So steep at 1 that neighbouring doubles are far apart in p: the root lies between them.
    const double x = beta_quantile(p, 5, 0.3);
    EXPECT_LE(incomplete_beta(x * (1 - 4e-16), 5, 0.3), p + 1e-13);
    EXPECT_GE(incomplete_beta(x * (1 + 4e-16), 5, 0.3), p - 1e-13);
  }
}

TEST(BetaQuantile, EndsAtTheEnds) {
  EXPECT_EQ(beta_quantile(0, 0.6, 0.6), 0);
  EXPECT_EQ(beta_quantile(1, 0.6, 0.6), 1);
  EXPECT_NEAR(beta_quantile(0.5, 0.6, 0.6), 0.5, 1e-15);
}

}  // namespace
}  // namespace trireme
