#include "src/calibration/measure.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "parallel/flops.h"
#include "parallel/layers/attention.h"
#include "src/nn/conv.h"

namespace trireme {
namespace {

constexpr int kRounds = 5;
constexpr double kRoundSeconds = 0.15;  // at least, so that a clock's grain is nothing

// Of the models: SD3-medium's width, heads of SD3 and PixArt, and the VAE's one head.
constexpr int64_t kWidth = 1536, kHeads = 4;
constexpr int64_t kManyRows = 2048, kFewRows = 32;
constexpr int64_t kManyKeys = 2048, kFewKeys = 128;
constexpr int64_t kHeadDims[] = {64, 72, 512};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A result that has arrived on the host is there.
void wait_for(const at::Tensor& x) {
  if (!x.is_cpu()) x.flatten()[0].item<float>();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds of one call.
double seconds_of(const std::function<at::Tensor()>& call) {
  wait_for(call());
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const double begun = now();
    double passed = 0;
    int64_t calls = 0;
    at::Tensor last;
    while (passed < kRoundSeconds) {
      last = call();
      ++calls;
      if (last.is_cpu() || calls % 16 == 0) wait_for(last);
      passed = now() - begun;
    }
    wait_for(last);
    rounds.push_back((now() - begun) / static_cast<double>(calls));
  }
  return median(rounds);
}

// rate(n) = most x n / (n + half) through two points: most and half.
struct Curve {
  double most, half;
};
Curve curve_through(double many, double rate_of_many, double few, double rate_of_few) {
  const double slope = rate_of_few / few - rate_of_many / many;
  const double half = slope <= 0 ? 0 : std::max((rate_of_many - rate_of_few) / slope, 0.0);
  return {rate_of_many * (1 + half / many), half};
}

// Random weights of a 3x3 convolution that keeps its channels.
class RandomConvolution : public TensorSource {
 public:
  RandomConvolution(int64_t channels, at::TensorOptions options)
      : channels_(channels), options_(options) {}
  bool has(const std::string&) const override { return true; }
  std::vector<int64_t> shape(const std::string& name) const override {
    if (name == "bias") return {channels_};
    return {channels_, channels_, 3, 3};
  }
  at::TensorOptions options(const std::string&) const override { return options_; }
  void read_into(const at::Tensor& destination, const std::string&, int64_t, Part) override {
    destination.normal_(0, 0.01);
  }
  void elsewhere(const std::string&) override {}
  std::string place(const std::string&) const override { return "random"; }

 private:
  int64_t channels_;
  at::TensorOptions options_;
};

double product_rate(int64_t rows, const at::TensorOptions& options) {
  const auto x = at::randn({rows, kWidth}, options), w = at::randn({4 * kWidth, kWidth}, options);
  return static_cast<double>(linear_flops(rows, kWidth, 4 * kWidth)) /
         seconds_of([&] { return at::linear(x, w); });
}

double attention_rate_of(int64_t head_dim, int64_t keys, const at::TensorOptions& options) {
  const auto heads = head_dim > 128 ? 1 : kHeads;
  const auto make = [&] { return at::randn({1, heads, keys, head_dim}, options); };
  const auto q = make(), k = make(), v = make();
  return static_cast<double>(attention_flops(keys, keys, heads * head_dim)) /
         seconds_of([&] { return attend(q, k, v); });
}

double convolution_rate(const at::TensorOptions& options) {
  constexpr int64_t kSide = 64, kChannels = 256;
  const Conv2d conv(Weights(std::make_shared<RandomConvolution>(kChannels, options)),
                    {kChannels, kChannels});
  const auto x = at::randn({1, kChannels, kSide, kSide}, options);
  return static_cast<double>(conv_flops(kSide * kSide, kChannels, kChannels, 3)) /
         seconds_of([&] { return conv(x); });
}

// Two read and one written.
double copy_rate(const at::TensorOptions& options) {
  const auto a = at::randn({4096, kWidth}, options), b = at::randn({4096, kWidth}, options);
  return 3.0 * static_cast<double>(a.nbytes()) / seconds_of([&] { return at::add(a, b); });
}

double launch_seconds(const at::TensorOptions& options) {
  const auto a = at::randn({16}, options);
  return seconds_of([&] { return at::add(a, a); });
}

double upload_rate(at::Device device) {
  constexpr int64_t kBytes = 64 << 20;
  const auto host = at::zeros({kBytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  return static_cast<double>(kBytes) /
         seconds_of([&] { return host.to(device, /*non_blocking=*/true); });
}

}  // namespace

Rates measure_rates(at::Device device, at::ScalarType dtype) {
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const auto products = curve_through(kManyRows, product_rate(kManyRows, options), kFewRows,
                                      product_rate(kFewRows, options));
  const auto attention = curve_through(kManyKeys, attention_rate_of(64, kManyKeys, options),
                                       kFewKeys, attention_rate_of(64, kFewKeys, options));
  Rates rates{.matmul = products.most,
              .convolution = convolution_rate(options),
              .copy = copy_rate(options),
              .launch = launch_seconds(options),
              .half_rows = products.half,
              .half_keys = attention.half,
              .load = 1e9};
  for (const auto dim : kHeadDims)
    rates.attention[dim] = attention_rate_of(dim, kManyKeys, options) *
                           (1 + attention.half / static_cast<double>(kManyKeys));
  if (!device.is_cpu()) rates.host_to_device = upload_rate(device);
  return rates;
}

Link measure_link(const Group& group, at::Device device) {
  if (group.alone()) return {};
  constexpr int64_t kFloats = 2 << 20;
  const int n = group.size();
  const auto small = at::ones({1}, at::TensorOptions().device(device));
  const auto large = at::ones({kFloats}, at::TensorOptions().device(device));
  const auto bytes = static_cast<double>(large.nbytes());
  // The same number of calls on all ranks.
  const auto seconds = [&](const std::function<at::Tensor()>& call) {
    std::vector<double> rounds;
    for (int round = 0; round < 2 * kRounds; ++round) {
      group.barrier();
      const double begun = now();
      for (int i = 0; i < 4; ++i) wait_for(call());
      rounds.push_back((now() - begun) / 4);
    }
    return median(rounds);
  };
  const auto rate = [](double sent, double all, double latency) {
    return sent / std::max(all - latency, 1e-9);
  };
  Link link{.latency = seconds([&] { return group.all_reduce(small); })};
  const double sum = seconds([&] { return group.all_reduce(large); });
  link.collective = rate(2.0 * (n - 1) / n * bytes, sum, link.latency);
  const int next = (group.rank() + 1) % n, before = (group.rank() + n - 1) % n;
  link.rate = rate(bytes, seconds([&] {
                     auto coming = group.start_receive(large, before);
                     group.send(large, next);
                     return coming.wait();
                   }),
                   link.latency);
  const Split rows(n * n, n), columns(kFloats / n / n * n, n);
  const auto mine = at::ones({n, kFloats / n / n * n}, large.options());
  const double trade = seconds([&] { return group.all_to_all(mine, 0, rows, 1, columns); });
  link.all_to_all[n] = rate(static_cast<double>(mine.nbytes()) * (n - 1) / n, trade, link.latency);
  return link;
}

}  // namespace trireme
