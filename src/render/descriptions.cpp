#include "src/render/descriptions.h"

#include <nlohmann/json.hpp>

#include "src/output/commit.h"
#include "src/output/dataset_card.h"
#include "src/output/described.h"
#include "src/render/files.h"

namespace trireme {
namespace {

ShardStore::Records records_of(const ShardStore& store, int64_t place) {
  if (!store.is_sealed(place)) return store.recorded(place);
  ShardStore::Records records;
  for (auto& sample : store.manifest(place).samples)
    records[store.position_of(sample.index)] = std::move(sample);
  return records;
}

// A sample that failed has its row all the same.
std::string line_of(const Inputs& inputs, const ShardStore& store, int64_t position,
                    const SampleRecord& record) {
  const auto [sample, recipe, problem] = inputs.read(position);
  auto row = metadata_row(inputs.job(), sample, recipe);
  row.index = record.index;
  row.status = to_string(record.verdict);
  return metadata_line(row, store.file_name(record.index),
                       detail_of(inputs.job().output.metadata)) +
         "\n";
}

std::string failure_of(const Inputs& inputs, const SampleRecord& record) {
  nlohmann::ordered_json line = {{"index", record.index}, {"row", inputs.row_number(record.index)}};
  if (const auto byte = inputs.byte_of(record.index)) line["byte"] = *byte;
  line["code"] = record.code;
  line["reason"] = record.reason;
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void write_metadata(const Inputs& inputs, JobOutput& output) {
  DescribedFile file(output.disk, output.path, "metadata.jsonl");
  for (int64_t place = 0; place < output.store.shards().size(); ++place) {
    std::string lines;
    for (const auto& [position, record] : records_of(output.store, place))
      lines += line_of(inputs, output.store, position, record);
    file.write(lines);
    inputs.let_go();
  }
  file.replace();
}

void write_failures(const Inputs& inputs, JobOutput& output) {
  DescribedFile file(output.disk, output.path, "failed.jsonl");
  for (int64_t place = 0; place < output.store.shards().size(); ++place) {
    if (output.store.is_sealed(place) && output.store.verdicts(place).failed == 0) continue;
    for (const auto& [position, record] : records_of(output.store, place))
      if (record.verdict == Verdict::kFailed) file.write(failure_of(inputs, record));
  }
  file.replace();
}

DatasetFacts facts_of(const Inputs& inputs) {
  const auto& job = inputs.job();
  const auto store = inputs.store_options();
  return {.samples = inputs.file_count(),
          .webdataset = store.container == StoreOptions::Container::kTar,
          .extension = store.extension,
          .metadata = job.output.metadata != Metadata::kNone,
          .captions = job.output.captions,
          .model = job.model.path.written};
}

}  // namespace

void write_descriptions(const Inputs& inputs, JobOutput& output, const Verdicts& verdicts) {
  if (inputs.job().output.metadata != Metadata::kNone && !output.store.is_tar() &&
      verdicts.all() > 0)
    write_metadata(inputs, output);
  if (verdicts.failed > 0) {
    write_failures(inputs, output);
  } else {
    remove_described(output.disk, output.path, "failed.jsonl");
  }
  replace(output.disk, output.path / "README.md", dataset_card(facts_of(inputs)));
}

}  // namespace trireme
