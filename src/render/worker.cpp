#include "src/render/worker.h"

#include "parallel/error.h"

namespace trireme {

using Kind = Op::Kind;

namespace {

// The component that an operation works with.
Parts needed_by(Kind kind) {
  if (kind == Kind::kEncode) return {.text = true};
  if (kind == Kind::kDecode) return {.vae = true};
  return {.transformer = kind == Kind::kBegin || kind == Kind::kForward};
}

}  // namespace

Worker::Worker(const Inputs& inputs, Pipeline& pipeline, SampleFiles& files, StageClock& clock)
    : inputs_(inputs),
      pipeline_(pipeline),
      files_(files),
      clock_(clock),
      role_(pipeline.roles()[pipeline.placement().replica.rank()]),
      has_all_rows_(role_.stage >= 0 && role_.stage == stage_count(pipeline.roles()) - 1),
      embeddings_(pipeline),
      handover_(pipeline.placement(), pipeline.facts().text_on_every_stage,
                pipeline.tensor_options().device()) {}

void Worker::forget_before(int64_t number) {
  const auto forget = [&](auto& by_batch) {
    by_batch.erase(by_batch.begin(), by_batch.lower_bound(number));
  };
  forget(batches_);
  forget(broken_before_);
  forget(texts_);
  forget(denoised_);
}

void Worker::start_over() {
  forget_before(next_batch_);
  next_batch_ = 0;
}

void Worker::perform(const Op& op) {
  const auto parts = needed_by(op.kind);
  if (parts.text || parts.transformer || parts.vae) pipeline_.bring(parts);
  carry_out(op);
  fetch_what_follows(op);
}

// Where components wait on the host, the next one comes while this one still works.
void Worker::fetch_what_follows(const Op& op) {
  if (op.kind == Kind::kEncode) pipeline_.fetch({.transformer = true});
  if (op.kind == Kind::kDecode) pipeline_.fetch({.text = true});
  const auto staged = staged_.find(op.visit.batch);
  if (op.kind == Kind::kForward && staged->second.is_last(op.visit.step))
    pipeline_.fetch({.vae = true});
}

void Worker::carry_out(const Op& op) {
  const auto number = op.visit.batch;
  switch (op.kind) {
    case Kind::kEncode:
      return encode(number);
    case Kind::kGiveText:
      handover_.give_text(texts_.at(number));
      if (role_.stage < 0) texts_.erase(number);
      return;
    case Kind::kTakeText:
      texts_.emplace(number, waiting(handover_.take_text()));
      return;
    case Kind::kGiveLatents:
      handover_.give_latents(denoised_.at(number));
      if (!role_.decodes) denoised_.erase(number);
      return;
    case Kind::kTakeLatents:
      denoised_.emplace(number,
                        handover_.take_latents(static_cast<int64_t>(batch(number).samples.size())));
      return;
    case Kind::kDecode:
      return end(number);
    default:
      return denoise(op);
  }
}

void Worker::encode(int64_t number) {
  const auto timer = clock_.time(Stage::kEncode);
  const auto& batch = batches_.at(number);
  std::vector<Conditioning> rows;
  for (const auto& sample : batch.samples) rows.push_back(embeddings_(sample, batch.recipe));
  clock_.count(Stage::kEncode, embeddings_.take_flops());
  if (inputs_.only_embeds()) {
    files_.write(batch, rows);
  } else {
    texts_.emplace(number, waiting(stack(rows)));
  }
}

void Worker::denoise(const Op& op) {
  const auto timer = clock_.time(Stage::kDenoise);
  const auto [number, step] = op.visit;
  if (op.kind == Kind::kBegin) return begin(number);
  auto& staged = staged_.at(number);
  switch (op.kind) {
    case Kind::kExpect:
      return staged.expect(step);
    case Kind::kReceive:
      return staged.receive(step);
    case Kind::kForward:
      clock_.count(Stage::kDenoise, staged.step_flops(step));
      return staged.forward(step);
    case Kind::kStep:
      staged.step(step);
      if (staged.is_last(step)) denoised_.emplace(number, waiting(result(number)));
      break;
    default:
      staged.send(step);
  }
  const bool over = op.kind == Kind::kSend || denoised_.contains(number);
  if (over && staged.is_last(step)) staged_.erase(number);
}

// What waits for a whole window to be done with a stage does so on the host.
Conditioning Worker::waiting(Conditioning text) const {
  return staged() ? on(at::kCPU, text) : text;
}

Denoised Worker::waiting(Denoised denoised) const {
  if (staged()) denoised.latents = denoised.latents.cpu();
  return denoised;
}

void Worker::begin(int64_t number) {
  const auto& batch = batches_.at(number);
  const auto [staged, is_new] =
      staged_.emplace(number, pipeline_.begin(batch.samples, batch.recipe, take_text(number)));
  clock_.count(Stage::kDenoise, staged->second.begin_flops());
}

Conditioning Worker::take_text(int64_t number) {
  if (inputs_.encodes()) return std::move(texts_.extract(number).mapped());
  const auto& batch = batches_.at(number);
  std::vector<Conditioning> rows;
  auto& broken = broken_before_[number];
  for (const auto& sample : batch.samples) {
    auto [text, problem] = inputs_.files().text(sample, batch.recipe, pipeline_.tensor_options());
    rows.push_back(std::move(text));
    broken.push_back(is_broken(problem));
  }
  return stack(rows);
}

bool Worker::is_broken(const std::string& problem) const {
  if (!problem.empty() && inputs_.job().output.on_error == OnError::kStop)
    throw Error(Exit::kBadData, problem);
  return !problem.empty();
}

// What became of zeros in the place of broken embeddings is nobody's picture.
Denoised Worker::result(int64_t number) const {
  auto denoised = staged_.at(number).result();
  const auto broken = broken_before_.find(number);
  for (size_t i = 0; broken != broken_before_.end() && i < broken->second.size(); ++i)
    if (broken->second[i]) denoised.broken_at_step[i] = kBrokenBefore;
  return denoised;
}

// This rank's rows.
Denoised Worker::read_latents(const Batch& batch) const {
  Denoised read;
  std::vector<at::Tensor> latents;
  for (const auto& sample : batch.samples) {
    const auto [whole, problem] = inputs_.files().latents(sample);
    latents.push_back(handover_.mine(whole.unsqueeze(0)));
    read.broken_at_step.push_back(is_broken(problem) ? kBrokenBefore : kUnbroken);
  }
  read.latents = at::cat(latents).to(pipeline_.tensor_options().device());
  return read;
}

// A rank of the last stage has all rows of the latents, and decodes its own.
void Worker::end(int64_t number) {
  const auto& batch = batches_.at(number);
  if (!inputs_.denoises()) return files_.write(batch, read_latents(batch));
  auto denoised = std::move(denoised_.extract(number).mapped());
  if (has_all_rows_ && inputs_.decodes()) denoised.latents = handover_.mine(denoised.latents);
  files_.write(batch, denoised);
}

}  // namespace trireme
