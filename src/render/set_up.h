// What a job has before its first batch: its settled values, and a pipeline that is placed and
// holds no weights yet. Owns nothing. On one rank the pipeline is whole.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/output/recorder.h"
#include "src/pipelines/pipeline.h"
#include "src/render/inputs.h"
#include "src/render/job_output.h"
#include "src/render/machine.h"
#include "src/render/render.h"
#include "src/render/settle.h"
#include "src/render/watch.h"
#include "src/report/progress.h"

namespace trireme {

// The job with `dtype: auto` settled, which the pictures' bytes depend on.
Job for_device(Job job, at::Device device);

Pipeline make_pipeline(const Inputs& inputs, const Layout& layout, const Machine& machine);
// The rank of each replica that writes.
std::vector<int> writers(const Pipeline& pipeline, int replicas);

WatchOptions watch_options(const Inputs& inputs, const Settled& settled, const Machine& machine,
                           const RenderReports& reports, const JobOutput& output,
                           const Pipeline& pipeline);
// On the rank of a replica that writes, else null. `output` and `watch`, which hears of what is
// recorded, must outlive it.
std::unique_ptr<Recorder> make_recorder(const Inputs& inputs, int64_t batch_size,
                                        const Pipeline& pipeline, JobOutput& output, Watch& watch);

ProgressOptions progress_options(const Inputs& inputs, const Machine& machine);

}  // namespace trireme
