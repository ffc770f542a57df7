// Renders a job with a stand-in for its model, which draws one grey picture, or one that is as hard
// to compress as a photograph: rows, claims, batches, encoders, journals, shards, logs and
// descriptions are the job's own, at the pace that they have without a model.
//   null_model JOB [--photograph] [key.path=value...]
// Prints one JSON object: rows made and the seconds it took, the seconds until the first row was
// taken, those that it waited for the writing threads, and the process's bytes of memory when half
// of the rows were made and in the end.
#include <malloc.h>

#include <algorithm>

#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "src/image/picture_parts.h"
#include "src/output/commit.h"
#include "src/render/batches.h"
#include "src/render/dealer.h"
#include "src/render/descriptions.h"
#include "src/render/files.h"
#include "src/render/set_up.h"
#include "src/report/report.h"

namespace trireme {
namespace {

using Draw = std::string (*)(const PictureSize& size);  // [height, width, 3]

std::string grey(const PictureSize& size) {
  return std::string(static_cast<std::size_t>(size.height * size.width * 3), '\x80');
}

// Slopes under a noise of 21 levels: two thirds of the bytes remain, as of photographs.
std::string photograph(const PictureSize& size) {
  std::string pixels;
  std::minstd_rand random(1);
  for (std::int64_t y = 0; y < size.height; ++y)
    for (std::int64_t x = 0; x < size.width; ++x)
      for (std::int64_t channel = 0; channel < 3; ++channel)
        pixels.push_back(static_cast<char>((x / 8 + y / 5 + channel * 40) % 200 + random() % 21));
  return pixels;
}

class NullRenderer {
 public:
  NullRenderer(const Inputs& inputs, const Settled& settled, const Machine& machine, Draw draw)
      : draw_(draw),
        inputs_(inputs),
        settled_(settled),
        output_(inputs, machine, settled.layout.batch_size),
        pipeline_(make_pipeline(inputs, settled.layout, machine)),
        watch_(watch_options(inputs, settled, machine, {}, output_, pipeline_), clock_),
        recorder_(make_recorder(inputs, settled.layout.batch_size, pipeline_, output_, watch_)),
        dealer_(output_.store, output_.claims, pipeline_.placement().deals,
                {.portion_size = output_.portion_size}) {}

  nlohmann::json run() {
    do {
      while (const auto deal = dealer_.next()) {
        if (first_ < 0) first_ = steady_seconds() - begun_;
        make(*deal);
        dealer_.look_ahead();
      }
      recorder_->finish();
      dealer_.again();
    } while (rest_of(output_, output_.claims) == Rest::kSomeFree);
    write_descriptions(inputs_, output_, output_.verdicts());
    watch_.ended(0);
    return {{"rows", made_},         {"seconds", steady_seconds() - begun_},
            {"until_first", first_}, {"bytes_at_half", half_bytes_},
            {"bytes", host_bytes()}, {"waited", recorder_->seconds_waited()}};
  }

 private:
  void make(const Deal& deal) {
    const auto there = std::count(deal.recorded.begin(), deal.recorded.end(), true);
    auto [batches, failed] =
        batches_of(inputs_, deal.portion, settled_.layout.batch_size, deal.recorded);
    recorder_->begin(deal.portion, output_.portion_size, there);
    for (const auto& batch : batches) draw(batch);
    if (half_bytes_ == 0 && made_ > inputs_.file_count() / 2) half_bytes_ = host_bytes();
  }

  void draw(const Batch& batch) {
    const auto& size = batch.recipe.asked;
    if (!picture_) picture_ = std::make_shared<std::string>(draw_({size.height, size.width}));
    for (std::size_t i = 0; i < batch.samples.size(); ++i) {
      if (batch.recorded[i]) continue;
      recorder_->put(
          [this, sample = batch.samples[i], recipe = batch.recipe, picture = picture_] {
            return finished(inputs_, sample, recipe,
                            picture_file(inputs_.job(), sample, recipe, "Null", *picture));
          },
          static_cast<std::int64_t>(picture_->size()));
      ++made_;
    }
    const auto recorded = recorder_->recorded();
    watch_.counted({.done = recorded.done,
                    .written_bytes = recorder_->written_bytes(),
                    .waiting = recorder_->waiting()});
    watch_.batch_done(batch.samples.front().index);
  }

  const double begun_ = steady_seconds();
  double first_ = -1;
  std::int64_t made_ = 0, half_bytes_ = 0;
  const Draw draw_;
  std::shared_ptr<std::string> picture_;
  const Inputs& inputs_;
  const Settled& settled_;
  JobOutput output_;
  Pipeline pipeline_;
  StageClock clock_{steady_seconds};
  Watch watch_;
  std::unique_ptr<Recorder> recorder_;
  Dealer dealer_;
};

int run(int argc, char** argv) {
  const auto begun = steady_seconds();
  std::vector<std::string> overrides(argv + 2, argv + argc);
  const bool hard = std::erase(overrides, "--photograph") > 0;
  const auto job = read_job(argv[1], overrides);
  const Machine machine{.world = {}, .host = "null", .memory_bytes = std::int64_t{8} << 30};
  const auto settled = settle(for_device(job, machine.device), machine);
  const Inputs inputs(settled.job);
  const auto settling = steady_seconds() - begun;
  auto told = NullRenderer(inputs, settled, machine, hard ? photograph : grey).run();
  told["until_first"] = told["until_first"].get<double>() + settling;
  std::cout << told.dump() << '\n';
  return 0;
}

}  // namespace
}  // namespace trireme

int main(int argc, char** argv) {
  mallopt(M_ARENA_MAX, 1);  // as trireme does
  try {
    return trireme::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
